//! What the time in use does to the time that a start has, and what comes right
//! before the stop.

use super::*;

#[test]
fn being_in_use_does_not_make_a_machine_late_and_having_been_does_not_either() {
    let held = [lease(None, Some(NOW + 700 * SECOND))];
    let locked = Seen {
        leases: &held,
        ..Seen::NOTHING
    };
    let mut operation = at_gate(InUse::Fail);
    operation.assignment.start_within = 10 * SECOND;
    operation.assignment.defer_within = 3600 * SECOND;
    let (waits, _) = settle(operation, locked, NOW + 5 * SECOND);
    let (waits, _) = settle(waits, locked, NOW + 699 * SECOND);
    assert_eq!(
        waits.stage,
        Stage::Create,
        "in use for longer than start_within"
    );
    let (cut, _) = settle(waits.clone(), locked, NOW + 700 * SECOND);
    assert_eq!(cut.stage, Stage::Cut);
    // Idle again, but something else is in its way: then its clock goes on.
    let paused = [
        old("web", ContainerState::Paused, "always"),
        made("web.next.g1a1", ContainerState::Created, "always"),
    ];
    let mut freed = waits;
    freed.gate.open(NOW + 700 * SECOND);
    let ask = |now| match step(&record(Some(freed.clone())), &paused, now) {
        Step::Write(record) => record.operation.expect("it goes on").stage,
        _ => Stage::Create,
    };
    assert_eq!(ask(NOW + 705 * SECOND), Stage::Create);
    assert_eq!(ask(NOW + 706 * SECOND), Stage::Abandon { withdrawn: false });
}

#[test]
fn a_lock_right_before_the_stop_leads_back_to_the_gate_with_the_fence_taken_down() {
    let held = [lease(None, Some(NOW + 30 * SECOND))];
    let locked = Seen {
        leases: &held,
        ..Seen::NOTHING
    };
    let mut operation = operation(Stage::Cut);
    operation.units[0].made = true;
    let at = |operation: &Operation, policy: &str| {
        let before = [
            old("web", ContainerState::Running, policy),
            made("web.next.g1a1", ContainerState::Created, "always"),
        ];
        step_in_use(locked, &record(Some(operation.clone())), &before, NOW)
    };
    let Step::Call(Call::SetRestartPolicy { policy, .. }) = at(&operation, "no") else {
        panic!("the fence is taken down first");
    };
    assert_eq!(policy, "always");
    let back = written(at(&operation, "always"));
    assert_eq!((&back.stage, back.units[0].made), (&Stage::Create, true));
    let told = back.report(&name("web"), NOW);
    assert_eq!(told.phase, AgentPhase::Waiting);
    assert!(told.deferral.is_some(), "so that it is known who came");
    // What was stopped already goes on.
    let stopped = [
        old("web", ContainerState::Exited, "no"),
        made("web.next.g1a1", ContainerState::Created, "always"),
    ];
    let record = record(Some(operation.clone()));
    let step = step_in_use(locked, &record, &stopped, NOW);
    assert!(matches!(step, Step::Call(Call::Rename { .. })), "{step:?}");
    // So does one that is forced.
    operation.gate.forced = true;
    let Step::Row(calls) = at(&operation, "no") else {
        panic!("it is stopped");
    };
    assert!(matches!(calls[0], Call::Stop { .. }), "{calls:?}");
}

#[test]
fn one_that_is_stopped_while_it_is_locked_is_late_like_any_once_that_is_over() {
    let held = [lease(None, Some(NOW + 30 * SECOND))];
    let locked = Seen {
        leases: &held,
        ..Seen::NOTHING
    };
    let mut operation = at_gate(InUse::Fail);
    operation.assignment.start_within = 10 * SECOND;
    let (mut waits, _) = settle(operation, locked, NOW);
    let stopped = [
        old("web", ContainerState::Exited, "always"),
        made("web.next.g1a1", ContainerState::Created, "always"),
    ];
    for seconds in [5, 6] {
        let now = NOW + seconds * SECOND;
        if let Step::Write(record) =
            step_in_use(locked, &record(Some(waits.clone())), &stopped, now)
        {
            waits = record.operation.expect("it goes on");
        }
    }
    assert!(
        waits.waiting_for.contains("to run again"),
        "{}",
        waits.waiting_for
    );
    assert_eq!(waits.deferral(), None);
    let end = NOW + 16 * SECOND;
    let late = written(step_in_use(locked, &record(Some(waits)), &stopped, end));
    assert_eq!(late.stage, Stage::Abandon { withdrawn: false });
}

#[test]
fn one_that_is_in_use_once_more_is_put_off_once_more_and_by_the_same_deadline() {
    let held = [lease(None, Some(NOW + 30 * SECOND))];
    let locked = Seen {
        leases: &held,
        ..Seen::NOTHING
    };
    let (mut freed, _) = settle(at_gate(InUse::Fail), locked, NOW);
    freed.gate.open(NOW + 5 * SECOND);
    assert_eq!(freed.deferral(), None);
    let (again, _) = settle(freed, locked, NOW + 6 * SECOND);
    let deferral = again.deferral().expect("it is put off");
    assert_eq!((deferral.since, deferral.until), (NOW, NOW + DEFER_WITHIN));
}

#[test]
fn a_next_container_that_somebody_tidied_up_while_it_waited_is_made_again() {
    let operation = at_gate(InUse::Fail);
    let alone = [old("web", ContainerState::Running, "always")];
    let again = written(step(&record(Some(operation)), &alone, NOW));
    assert_eq!((&again.stage, again.units[0].made), (&Stage::Create, false));
    let step = step(&record(Some(again)), &alone, NOW);
    assert!(matches!(step, Step::Call(Call::Create { .. })), "{step:?}");
}
