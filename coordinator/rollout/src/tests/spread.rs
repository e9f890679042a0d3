//! Who is in which stage: spread over domains, the same whenever it is asked,
//! and by shares of the frozen set.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{AgentId, LabelSelector, Labels, RolloutId};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

use super::bed::{Bed, agent, count, keep, percent, rest, strategy};
use crate::{Cohort, OfflinePolicy, SickPolicy, StageSpec, Strategy, commands};

const REGION: &str = "region";

fn spread(stages: Vec<StageSpec>) -> Strategy {
    Strategy {
        spread_by: Some(REGION.to_owned()),
        ..strategy(stages)
    }
}

fn labels(region: Option<&str>) -> Labels {
    let region = region.map(|value| (REGION.to_owned(), value.to_owned()));
    region.into_iter().collect()
}

/// That many machines in each region, all with containers.
fn fleet(regions: &[(Option<&str>, usize)]) -> Bed {
    let mut bed = Bed::new(0);
    for (region, machines) in regions {
        for n in 1..=*machines {
            let name = format!("{}-{n}", region.unwrap_or("none"));
            bed.enrol_with(&name, true, labels(*region));
        }
    }
    bed
}

fn region(bed: &Bed, id: &AgentId) -> Option<String> {
    bed.world.agents[id].labels.get(REGION).cloned()
}

fn order(bed: &Bed, id: &RolloutId, stage: usize) -> Vec<AgentId> {
    bed.rollout(id).stages[stage].order.to_vec()
}

/// How many machines of each region are in a stage.
fn shares(bed: &Bed, id: &RolloutId, stage: usize) -> BTreeMap<Option<String>, usize> {
    let mut shares = BTreeMap::new();
    for machine in order(bed, id, stage) {
        *shares.entry(region(bed, &machine)).or_default() += 1;
    }
    shares
}

fn some(pairs: &[(&str, usize)]) -> BTreeMap<Option<String>, usize> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, count)| (Some((*name).to_owned()), *count))
        .collect()
}

#[test]
fn every_stage_has_its_share_of_every_domain_and_so_has_the_rest() {
    let mut bed = fleet(&[(Some("a"), 20), (Some("b"), 10), (Some("c"), 10)]);
    let id = bed.roll_out(2, spread(vec![count(4), percent(30), percent(60), rest()]));
    assert_eq!(shares(&bed, &id, 0), some(&[("a", 2), ("b", 1), ("c", 1)]));
    assert_eq!(shares(&bed, &id, 1), some(&[("a", 4), ("b", 2), ("c", 2)]));
    assert_eq!(shares(&bed, &id, 2), some(&[("a", 6), ("b", 3), ("c", 3)]));
    assert_eq!(shares(&bed, &id, 3), some(&[("a", 8), ("b", 4), ("c", 4)]));
}

#[test]
fn what_is_in_flight_at_once_is_spread_within_a_stage() {
    let mut bed = fleet(&[(Some("a"), 6), (Some("b"), 6), (Some("c"), 6)]);
    let id = bed.roll_out(2, spread(vec![rest()]));
    for three in order(&bed, &id, 0).chunks(3) {
        let regions: BTreeSet<_> = three.iter().map(|id| region(&bed, id)).collect();
        assert_eq!(regions.len(), 3, "{three:?}");
    }
}

#[test]
fn a_small_domain_is_in_the_first_stage_that_takes_two_machines() {
    let mut bed = fleet(&[(Some("a"), 9), (Some("b"), 1)]);
    let id = bed.roll_out(2, spread(vec![count(1), count(2), rest()]));
    let first = shares(&bed, &id, 0).len() + shares(&bed, &id, 1).len();
    assert!(
        shares(&bed, &id, 1).len() == 2 || shares(&bed, &id, 0).contains_key(&Some("b".into()))
    );
    assert!(first >= 2);
}

#[test]
fn machines_without_the_label_are_one_domain() {
    let mut bed = fleet(&[(None, 5), (Some("a"), 5)]);
    let id = bed.roll_out(2, spread(vec![count(2), rest()]));
    assert_eq!(
        shares(&bed, &id, 0),
        BTreeMap::from([(None, 1), (Some("a".to_owned()), 1)])
    );
}

