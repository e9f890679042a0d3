//! Cut over, watched, taken back.

use super::*;

#[test]
fn the_cut_fences_stops_and_renames_before_it_starts() {
    use ContainerState::{Created, Exited, Running};
    let next = |name| made(name, Created, "always");
    let (aside, waiting) = ("web.prev.g1a1", "web.next.g1a1");
    let table = [
        (
            old("web", Running, "always"),
            next(waiting),
            "set restart policy no of old",
        ),
        (
            old("web", Running, "no"),
            next(waiting),
            "stop old, rename old to web.prev.g1a1, rename next to web, start next",
        ),
        (
            old("web", Exited, "no"),
            next(waiting),
            "rename old to web.prev.g1a1",
        ),
        (
            old(aside, Exited, "no"),
            next(waiting),
            "rename next to web",
        ),
        (old(aside, Exited, "no"), next("web"), "start next"),
        // Somebody, or an engine's restart, started the old one again.
        (
            old(aside, Running, "no"),
            next("web"),
            "stop old, start next",
        ),
        (
            old(aside, Exited, "always"),
            next("web"),
            "set restart policy no of old",
        ),
    ];
    for (old, next, expected) in table {
        assert_eq!(call(Stage::Cut, &[old, next]), expected);
    }
}

#[test]
fn one_of_rm_is_looked_for_once_it_was_stopped() {
    let old = Container {
        auto_remove: true,
        ..old("web", ContainerState::Running, "no")
    };
    let next = made("web.next.g1a1", ContainerState::Created, "no");
    assert_eq!(call(Stage::Cut, &[old, next]), "stop old");
}

#[test]
fn going_back_takes_the_failed_one_away_before_it_starts_the_old_one() {
    use ContainerState::{Created, Exited, Running};
    let (aside, failed) = ("web.prev.g1a1", "web.failed.g1a1");
    let was = |name, policy| old(name, Exited, policy);
    let table = [
        (
            was(aside, "no"),
            made("web", Running, "always"),
            "set restart policy no of next",
        ),
        (was(aside, "no"), made("web", Running, "no"), "stop next"),
        // It may run all the same.
        (was(aside, "no"), made("web", Exited, "no"), "stop next"),
        (
            was(aside, "no"),
            made("web", Created, "always"),
            "rename next to web.failed.g1a1",
        ),
        (
            was(aside, "no"),
            made(failed, Exited, "no"),
            "rename old to web",
        ),
        (
            was("web", "no"),
            made(failed, Exited, "no"),
            "set restart policy always of old",
        ),
        (
            was("web", "always"),
            made(failed, Exited, "no"),
            "start old",
        ),
        (
            old("web", Running, "always"),
            made(failed, Exited, "no"),
            "write Some(RollingBack)",
        ),
    ];
    for (old, next, expected) in table {
        assert_eq!(call(Stage::RollBack, &[old, next]), expected);
    }
}

#[test]
fn a_failed_ones_name_is_given_away_only_after_a_stop_that_was_answered() {
    let mut operation = operation(Stage::RollBack);
    operation.last_done = Some("stop next".to_owned());
    let aside = old("web.prev.g1a1", ContainerState::Exited, "no");
    let failed = made("web", ContainerState::Exited, "no");
    assert_eq!(
        call_of(operation, &[aside, failed]),
        "rename next to web.failed.g1a1"
    );
}

#[test]
fn one_that_the_engine_cannot_inspect_is_fenced_by_what_is_known_of_it() {
    let waiting = made("web.next.g1a1", ContainerState::Created, "always");
    let broken = old("web", ContainerState::Running, "");
    let expected = "set restart policy no of old";
    assert_eq!(call(Stage::Cut, &[broken, waiting]), expected);
}

#[test]
fn a_container_that_fails_while_it_is_watched_is_taken_back_at_once() {
    let mut operation = operation(Stage::Cut);
    operation.units[0].began = Some(NOW);
    let good = made("web", ContainerState::Running, "always");
    let aside = old("web.prev.g1a1", ContainerState::Exited, "no");
    let failing = [
        Container {
            state: ContainerState::Exited,
            ..good.clone()
        },
        Container {
            state: ContainerState::Restarting,
            ..good.clone()
        },
        Container {
            restart_count: 1,
            ..good.clone()
        },
        Container {
            health: Health::Unhealthy,
            ..good.clone()
        },
    ];
    for next in failing {
        let Step::Write(written) = step(
            &record(Some(operation.clone())),
            &[aside.clone(), next],
            NOW,
        ) else {
            panic!("a decision is written down before anything is done");
        };
        let back = written.operation.expect("it goes on");
        assert_eq!(
            (back.phase(), back.failure.map(|f| f.kind)),
            (AgentPhase::RollingBack, Some(FailureKind::Health))
        );
    }
}

