//! The last look before an old container is touched.

use super::*;
use crate::busy_with;

#[test]
fn a_container_that_stopped_running_during_the_pull_is_waited_for_at_the_gate() {
    use ContainerState::{Created, Exited, Paused, Running};
    let mut operation = operation(Stage::Create);
    operation.units[0].made = true;
    let next = made("web.next.g1a1", Created, "always");
    let at_gate = |state, record: &Record, now| {
        step(record, &[old("web", state, "always"), next.clone()], now)
    };
    for state in [Paused, Exited] {
        let Step::Write(waiting) = at_gate(state, &record(Some(operation.clone())), NOW) else {
            panic!("it says what it waits for");
        };
        let waits = waiting.operation.as_ref().expect("it goes on");
        assert_eq!(
            (waits.phase(), &waits.stage, waits.units[0].old.running),
            (AgentPhase::Waiting, &Stage::Create, true)
        );
        assert!(matches!(
            at_gate(state, &waiting, NOW),
            Step::Rest { wake_at: Some(_) }
        ));
        let Step::Write(cut) = at_gate(Running, &waiting, NOW + SECOND) else {
            panic!("it runs again");
        };
        let cut = cut.operation.expect("it goes on");
        assert_eq!((cut.stage, cut.units[0].old.running), (Stage::Cut, true));
        let Step::Write(late) = at_gate(state, &waiting, NOW + 601 * SECOND) else {
            panic!("it is too late");
        };
        let failure = late.operation.and_then(|o| o.failure).expect("why");
        assert_eq!(failure.kind, FailureKind::Timeout);
        assert!(failure.message.contains("to run again"), "{failure}");
    }
}

#[test]
fn what_forbids_a_replacement_is_asked_again_at_the_gate() {
    use ContainerState::{Created, Running};
    let mut operation = operation(Stage::Create);
    operation.units[0].made = true;
    let before = vec![
        Container {
            auto_remove: true,
            ..old("web", Running, "always")
        },
        made("web.next.g1a1", Created, "always"),
    ];
    let Step::Write(refused) = step(&record(Some(operation)), &before, NOW) else {
        panic!("a decision is written down");
    };
    let refused = refused.operation.expect("it goes on");
    assert_eq!(refused.stage, Stage::Abandon { withdrawn: false });
}

#[test]
fn what_came_while_another_operation_went_on_starts_within_its_time_or_never() {
    use ContainerState::{Created, Running};
    let mut waited = operation(Stage::Create);
    waited.units[0].made = true;
    // Its turn came when the one before it had soaked.
    waited.accepted_at = NOW + 590 * SECOND;
    let machine = [
        old("web", Running, "always"),
        made("web.next.g1a1", Created, "always"),
    ];
    let at =
        |operation: &Operation, now| match step(&record(Some(operation.clone())), &machine, now) {
            Step::Write(written) => written.operation.expect("it goes on").stage,
            other => panic!("a decision is written down: {other:?}"),
        };
    assert_eq!(at(&waited, NOW + 600 * SECOND), Stage::Cut);
    let late = Stage::Abandon { withdrawn: false };
    assert_eq!(at(&waited, NOW + 601 * SECOND), late);
    waited.quiet = true;
    assert_eq!(
        at(&waited, NOW + 601 * SECOND),
        Stage::Cut,
        "the machine itself asked for it, and not long ago"
    );
}

#[test]
fn an_assignment_that_has_not_changed_was_received_when_it_came_first() {
    let one = |generation: u64| Assignment {
        generation: Generation(generation),
        ..assignment()
    };
    let desired = |assignment: Assignment| Desired {
        generation: assignment.generation,
        assignments: BTreeMap::from([(assignment.workload.clone(), assignment)]),
        catalog: BTreeMap::new(),
    };
    let received = |held: &Desired, generation, now| {
        let taken = desired(one(generation)).received(held, now);
        let at = taken.assignments.values().map(|a| a.received_at).max();
        (taken, at)
    };
    let (first, at) = received(&Desired::default(), 1, NOW);
    assert_eq!(at, Some(NOW));
    let (again, at) = received(&first, 1, NOW + SECOND);
    assert_eq!(at, Some(NOW), "the same again");
    let (_, at) = received(&again, 2, NOW + SECOND);
    assert_eq!(at, Some(NOW + SECOND), "another one");
}

#[test]
fn no_cut_over_begins_while_another_workload_of_the_machine_is_cut_over_or_goes_back() {
    use ContainerState::{Created, Running};
    let (web, app): (WorkloadName, WorkloadName) = (
        "web".parse().expect("a name"),
        "app".parse().expect("a name"),
    );
    let mut at_gate = operation(Stage::Create);
    at_gate.units[0].made = true;
    let containers = [
        old("web", Running, "always"),
        made("web.next.g1a1", Created, "always"),
    ];
    for stage in [Stage::Cut, Stage::RollBack] {
        let records = BTreeMap::from([
            (app.clone(), record(Some(operation(stage)))),
            (web.clone(), record(Some(at_gate.clone()))),
        ]);
        let other = busy_with(&records, &web);
        assert_eq!((other, busy_with(&records, &app)), (Some(&app), None));
        let Step::Write(waiting) = step_beside(other, &records[&web], &containers, NOW) else {
            panic!("it says what it waits for");
        };
        let waits = waiting.operation.as_ref().expect("it goes on");
        assert_eq!(waits.phase(), AgentPhase::Waiting);
        assert!(
            waits.waiting_for.contains("workload app"),
            "{}",
            waits.waiting_for
        );
        let again = step_beside(other, &waiting, &containers, NOW + SECOND);
        assert!(matches!(again, Step::Rest { wake_at: Some(_) }));
        let Step::Write(cut) = step(&waiting, &containers, NOW + SECOND) else {
            panic!("the other is done");
        };
        assert_eq!(cut.operation.expect("it goes on").stage, Stage::Cut);
    }
    for stage in [Stage::Create, Stage::Soak, Stage::Settle] {
        let records = BTreeMap::from([(app.clone(), record(Some(operation(stage))))]);
        assert_eq!(busy_with(&records, &web), None, "it touches nothing");
    }
}
