//! Machines that are away, late or stuck.

use std::time::Duration;

use pinion_model::{AgentPhase, FailureKind, RolloutPhase};

use super::bed::{Bed, agent, count, digest, rest, strategy};
use crate::{
    Act, Amount, Change, Observation, OfflinePolicy, Presence, StageSpec, Standing, Strategy,
    commands,
};

fn all(offline: OfflinePolicy) -> Strategy {
    Strategy {
        offline: Some(offline),
        ..strategy(vec![rest()])
    }
}

#[test]
fn a_stage_waits_for_a_machine_that_is_offline() {
    let mut bed = Bed::new(2);
    bed.offline("m2");
    let id = bed.roll_out(2, all(OfflinePolicy::Wait));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    assert_eq!(bed.word(&id, "m2"), Some("offline"));
    bed.pass(Duration::from_secs(7 * 86_400));
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Running,
        "however long it takes"
    );
    bed.hello("m2");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_stage_goes_on_without_it_where_the_strategy_says_so_and_it_catches_up() {
    let mut bed = Bed::new(2);
    bed.offline("m2");
    let id = bed.roll_out(2, all(OfflinePolicy::Skip));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(bed.rollout(&id).stages[0].note, "1 skipped of 2 machine(s)");
    assert_eq!(bed.word(&id, "m2"), Some("over"));
    bed.hello("m2");
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2));
}

#[test]
fn it_counts_as_a_failure_where_the_strategy_says_so() {
    let mut bed = Bed::new(2);
    bed.offline("m2");
    let id = bed.roll_out(2, all(OfflinePolicy::Fail));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    let failure = bed.rollout(&id).members[&agent("m2")]
        .failure
        .clone()
        .expect("a failure");
    assert_eq!(failure.kind, FailureKind::Offline);
    assert!(failure.message.contains("offline"), "{}", failure.message);
}

#[test]
fn after_a_restart_of_the_coordinator_nobody_is_offline_for_90_seconds() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, all(OfflinePolicy::Fail));
    bed.observe(Observation::Started { at: bed.now });
    let planned = bed.plan();
    assert_eq!(bed.word(&id, "m1"), Some("unknown"));
    assert_eq!(planned.wake_at, Some(bed.now + Duration::from_secs(90)));
    bed.hello("m1");
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Running,
        "m2 is unknown, not offline"
    );
    bed.pass(Duration::from_secs(90));
    bed.plan();
    assert_eq!(bed.world.agents[&agent("m2")].presence, Presence::Offline);
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
}

#[test]
fn a_machine_that_goes_offline_in_flight_is_withdrawn_and_holds_its_place() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, all(OfflinePolicy::Wait));
    bed.plan();
    bed.offline("m1");
    assert_eq!(bed.plan().changes.len(), 1, "withdrawn");
    assert!(bed.world.desired(&agent("m1")).assignments[0].run.is_none());
    assert_eq!(
        (bed.counts(&id, 0).in_flight, bed.word(&id, "m1")),
        (1, Some("offline"))
    );
    bed.pass(Duration::from_secs(86_400));
    bed.plan();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Running,
        "waiting is no failure"
    );
    bed.hello("m1");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn a_stage_without_progress_fails_what_is_in_flight() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(2, all(OfflinePolicy::Wait));
    let planned = bed.plan();
    assert_eq!(planned.wake_at, Some(bed.now + Duration::from_secs(600)));
    bed.pass(Duration::from_secs(599));
    bed.say("m1", AgentPhase::CuttingOver);
    bed.pass(Duration::from_secs(599));
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Running, "one of them moved");
    bed.pass(Duration::from_secs(1));
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    assert_eq!(bed.counts(&id, 0).failed, 2);
    let failure = bed.rollout(&id).members[&agent("m2")]
        .failure
        .clone()
        .expect("late");
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(
        bed.world.desired(&agent("m2")).assignments[0].run.is_none(),
        "withdrawn"
    );
    assert!(
        bed.world.desired(&agent("m1")).assignments[0].run.is_some(),
        "too late to withdraw"
    );
    bed.say("m2", AgentPhase::Withdrawn);
    assert_eq!(bed.counts(&id, 0).failed, 2, "it was late all the same");
    bed.say("m1", AgentPhase::Settled);
    assert_eq!(bed.counts(&id, 0).settled, 1, "it made it after all");
}

#[test]
fn the_time_in_which_the_coordinator_was_away_is_no_lack_of_progress() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, all(OfflinePolicy::Wait));
    bed.plan();
    bed.say("m1", AgentPhase::CuttingOver);
    bed.pass(Duration::from_secs(3600));
    bed.observe(Observation::Started { at: bed.now });
    bed.plan();
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    bed.pass(Duration::from_secs(600));
    bed.plan();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Running,
        "it is offline by now, and waited for"
    );
}

