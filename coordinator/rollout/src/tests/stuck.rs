//! A way back on which a machine does not get there stops, and can go on.

use pinion_model::{AgentId, FailureKind, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, digest, rest, strategy};
use super::way_back::{WAYS, on, on_two, retry, sent};
use crate::{Gate, commands, explain, summary};

/// The first that is sent back fails there in this way; answers which.
pub(super) fn fails_first(
    bed: &mut Bed,
    id: &RolloutId,
    kind: FailureKind,
    lossy: bool,
) -> AgentId {
    let first = bed.nth(id, 0, 0);
    let machine = bed.machines.get_mut(&agent(&first)).expect("the first");
    machine.bad.insert(digest(1));
    (machine.kind, machine.lossy) = (Some(kind), lossy);
    agent(&first)
}

#[test]
fn the_first_machine_on_which_the_old_image_fails_stops_the_way_back() {
    for (command, going, over) in WAYS {
        let (mut bed, id) = on_two();
        let first = fails_first(&mut bed, &id, FailureKind::Health, false);
        let since = bed.history.len();
        bed.steer_with(command, &id);
        bed.drive();
        assert_eq!(bed.phase(&id), RolloutPhase::Halted);
        assert_eq!(bed.rollout(&id).halted_by, Some(Gate::RollbackFailed));
        assert_eq!(
            sent(&bed, since),
            std::slice::from_ref(&first),
            "nobody after it"
        );
        let reason = &bed.rollout(&id).reason;
        assert!(
            reason.starts_with(&format!(
                "1 machine(s) did not get back to what ran before: {first} ("
            )),
            "{reason}"
        );
        let why = explain(&bed.world, &id, &first, bed.now).expect("it is not back");
        assert_eq!(why.word, "failed");
        assert!(
            why.detail.contains(&format!(
                "`pinion rollout retry {id} --agent {first}` sends it once more"
            )),
            "{}",
            why.detail
        );
        let text = summary(&bed.world, &id, bed.now);
        assert!(
            text.contains("0 machine(s) on their way, 0 offline, 3 not sent yet, 1 failed"),
            "{text}"
        );
        bed.steer_with(commands::resume, &id);
        assert_eq!(bed.phase(&id), going);
        bed.drive();
        assert_eq!(
            bed.phase(&id),
            over,
            "the failure that is known stops it no more"
        );
        assert_eq!(on(&bed, &digest(1)), 3);
        let reason = &bed.rollout(&id).reason;
        assert!(
            reason.contains(&format!("did not get back: {first}")),
            "{reason}"
        );
        let why = explain(&bed.world, &id, &first, bed.now).expect("it is not back");
        assert!(
            why.detail.ends_with(&format!(
                "`pinion agent refresh {first}` tries the stable digest once more"
            )),
            "{}",
            why.detail
        );
    }
}

#[test]
fn a_second_machine_that_does_not_get_back_stops_it_once_more() {
    let (mut bed, id) = on_two();
    fails_first(&mut bed, &id, FailureKind::Start, false);
    let second = bed.nth(&id, 0, 1);
    let machine = bed.machines.get_mut(&agent(&second));
    machine.expect("the second").bad.insert(digest(1));
    bed.steer_with(commands::roll_back, &id);
    bed.drive();
    bed.steer_with(commands::resume, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::Halted);
    let reason = &bed.rollout(&id).reason;
    assert!(
        reason.contains(&format!(
            "1 machine(s) did not get back to what ran before: {second}"
        )),
        "{reason}"
    );
}

#[test]
fn a_machine_that_was_mended_is_sent_back_once_more() {
    let (mut bed, id) = on_two();
    let first = fails_first(&mut bed, &id, FailureKind::Create, true);
    bed.steer_with(commands::roll_back, &id);
    bed.drive();
    let why = explain(&bed.world, &id, &first, bed.now).expect("it is not back");
    assert!(
        why.detail.contains("its container is lost"),
        "{}",
        why.detail
    );
    let machine = bed.machines.get_mut(&first).expect("the first");
    machine.bad.clear();
    machine.repair();
    let since = bed.history.len();
    assert_eq!(retry(&mut bed, &id), std::slice::from_ref(&first));
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Halted,
        "it waits for a resume"
    );
    assert_eq!(sent(&bed, since), []);
    bed.steer_with(commands::resume, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!(on(&bed, &digest(1)), 4);
    let reason = &bed.rollout(&id).reason;
    assert!(!reason.contains("did not get back"), "{reason}");
}

#[test]
fn what_is_no_fault_of_the_old_image_does_not_stop_the_others() {
    let (mut bed, id) = on_two();
    let first = bed.nth(&id, 0, 0);
    let machine = bed.machines.get_mut(&agent(&first)).expect("the first");
    machine.pulled.clear();
    machine.out_of_reach.insert(digest(1), FailureKind::Network);
    bed.steer_with(commands::roll_back, &id);
    bed.drive();
    assert_eq!(bed.phase(&id), RolloutPhase::RolledBack);
    assert_eq!((on(&bed, &digest(1)), on(&bed, &digest(2))), (3, 1));
    let reason = &bed.rollout(&id).reason;
    assert!(
        reason.contains(&format!("did not get back: {first}")),
        "{reason}"
    );
}

#[test]
fn where_many_did_not_get_back_a_few_are_named_and_the_others_counted() {
    let mut bed = Bed::new(7);
    bed.roll_out(1, strategy(vec![rest()]));
    bed.drive();
    let id = bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    for machine in bed.machines.values_mut() {
        machine.pulled.clear();
        machine.out_of_reach.insert(digest(1), FailureKind::Network);
    }
    bed.steer_with(commands::roll_back, &id);
    bed.drive();
    let reason = &bed.rollout(&id).reason;
    assert_eq!(reason.matches("(network").count(), 5, "{reason}");
    assert!(reason.ends_with("; and 2 more"), "{reason}");
}

#[test]
fn one_that_was_sick_before_stops_it_only_where_its_container_is_lost() {
    for (lossy, phase) in [
        (false, RolloutPhase::RolledBack),
        (true, RolloutPhase::Halted),
    ] {
        let (mut bed, id) = on_two();
        let first = fails_first(&mut bed, &id, FailureKind::Health, lossy);
        bed.alter(&id, |rollout| {
            rollout.members.get_mut(&first).expect("a member").sick = true;
        });
        bed.world.rebuild_index();
        bed.steer_with(commands::roll_back, &id);
        bed.drive();
        assert_eq!(bed.phase(&id), phase);
    }
}
