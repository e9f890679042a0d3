//! Start-first: the next one is proven beside the old one before they change places.

use super::*;
use crate::{ORDER_LABEL, START_FIRST};
use ContainerState::{Created, Exited, Running};

const ASIDE: &str = "web.prev.g1a1";
const WAITING: &str = "web.next.g1a1";
const FAILED: &str = "web.failed.g1a1";

fn asking(mut container: Container) -> Container {
    container
        .labels
        .insert(ORDER_LABEL.to_owned(), START_FIRST.to_owned());
    container
}

fn was(name: &str, state: ContainerState, policy: &str) -> Container {
    asking(old(name, state, policy))
}

fn is(name: &str, state: ContainerState, policy: &str) -> Container {
    asking(made(name, state, policy))
}

fn beside(stage: Stage, change: impl FnOnce(&mut Unit)) -> Operation {
    let mut operation = operation(stage);
    operation.units = vec![Unit::new(&was("web", Running, "always"), Some(digest(1)))];
    change(&mut operation.units[0]);
    operation
}

fn due(operation: &Operation, containers: &[Container]) -> String {
    match step(&record(Some(operation.clone())), containers, NOW) {
        Step::Call(call) => call.key(),
        Step::Write(record) => format!("write {:?}", record.operation.map(|o| o.phase())),
        Step::Rest { .. } => "rest".to_owned(),
    }
}

#[test]
fn the_old_one_is_not_touched_until_the_next_one_is_proven_beside_it() {
    let operation = beside(Stage::Cut, |unit| unit.began = Some(NOW));
    let table = [
        (
            is(WAITING, Created, "always"),
            "set restart policy no of next",
        ),
        (is(WAITING, Created, "no"), "start next"),
        (is(WAITING, Running, "no"), "write Some(Verifying)"),
    ];
    for (next, expected) in table {
        let containers = [was("web", Running, "always"), next];
        assert_eq!(due(&operation, &containers), expected);
    }
    let containers = [was("web", Running, "always"), is(WAITING, Exited, "no")];
    assert_eq!(due(&operation, &containers), "write Some(RollingBack)");
}

#[test]
fn they_change_places_while_both_run_and_only_then_the_old_one_stops() {
    let operation = beside(Stage::Cut, |unit| {
        (unit.began, unit.ready) = (Some(NOW), true);
    });
    let table = [
        (
            was("web", Running, "always"),
            is(WAITING, Running, "no"),
            "set restart policy no of old",
        ),
        (
            was("web", Running, "no"),
            is(WAITING, Running, "no"),
            "set restart policy always of next",
        ),
        (
            was("web", Running, "no"),
            is(WAITING, Running, "always"),
            "rename old to web.prev.g1a1",
        ),
        (
            was(ASIDE, Running, "no"),
            is(WAITING, Running, "always"),
            "rename next to web",
        ),
        (
            was(ASIDE, Running, "no"),
            is("web", Running, "always"),
            "stop old",
        ),
    ];
    for (old, next, expected) in table {
        assert_eq!(due(&operation, &[old, next]), expected);
    }
    // It ended just before that: the old one still serves.
    let ended = [was(ASIDE, Running, "no"), is("web", Exited, "always")];
    assert_eq!(due(&operation, &ended), "write Some(RollingBack)");
    let done = [was(ASIDE, Exited, "no"), is("web", Running, "always")];
    let Step::Write(record) = step(&record(Some(operation)), &done, NOW) else {
        panic!("it is proven now");
    };
    assert!(record.operation.expect("it goes on").units[0].proven);
}

#[test]
fn going_back_before_the_change_takes_the_next_one_away_and_nothing_else() {
    let operation = beside(Stage::RollBack, |unit| unit.restored = Some(NOW));
    let table = [
        (is(WAITING, Running, "no"), "stop next"),
        (is(WAITING, Exited, "no"), "write Some(RollingBack)"),
    ];
    for (next, expected) in table {
        let containers = [was("web", Running, "always"), next];
        assert_eq!(due(&operation, &containers), expected);
    }
}

#[test]
fn going_back_after_it_the_old_one_runs_before_the_next_one_stops() {
    let serving = beside(Stage::RollBack, |unit| {
        (unit.ready, unit.proven) = (true, true);
    });
    let restored = beside(Stage::RollBack, |unit| unit.restored = Some(NOW));
    let starting = |mut old: Container| {
        old.health = Health::Starting;
        old
    };
    let table = [
        (
            &serving,
            was(ASIDE, Exited, "no"),
            is("web", Running, "always"),
            "start old",
        ),
        (
            &serving,
            was(ASIDE, Running, "no"),
            is("web", Running, "always"),
            "write Some(RollingBack)",
        ),
        (
            &restored,
            starting(was(ASIDE, Running, "no")),
            is("web", Running, "always"),
            "rest",
        ),
        (
            &restored,
            was(ASIDE, Running, "no"),
            is("web", Running, "always"),
            "set restart policy no of next",
        ),
        (
            &restored,
            was(ASIDE, Running, "no"),
            is("web", Running, "no"),
            "set restart policy always of old",
        ),
        (
            &restored,
            was(ASIDE, Running, "always"),
            is("web", Running, "no"),
            "rename next to web.failed.g1a1",
        ),
        (
            &restored,
            was(ASIDE, Running, "always"),
            is(FAILED, Running, "no"),
            "rename old to web",
        ),
        (
            &restored,
            was("web", Running, "always"),
            is(FAILED, Running, "no"),
            "stop next",
        ),
    ];
    for (operation, old, next, expected) in table {
        assert_eq!(due(operation, &[old, next]), expected);
    }
}

#[test]
fn one_that_does_not_serve_is_not_waited_for() {
    let operation = beside(Stage::RollBack, |unit| unit.restored = Some(NOW));
    let mut old = was(ASIDE, Running, "no");
    old.health = Health::Starting;
    let mut next = is("web", Running, "always");
    next.health = Health::Unhealthy;
    assert_eq!(
        due(&operation, &[old.clone(), next]),
        "set restart policy no of next"
    );
    // And one that serves is waited for only until the deadline.
    let next = is("web", Running, "always");
    let late = NOW + assignment().healthy_deadline;
    let step = step(&record(Some(operation)), &[old, next], late);
    assert!(
        matches!(step, Step::Call(Call::SetRestartPolicy { .. })),
        "{step:?}"
    );
}

#[test]
fn a_port_of_the_machine_is_refused_in_preflight_and_at_the_gate() {
    let mut claiming = was("web", Running, "always");
    claiming.claims = vec![crate::Claim::HostPort("8080/tcp".to_owned())];
    let gate = beside(Stage::Create, |unit| unit.made = true);
    for operation in [operation(Stage::Preflight), gate] {
        let containers = [claiming.clone(), is(WAITING, Created, "always")];
        let Step::Write(record) = step(&record(Some(operation)), &containers, NOW) else {
            panic!("it is refused");
        };
        let operation = record.operation.expect("it is abandoned");
        assert_eq!(operation.stage, Stage::Abandon { withdrawn: false });
        let why = operation.failure.expect("it says why").message;
        assert!(
            why.contains("8080/tcp") && why.contains("nothing was touched"),
            "{why}"
        );
    }
}
