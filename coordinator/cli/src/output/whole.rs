//! Of how many machines a rollout's shares are shares, and who is not one of
//! those that it was begun with.

use pinion_proto::v1;

use super::text;

/// `12 selected (what a percent of the fleet is of); 1 in no stage, 2 joined
/// late, 1 was sick before`; empty while it is queued. Those of an older
/// rollout that are counted alone are counted here, too.
pub(crate) fn machines(rollout: &v1::Rollout) -> String {
    if rollout.selected == 0 {
        return String::new();
    }
    let members = || rollout.stages.iter().flat_map(|stage| &stage.members);
    let gone = rollout.not_kept.unwrap_or_default();
    let late = members().filter(|member| member.late).count() + gone.late as usize;
    let sick = members().filter(|member| member.sick).count() + gone.sick as usize;
    let counts = [
        (rollout.left_out as usize, "in no stage"),
        (late, "joined late"),
        (sick, "sick before it began"),
        (gone.agents as usize, "no longer kept one by one"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let selected = format!(
        "{} selected, of which every percent of the fleet is one",
        rollout.selected
    );
    if counts.is_empty() {
        return selected;
    }
    format!("{selected}; {}", counts.join(", "))
}

/// `passed: 10 of 12 have the image, 1 could not get it (1 may), 1 will pull in
/// its turn`; empty without a pass ahead of the stages.
pub(crate) fn prefetch(rollout: &v1::Rollout) -> String {
    let Some(pass) = &rollout.prefetch else {
        return String::new();
    };
    let is = match (pass.passed, pass.open) {
        (true, _) => "passed",
        (false, true) => "open",
        (false, false) => "closed",
    };
    let mut out = format!(
        "{is}: {} of {} have the image",
        pass.prefetched, pass.agents
    );
    for (count, what) in [
        (pass.in_flight, "under way"),
        (pass.pending, "to be asked"),
        (pass.skipped, "pull in their turn"),
    ] {
        if count > 0 {
            out.push_str(&format!(", {count} {what}"));
        }
    }
    if pass.failed > 0 {
        out.push_str(&format!(
            ", {} could not get it ({} may)",
            pass.failed, pass.failure_budget
        ));
    }
    if !pass.note.is_empty() {
        out.push_str(&format!("; {}", text::line(&pass.note)));
    }
    out
}

/// The strategy's name with the version that the rollout began with.
pub(crate) fn strategy(strategy: Option<&v1::Strategy>) -> String {
    match strategy {
        Some(of) if of.version > 0 => format!("{} (version {})", of.name, of.version),
        Some(of) => of.name.clone(),
        None => String::new(),
    }
}

/// What a machine was when the rollout came to it.
pub(crate) fn was(member: &v1::Member) -> &'static str {
    match (member.sick, member.late) {
        (true, true) => "late, sick",
        (true, false) => "sick",
        (false, true) => "late",
        (false, false) => "-",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_percent_is_of_is_told_with_those_who_do_not_count() {
        let member = |sick, late| v1::Member {
            sick,
            late,
            ..Default::default()
        };
        let stage = v1::Stage {
            members: vec![member(true, false), member(false, true), member(true, true)],
            ..Default::default()
        };
        let mut rollout = v1::Rollout {
            selected: 12,
            left_out: 1,
            stages: vec![stage],
            ..Default::default()
        };
        assert_eq!(
            machines(&rollout),
            "12 selected, of which every percent of the fleet is one; \
             1 in no stage, 2 joined late, 2 sick before it began"
        );
        assert_eq!(was(&rollout.stages[0].members[2]), "late, sick");
        rollout.stages[0].members.clear();
        rollout.not_kept = Some(v1::MachinesNotKept {
            agents: 11,
            late: 2,
            sick: 1,
        });
        assert_eq!(
            machines(&rollout),
            "12 selected, of which every percent of the fleet is one; \
             1 in no stage, 2 joined late, 1 sick before it began, 11 no longer kept one by one"
        );
        rollout.selected = 0;
        assert_eq!(machines(&rollout), "");
    }

    #[test]
    fn the_pass_ahead_is_told_as_far_as_it_is() {
        let pass = v1::PrefetchPass {
            agents: 12,
            prefetched: 9,
            failed: 1,
            skipped: 2,
            failure_budget: 1,
            passed: true,
            ..Default::default()
        };
        let rollout = v1::Rollout {
            prefetch: Some(pass),
            ..Default::default()
        };
        assert_eq!(
            prefetch(&rollout),
            "passed: 9 of 12 have the image, 2 pull in their turn, 1 could not get it (1 may)"
        );
        assert_eq!(prefetch(&v1::Rollout::default()), "");
    }

    #[test]
    fn a_strategy_is_named_with_the_version_that_the_rollout_began_with() {
        let of = v1::Strategy {
            name: "careful".into(),
            version: 2,
            ..Default::default()
        };
        assert_eq!(strategy(Some(&of)), "careful (version 2)");
        assert_eq!(strategy(Some(&v1::Strategy::default())), "");
    }
}