#[test]
fn nothing_is_spread_by_default() {
    let mut bed = fleet(&[(Some("a"), 4), (Some("b"), 4)]);
    let mut apart = 0;
    for n in 2..12 {
        let id = bed.roll_out(n, strategy(vec![count(2), rest()]));
        apart += usize::from(shares(&bed, &id, 0).len() == 1);
        bed.steer_with(keep, &id);
        bed.plan();
    }
    assert!(apart > 0, "by chance a stage is of one domain");
}

#[test]
fn machines_that_can_prove_something_go_first_also_where_their_domain_is_small() {
    let mut bed = Bed::new(0);
    for n in 0..6 {
        bed.enrol_with(&format!("empty-{n}"), false, labels(Some("a")));
    }
    bed.enrol_with("sick", true, labels(Some("b")));
    bed.seen("sick", &["unhealthy"]);
    bed.enrol_with("well", true, labels(Some("c")));
    for (policy, names) in [
        (SickPolicy::Include, ["well", "sick"]),
        (SickPolicy::Skip, ["well", "empty"]),
    ] {
        let rules = Strategy {
            sick: Some(policy),
            ..spread(vec![count(1), count(1), rest()])
        };
        bed.promote(if policy == SickPolicy::Skip { 3 } else { 2 });
        let id = bed.start(rules);
        for (stage, name) in names.iter().enumerate() {
            let taken = bed.nth(&id, stage, 0);
            assert!(taken.starts_with(name), "{taken} in stage {stage}");
        }
    }
}

#[test]
fn a_preview_and_a_start_give_the_same_stages() {
    let mut bed = fleet(&[(Some("a"), 7), (Some("b"), 3), (None, 2)]);
    bed.promote(2);
    let request = commands::StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: spread(vec![count(1), percent(40), rest()]),
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let preview = || commands::plan_rollout(&bed.world, &request, bed.now).expect("a preview");
    let planned = preview();
    assert_eq!(planned, preview());
    assert_eq!(planned.selected, 12);
    let id = bed.start(request.strategy.clone());
    for (number, stage) in planned.stages.iter().enumerate() {
        let names: Vec<_> = stage.agents.iter().map(|a| a.agent.clone()).collect();
        assert_eq!(names, order(&bed, &id, number));
    }
}

#[test]
fn a_selector_takes_all_that_match_and_spreads_them_within_the_stage() {
    let mut bed = fleet(&[(Some("a"), 3), (Some("b"), 3)]);
    for name in ["a-1", "a-2", "a-3", "b-1", "b-2", "b-3"] {
        let tier = if name == "a-3" { "free" } else { "paid" };
        let set = commands::SetLabels {
            agent: agent(name),
            labels: BTreeMap::from([("tier".to_owned(), tier.to_owned())]),
        };
        bed.decide(|world, now| {
            commands::set_labels(world, set.clone(), &super::bed::alice(), now)
        })
        .expect("labelled");
    }
    let tier = |value: &str| {
        let labels = BTreeMap::from([("tier".to_owned(), value.to_owned())]);
        StageSpec::of(Cohort::Selector(LabelSelector(labels)))
    };
    let id = bed.roll_out(2, spread(vec![tier("paid"), tier("free")]));
    assert_eq!(shares(&bed, &id, 0), some(&[("a", 2), ("b", 3)]));
    assert_eq!(shares(&bed, &id, 1), some(&[("a", 1)]));
    let regions: Vec<_> = order(&bed, &id, 0)
        .iter()
        .map(|id| region(&bed, id))
        .collect();
    assert!(
        regions
            .windows(3)
            .all(|three| three.iter().collect::<BTreeSet<_>>().len() > 1),
        "{regions:?}"
    );
}

#[test]
fn a_percent_is_one_of_all_selected_machines_and_counts_those_before() {
    let mut bed = fleet(&[(None, 30)]);
    let id = bed.roll_out(
        2,
        strategy(vec![count(4), percent(10), percent(50), rest()]),
    );
    let sizes: Vec<_> = bed
        .rollout(&id)
        .stages
        .iter()
        .map(|s| s.order.len())
        .collect();
    assert_eq!(sizes, [4, 0, 11, 15]);
    assert_eq!(bed.rollout(&id).selected, 30);
}

#[derive(Debug, Clone)]
struct Case {
    /// Region, whether it has containers, whether one is sick.
    machines: Vec<(u8, bool, bool)>,
    stages: Vec<StageSpec>,
    skips: bool,
}