#[test]
fn what_its_engines_end_stopped_is_started_again_and_watched_anew() {
    let mut operation = operation(Stage::Cut);
    let aside = old("web.prev.g1a1", ContainerState::Exited, "no");
    let stopped = made("web", ContainerState::Interrupted, "no");
    let containers = [aside, stopped];
    assert_eq!(call_of(operation.clone(), &containers), "start next");
    operation.units[0].began = Some(Timestamp(0));
    let Step::Write(written) = step(&record(Some(operation)), &containers, NOW) else {
        panic!("the time that it had before does not count");
    };
    let again = written.operation.expect("it goes on");
    assert_eq!((again.stage, again.units[0].began), (Stage::Cut, None));
}

#[test]
fn health_must_last_without_a_break_and_another_start_is_one() {
    let mut operation = operation(Stage::Cut);
    let next = made("web", ContainerState::Running, "always");
    let containers = [
        old("web.prev.g1a1", ContainerState::Exited, "no"),
        next.clone(),
    ];
    operation.units[0].began = Some(NOW);
    operation.units[0].healthy = Some(Streak {
        since: NOW,
        starts: vec![next.start_mark()],
    });
    let record = record(Some(operation));
    assert_eq!(
        step(&record, &containers, NOW + 4 * SECOND),
        Step::Rest {
            wake_at: Some(NOW + 5 * SECOND)
        }
    );
    let Step::Write(proven) = step(&record, &containers, NOW + 5 * SECOND) else {
        panic!("proven");
    };
    assert!(proven.operation.expect("it goes on").units[0].proven);

    let restarted = Container {
        started_at: Some(Timestamp(7)),
        ..next
    };
    let Step::Write(again) = step(
        &record,
        &[containers[0].clone(), restarted],
        NOW + 5 * SECOND,
    ) else {
        panic!("a new streak");
    };
    let unit = again.operation.expect("it goes on").units.remove(0);
    assert_eq!(
        (unit.proven, unit.healthy.map(|s| s.since)),
        (false, Some(NOW + 5 * SECOND))
    );
}

#[test]
fn a_health_check_gets_the_time_that_it_needs_to_decide() {
    let mut operation = operation(Stage::Cut);
    operation.units[0].began = Some(NOW);
    let next = Container {
        health: Health::Starting,
        health_timing: Some(crate::HealthTiming {
            interval: 30 * SECOND,
            timeout: 30 * SECOND,
            start_period: 60 * SECOND,
            start_interval: 5 * SECOND,
            retries: 3,
        }),
        ..made("web", ContainerState::Running, "always")
    };
    let containers = [old("web.prev.g1a1", ContainerState::Exited, "no"), next];
    let needed = (60 + 60 * 4 + 30) * SECOND;
    assert_eq!(
        step(
            &record(Some(operation.clone())),
            &containers,
            NOW + 60 * SECOND
        ),
        Step::Rest {
            wake_at: Some(NOW + needed)
        }
    );
    assert!(matches!(
        step(&record(Some(operation)), &containers, NOW + needed),
        Step::Write(_)
    ));
}

#[test]
fn what_is_not_known_is_not_taken_for_absent() {
    let record = record(Some(operation(Stage::Prepare)));
    // The image was not asked about, so nobody knows whether it is there.
    assert!(matches!(
        step(&record, &[], NOW),
        Step::Rest { wake_at: Some(_) }
    ));
}

#[test]
fn one_that_ran_by_one_look_and_did_not_by_another_makes_two_conclusions() {
    let begun = Operation {
        units: Vec::new(),
        ..operation(Stage::Preflight)
    };
    let held = record(Some(begun));
    let found = |state| {
        let second = container("second", "web-2", 1, state, "always");
        let containers = [old("web", ContainerState::Running, "always"), second];
        let Step::Write(next) = step(&held, &containers, NOW) else {
            panic!("a decision is written down");
        };
        crate::concludes(&held, &next).expect("it is one")
    };
    assert_eq!(found(ContainerState::Exited), found(ContainerState::Exited));
    assert_ne!(
        found(ContainerState::Exited),
        found(ContainerState::Running)
    );
}