#[test]
fn one_that_went_offline_in_flight_takes_no_room_where_the_strategy_goes_round_it() {
    let mut bed = Bed::new(2);
    let id = bed.roll_out(
        2,
        Strategy {
            max_in_flight: Some(Amount::Count(1)),
            ..all(OfflinePolicy::Skip)
        },
    );
    bed.plan();
    let (gone, other) = (bed.nth(&id, 0, 0), bed.nth(&id, 0, 1));
    bed.offline(&gone);
    bed.drive();
    assert_eq!(*bed.running(&other), digest(2));
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

/// One machine that is cutting over when the coordinator begins anew.
fn restarted(offline: OfflinePolicy) -> (Bed, pinion_model::RolloutId) {
    let mut bed = Bed::new(1);
    let rules = Strategy {
        healthy_deadline: Some(Duration::from_secs(30)),
        progress_deadline: Some(Duration::from_secs(60)),
        ..all(offline)
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    bed.say("m1", AgentPhase::CuttingOver);
    bed.observe(Observation::Started { at: bed.now });
    (bed, id)
}

#[test]
fn a_machine_that_was_not_seen_since_the_coordinator_began_is_not_late() {
    for policy in [
        OfflinePolicy::Wait,
        OfflinePolicy::Skip,
        OfflinePolicy::Fail,
    ] {
        let (mut bed, id) = restarted(policy);
        bed.pass(Duration::from_secs(89));
        bed.plan();
        assert_eq!(bed.phase(&id), RolloutPhase::Running, "{policy:?}: unknown");
        bed.pass(Duration::from_secs(1));
        bed.plan();
        assert_eq!(
            bed.phase(&id),
            RolloutPhase::Running,
            "{policy:?}: only now known to be offline"
        );
    }
    let (mut bed, id) = restarted(OfflinePolicy::Wait);
    bed.pass(Duration::from_secs(89));
    bed.hello("m1");
    bed.pass(Duration::from_secs(60));
    bed.plan();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Halted,
        "it is there, and late"
    );
}

#[test]
fn a_coordinator_that_begins_restarts_the_clock_of_every_stage_that_was_opened() {
    let mut bed = Bed::new(3);
    let id = bed.roll_out(2, strategy(vec![count(1), count(1), rest()]));
    bed.plan();
    bed.say(&bed.nth(&id, 0, 0), AgentPhase::Settled);
    bed.plan();
    let opened = bed.now;
    bed.pass(Duration::from_secs(1));
    bed.observe(Observation::Started { at: bed.now });
    let clocks = bed.rollout(&id).stages.iter();
    let clocks: Vec<_> = clocks.map(|stage| stage.progressed_at).collect();
    assert_eq!(clocks, [bed.now, bed.now, opened], "the last is not open");
}

#[test]
fn a_stage_that_waits_for_what_is_in_flight_says_if_that_is_offline() {
    let mut bed = Bed::new(1);
    let id = bed.roll_out(2, all(OfflinePolicy::Wait));
    bed.plan();
    let waits = |bed: &Bed| crate::waiting_for(&bed.world, &id, 0, bed.now).join("; ");
    assert!(
        waits(&bed).contains("1 in flight (at most"),
        "{}",
        waits(&bed)
    );
    bed.offline("m1");
    bed.plan();
    assert!(
        waits(&bed).contains("1 in flight (1 of them offline)"),
        "{}",
        waits(&bed)
    );
}

/// Two machines, `m2` offline, with this policy and a minute of grace.
fn with_grace(policy: OfflinePolicy) -> (Bed, pinion_model::RolloutId) {
    let mut bed = Bed::new(2);
    bed.offline("m2");
    let rules = Strategy {
        offline: Some(policy),
        offline_grace: Some(Duration::from_secs(60)),
        ..strategy(vec![StageSpec {
            failure_budget: Some(crate::Amount::Count(1).into()),
            ..rest()
        }])
    };
    let id = bed.roll_out(2, rules);
    bed.drive();
    (bed, id)
}

#[test]
fn a_machine_is_waited_for_during_its_grace_time_and_gone_round_after_it() {
    let (mut bed, id) = with_grace(OfflinePolicy::Skip);
    let end = bed.world.agents[&agent("m2")].presence_since + Duration::from_secs(60);
    assert_eq!(bed.phase(&id), RolloutPhase::Running);
    assert_eq!(bed.plan().wake_at, Some(end));
    bed.pass(Duration::from_secs(60));
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(bed.counts(&id, 0).failed, 0);
}

#[test]
fn a_machine_fails_once_its_grace_time_is_over_and_not_before() {
    let (mut bed, id) = with_grace(OfflinePolicy::Fail);
    assert_eq!(bed.counts(&id, 0).failed, 0);
    bed.pass(Duration::from_secs(60));
    bed.drive();
    assert_eq!(bed.counts(&id, 0).failed, 1);
}

#[test]
fn a_machine_that_comes_back_in_its_grace_time_is_like_any_other() {
    let (mut bed, id) = with_grace(OfflinePolicy::Fail);
    bed.pass(Duration::from_secs(30));
    bed.hello("m2");
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(*bed.running("m2"), digest(2));
}

const MINUTE: Duration = Duration::from_secs(60);

/// Two machines in flight, of which one may fail: `m2` hangs.
fn hung(phase: AgentPhase) -> (Bed, pinion_model::RolloutId) {
    let mut bed = Bed::new(2);
    let may_fail = StageSpec {
        failure_budget: Some(Amount::Count(2).into()),
        ..rest()
    };
    let id = bed.roll_out(2, strategy(vec![may_fail]));
    bed.plan();
    bed.say("m1", phase);
    bed.say("m2", AgentPhase::CuttingOver);
    (bed, id)
}

fn standing(bed: &Bed, id: &pinion_model::RolloutId, name: &str) -> Standing {
    bed.rollout(id).members[&agent(name)].standing()
}

/// The link of `m1` drops, and it is back a minute later.
fn flap(bed: &mut Bed, phase: AgentPhase) {
    bed.offline("m1");
    bed.plan();
    bed.pass(MINUTE);
    bed.hello("m1");
    if phase == AgentPhase::Pulling {
        bed.say("m1", AgentPhase::Withdrawn);
        bed.plan();
        bed.say("m1", AgentPhase::Pulling);
    }
    bed.plan();
}

#[test]
fn a_machine_that_comes_and_goes_keeps_no_other_from_its_deadline() {
    for phase in [AgentPhase::Pulling, AgentPhase::Verifying] {
        let (mut bed, id) = hung(phase);
        bed.pass(MINUTE * 4);
        flap(&mut bed, phase);
        bed.pass(MINUTE * 4);
        let planned = bed.plan();
        assert_eq!(standing(&bed, &id, "m2"), Standing::InFlight);
        assert_eq!(planned.wake_at, Some(bed.now + MINUTE), "{phase}");
        bed.pass(MINUTE);
        let planned = bed.plan();
        assert_eq!(standing(&bed, &id, "m2"), Standing::Failed, "{phase}");
        assert_eq!(standing(&bed, &id, "m1"), Standing::InFlight, "{phase}");
        assert_eq!(planned.wake_at, Some(bed.now + MINUTE * 5), "{phase}");
        bed.pass(MINUTE);
        let planned = bed.plan();
        assert_eq!(planned.wake_at, Some(bed.now + MINUTE * 4), "{phase}");
        bed.pass(MINUTE * 4);
        bed.plan();
        assert_eq!(standing(&bed, &id, "m1"), Standing::Failed, "{phase}");
    }
}

#[test]
fn what_a_machine_does_before_it_cuts_over_gives_time_to_itself_alone() {
    let (mut bed, id) = hung(AgentPhase::Pulling);
    bed.pass(MINUTE * 5);
    bed.say("m1", AgentPhase::Creating);
    bed.pass(MINUTE * 5);
    bed.plan();
    assert_eq!(standing(&bed, &id, "m2"), Standing::Failed);
    assert_eq!(standing(&bed, &id, "m1"), Standing::InFlight);
}

#[test]
fn what_cuts_over_or_ends_gives_the_others_of_its_stage_their_time_anew() {
    for phase in [
        AgentPhase::CuttingOver,
        AgentPhase::Soaking,
        AgentPhase::Staged,
    ] {
        let (mut bed, id) = hung(AgentPhase::Pulling);
        bed.pass(MINUTE * 9);
        bed.say("m1", phase);
        bed.pass(MINUTE * 9);
        bed.plan();
        assert_eq!(standing(&bed, &id, "m2"), Standing::InFlight, "{phase}");
        bed.pass(MINUTE);
        bed.plan();
        assert_eq!(standing(&bed, &id, "m2"), Standing::Failed, "{phase}");
    }
}

#[test]
fn a_machine_that_was_stopped_in_time_and_then_failed_for_being_away_catches_up() {
    let mut bed = Bed::new(2);
    let rules = Strategy {
        offline: Some(OfflinePolicy::Fail),
        ..strategy(vec![StageSpec {
            failure_budget: Some(Amount::Count(1).into()),
            ..rest()
        }])
    };
    let id = bed.roll_out(2, rules);
    bed.plan();
    bed.steer_with(commands::pause, &id);
    bed.plan();
    bed.say("m1", AgentPhase::Withdrawn);
    bed.say("m2", AgentPhase::Withdrawn);
    bed.offline("m2");
    bed.steer_with(commands::resume, &id);
    bed.pass(Duration::from_secs(86_400));
    let since = bed.history.len();
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Completed,
        "{}",
        bed.rollout(&id).reason
    );
    let kind = bed.rollout(&id).members[&agent("m2")]
        .failure
        .as_ref()
        .map(|f| f.kind);
    assert_eq!(kind, Some(FailureKind::Offline));
    let told = bed.history[since..].iter().any(|change| {
        matches!(change, Change::Decision(decision)
            if matches!(&decision.act, Act::Assigned { agent: to, .. } if *to == agent("m2")))
    });
    assert!(!told, "there is nothing to take back from it");
    bed.hello("m2");
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2));
}