fn case() -> impl proptest::strategy::Strategy<Value = Case> {
    let machine = (0..4_u8, any::<bool>(), any::<bool>());
    let stage = prop_oneof![
        3 => (1..6_u32).prop_map(count),
        1 => (1..4_u8).prop_map(|n| {
            let labels = BTreeMap::from([("tier".to_owned(), n.to_string())]);
            StageSpec::of(Cohort::Selector(LabelSelector(labels)))
        }),
    ];
    let stages = (proptest::collection::vec(stage, 0..5), 1..60_u32);
    let stages = stages.prop_map(|(mut stages, share)| {
        let mut selectors = Vec::new();
        stages.retain(|stage| match &stage.cohort {
            Cohort::Selector(selector) if selectors.contains(selector) => false,
            Cohort::Selector(selector) => {
                selectors.push(selector.clone());
                true
            }
            _ => true,
        });
        stages.extend([percent(share), rest()]);
        stages
    });
    (
        proptest::collection::vec(machine, 2..30),
        stages,
        any::<bool>(),
    )
        .prop_map(|(machines, stages, skips)| Case {
            machines,
            stages,
            skips,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_stage_is_of_one_domain_while_another_has_machines(case in case()) {
        let mut bed = Bed::new(0);
        for (n, (domain, has_containers, sick)) in case.machines.iter().enumerate() {
            let name = format!("m{n}");
            let mut labels = labels((*domain > 0).then_some(["", "a", "b", "c"][*domain as usize]));
            labels.insert("tier".to_owned(), (n % 7).to_string());
            bed.enrol_with(&name, *has_containers, labels);
            if *sick && *has_containers {
                bed.seen(&name, &["unhealthy"]);
            }
        }
        let rules = Strategy {
            sick: Some(if case.skips { SickPolicy::Skip } else { SickPolicy::Include }),
            ..spread(case.stages.clone())
        };
        let id = bed.promote_auto(2, rules);
        let mut free: BTreeSet<AgentId> = bed.world.agents.keys().cloned().collect();
        for (number, stage) in case.stages.iter().enumerate() {
            let taken = order(&bed, &id, number);
            free.retain(|id| !taken.contains(id));
            let domains: BTreeSet<_> = taken.iter().map(|id| region(&bed, id)).collect();
            let elsewhere = free.iter().any(|id| !domains.contains(&region(&bed, id)));
            let by_selector = matches!(stage.cohort, Cohort::Selector(_));
            prop_assert!(
                by_selector || taken.len() < 2 || domains.len() > 1 || !elsewhere,
                "stage {number} is {taken:?}, and free are {free:?}"
            );
            let members = &bed.rollout(&id).members;
            let able = |id: &AgentId| members[id].has_containers && !members[id].sick;
            prop_assert!(
                by_selector || taken.iter().any(able) || taken.is_empty() || !free.iter().any(able),
                "who can prove something goes first"
            );
        }
        prop_assert!(free.is_empty(), "the rest is all that is left");
    }
}

/// The canary of a rollout on four machines, of which all but this one are kept from it.
fn canary_but(kept: fn(&mut Bed, &str), free: &str, offline: OfflinePolicy) -> String {
    let mut bed = Bed::new(4);
    for n in 1..=4 {
        let name = format!("m{n}");
        if name != free {
            kept(&mut bed, &name);
        }
    }
    let rules = Strategy {
        offline: Some(offline),
        ..strategy(vec![count(1), rest()])
    };
    let id = bed.roll_out(2, rules);
    bed.nth(&id, 0, 0)
}

#[test]
fn who_is_gone_round_when_it_begins_is_no_canary() {
    let held: fn(&mut Bed, &str) = |bed, name| {
        let hold = commands::HoldAgent {
            agent: agent(name),
            reason: "care".into(),
            expires_at: None,
        };
        bed.decide(|world, now| commands::hold(world, hold.clone(), &super::bed::alice(), now))
            .expect("held");
    };
    for free in ["m1", "m2", "m3", "m4"] {
        assert_eq!(canary_but(held, free, OfflinePolicy::Wait), free);
        assert_eq!(canary_but(Bed::offline, free, OfflinePolicy::Skip), free);
    }
    let waited_for =
        ["m1", "m2", "m3", "m4"].map(|free| canary_but(Bed::offline, free, OfflinePolicy::Wait));
    assert!(
        waited_for.windows(2).all(|two| two[0] == two[1]),
        "who is waited for keeps its place: {waited_for:?}"
    );
}
