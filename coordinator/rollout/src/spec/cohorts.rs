use std::collections::BTreeSet;

use pinion_model::{LabelSelector, check_labels};

use super::{Cohort, Faults, StageSpec};

/// Most stages of a rollout.
const MAX_STAGES: usize = 100;

/// Checks who is in which stage: every stage can take a machine, and shares
/// that begin go on to the whole fleet.
pub(super) fn check(stages: &[StageSpec], faults: &mut Faults) {
    let count = stages.len();
    faults.demand(count <= MAX_STAGES, "strategy.stages", || {
        format!("at most {MAX_STAGES} stages; got {count}")
    });
    for (place, stage) in stages.iter().enumerate() {
        let path = format!("strategy.stages[{place}]");
        check_one(&path, &stage.cohort, faults);
        check_reach(&path, &stages[..place], &stage.cohort, faults);
    }
    check_names(stages, faults);
    check_shares(stages, faults);
}

fn check_one(path: &str, cohort: &Cohort, faults: &mut Faults) {
    match cohort {
        Cohort::Count(0) => faults.add(format!("{path}.count"), "must be at least 1"),
        Cohort::Percent(share) if !(1..=100).contains(share) => {
            faults.add(
                format!("{path}.percent"),
                format!("must be 1 to 100; got {share}"),
            );
        }
        Cohort::Selector(selector) if selector.0.is_empty() => faults.add(
            format!("{path}.selector"),
            "needs at least one label; use \"rest\" for all that are left",
        ),
        Cohort::Selector(selector) => {
            if let Err(error) = check_labels(&selector.0) {
                faults.add(format!("{path}.selector"), error.to_string());
            }
        }
        _ => {}
    }
}

/// A stage that those before it leave nobody for.
fn check_reach(path: &str, before: &[StageSpec], cohort: &Cohort, faults: &mut Faults) {
    let all = before
        .iter()
        .position(|stage| matches!(stage.cohort, Cohort::Rest | Cohort::Percent(100)));
    if let Some(all) = all {
        let message = format!(
            "overlaps stage {}, which takes every machine that is left",
            all + 1
        );
        faults.add(path, message);
        return;
    }
    if let Cohort::Selector(selector) = cohort {
        let wider = before.iter().position(|stage| match &stage.cohort {
            Cohort::Selector(other) => covers(other, selector),
            _ => false,
        });
        if let Some(wider) = wider {
            let message = format!(
                "overlaps stage {}, whose selector takes all of its machines",
                wider + 1
            );
            faults.add(format!("{path}.selector"), message);
        }
    }
    let shares = before.iter().filter_map(|stage| share(&stage.cohort));
    if let (Some(share), Some(last)) = (share(cohort), shares.max())
        && share <= last
        && share <= 100
    {
        let message = format!(
            "is a share of the whole fleet, stages before included: must be more than {last}; got {share}"
        );
        faults.add(format!("{path}.percent"), message);
    }
}

/// Whether every machine that `other` selects is selected by `wide` too.
fn covers(wide: &LabelSelector, other: &LabelSelector) -> bool {
    wide.0.iter().all(|(key, value)| {
        other
            .0
            .get(key)
            .is_some_and(|narrow| value.is_empty() || narrow == value)
    })
}

fn share(cohort: &Cohort) -> Option<u32> {
    match cohort {
        Cohort::Percent(share) => Some(*share),
        _ => None,
    }
}

fn check_names(stages: &[StageSpec], faults: &mut Faults) {
    let mut names = BTreeSet::new();
    for (place, stage) in stages.iter().enumerate() {
        let number = (place + 1).to_string();
        let name = stage
            .name
            .as_ref()
            .map_or(number.as_str(), |name| name.as_str());
        let fresh = names.insert(name.to_owned());
        faults.demand(fresh, &format!("strategy.stages[{place}].name"), || {
            format!("{name:?} is the name of two stages; each needs one of its own")
        });
    }
}

/// Shares that stop short of the whole fleet leave machines out by accident.
fn check_shares(stages: &[StageSpec], faults: &mut Faults) {
    let rest = stages.iter().any(|stage| stage.cohort == Cohort::Rest);
    let last = stages.iter().filter_map(|stage| share(&stage.cohort)).max();
    if let Some(last) = last.filter(|last| !rest && *last < 100) {
        let message = format!(
            "the shares end at {last} percent; add a stage with rest = true or percent = 100, or say with a count or a selector who is meant"
        );
        faults.add("strategy.stages", message);
    }
}
