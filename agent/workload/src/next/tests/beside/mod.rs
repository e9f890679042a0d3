//! Start-first: the next one is proven beside the old one before they change places.

mod doubt;
mod untouched;

use pinion_model::HolderKind;
use proptest::prelude::*;

use super::*;
use crate::in_use::{Lease, Probed, Probes, Seen, Verdict};
use crate::{Answer, HookPoint, ORDER_LABEL, START_FIRST, Switch};
use ContainerState::{Created, Exited, Running};

const ASIDE: &str = "web.prev.g1a1";
const WAITING: &str = "web.next.g1a1";
const FAILED: &str = "web.failed.g1a1";

const SWITCHED: Seen<'_> = Seen {
    switch: true,
    drain: Duration::from_secs(10),
    ..Seen::NOTHING
};

fn asking(mut container: Container) -> Container {
    let label = (ORDER_LABEL.to_owned(), START_FIRST.to_owned());
    container.labels.extend([label]);
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
    operation.units[0].made = true;
    change(&mut operation.units[0]);
    operation
}

/// Proven beside the old one at [`NOW`].
fn ready(stage: Stage) -> Operation {
    beside(stage, |unit| {
        let next = is(WAITING, Running, "no");
        (unit.began, unit.ready) = (Some(NOW), Some(NOW));
        unit.healthy = Some(Streak {
            since: NOW,
            starts: vec![next.start_mark()],
        });
    })
}

fn due(operation: &Operation, containers: &[Container]) -> String {
    due_in_use(Seen::NOTHING, operation, containers, NOW)
}

fn due_in_use(
    seen: Seen<'_>,
    operation: &Operation,
    containers: &[Container],
    now: Timestamp,
) -> String {
    match step_in_use(seen, &record(Some(operation.clone())), containers, now) {
        Step::Call(Call::Hook(hook)) => format!("{} hook to {}", hook.point.word(), hook.container),
        step => said(step, |record| {
            format!("write {:?}", record.operation.map(|o| o.stage))
        }),
    }
}

fn written(operation: &Operation, containers: &[Container]) -> Operation {
    match step(&record(Some(operation.clone())), containers, NOW) {
        Step::Write(record) => record.operation.expect("it goes on"),
        other => panic!("a decision is written down: {other:?}"),
    }
}

#[test]
fn before_the_gate_the_next_one_runs_beside_and_the_old_one_is_not_touched() {
    let created = beside(Stage::Create, |_| {});
    let begun = beside(Stage::Create, |unit| unit.began = Some(NOW));
    let table = [
        (
            &created,
            is(WAITING, Created, "always"),
            "set restart policy no of next",
        ),
        (&created, is(WAITING, Created, "no"), "start next"),
        (&created, is(WAITING, Running, "no"), "write Some(Create)"),
        (&begun, is(WAITING, Running, "no"), "write Some(Create)"),
        (&begun, is(WAITING, Exited, "no"), "write Some(RollBack)"),
        (
            &ready(Stage::Create),
            is(WAITING, Exited, "no"),
            "write Some(RollBack)",
        ),
        (
            &ready(Stage::Create),
            is(WAITING, Running, "no"),
            "write Some(Cut)",
        ),
    ];
    for (operation, next, expected) in table {
        let containers = [was("web", Running, "always"), next];
        assert_eq!(due(operation, &containers), expected);
    }
    // Nothing runs that the user has stopped.
    let stopped = [was("web", Exited, "always"), is(WAITING, Created, "no")];
    let waits = written(&created, &stopped);
    assert!(
        waits.waiting_for.contains("to run again"),
        "{}",
        waits.waiting_for
    );
}

#[test]
fn while_it_waits_at_the_gate_it_is_proven_anew_where_that_is_in_doubt() {
    let mut sick = is(WAITING, Running, "no");
    sick.health = Health::Starting;
    let doubted = written(
        &ready(Stage::Create),
        &[was("web", Running, "always"), sick],
    );
    let unit = &doubted.units[0];
    assert_eq!((unit.ready, &unit.healthy, unit.began), (None, &None, None));
    assert!(doubted.is_proving_beside() && !doubted.wants_probes());
    assert!(ready(Stage::Create).wants_probes());
}

#[test]
fn one_that_an_engines_restart_took_is_started_again_and_one_that_exits_is_not() {
    let at = |mut container: Container, started: u64| {
        container.started_at = Some(Timestamp(started));
        container
    };
    let ended = at(is(WAITING, Exited, "no"), 10);
    let proving = beside(Stage::Create, |unit| unit.began = Some(NOW));
    let both = [at(was("web", Running, "always"), 20), ended.clone()];
    let again = written(&proving, &both);
    assert_eq!(again.stage, Stage::Create);
    assert_eq!(due(&again, &both), "start next");
    assert_eq!(due(&ready(Stage::Cut), &both), "write Some(Cut)");
    let alone = [at(was("web", Running, "always"), 5), ended];
    assert_eq!(due(&proving, &alone), "write Some(RollBack)");
    // While they change places the old one may not restart any more.
    let both = [was("web", Exited, "no"), is(WAITING, Exited, "no")];
    assert_eq!(due(&ready(Stage::Cut), &both), "start next");
    let placed = [was(ASIDE, Exited, "no"), is("web", Exited, "always")];
    assert_eq!(due(&ready(Stage::Cut), &placed), "write Some(RollBack)");
}

#[test]
fn they_change_places_while_both_run_and_only_then_the_old_one_stops() {
    let table = [
        (
            "web",
            "always",
            WAITING,
            "no",
            "set restart policy no of old",
        ),
        (
            "web",
            "no",
            WAITING,
            "no",
            "set restart policy always of next",
        ),
        (
            "web",
            "no",
            WAITING,
            "always",
            "rename old to web.prev.g1a1",
        ),
        (ASIDE, "no", WAITING, "always", "rename next to web"),
        (ASIDE, "no", "web", "always", "stop old"),
    ];
    let cutting = ready(Stage::Cut);
    for (old_name, old_policy, next_name, next_policy, expected) in table {
        let old = was(old_name, Running, old_policy);
        assert_eq!(
            due(
                &cutting,
                &[old.clone(), is(next_name, Running, next_policy)]
            ),
            expected
        );
        // It ends just before that: the old one still serves.
        let ended = is(next_name, Exited, next_policy);
        assert_eq!(
            due(&cutting, &[old, ended]),
            "write Some(RollBack)",
            "{expected}"
        );
    }
    // Nothing less than a proof stops the old one.
    let mut sick = is("web", Running, "always");
    sick.health = Health::Starting;
    let doubted = written(&cutting, &[was(ASIDE, Running, "no"), sick]);
    assert_eq!(
        (&doubted.stage, doubted.units[0].ready),
        (&Stage::Cut, None)
    );
    let done = [was(ASIDE, Exited, "no"), is("web", Running, "always")];
    let later = NOW + assignment().min_healthy;
    let Step::Write(record) = step(&record(Some(cutting)), &done, later) else {
        panic!("it is proven now");
    };
    assert!(record.operation.expect("it goes on").units[0].proven);
}

#[test]
fn a_lock_holds_the_change_of_places_until_it_has_begun_and_then_the_stop() {
    let leases = [Lease {
        workload: None,
        owner: "backup".to_owned(),
        reason: "nightly dump".to_owned(),
        expires_at: None,
    }];
    let locked = Seen {
        leases: &leases,
        ..Seen::NOTHING
    };
    let table = [
        // The proof goes on, and nothing else does.
        (
            Stage::Create,
            "web",
            "always",
            WAITING,
            "no",
            "write Some(Create)",
        ),
        (
            Stage::Cut,
            "web",
            "always",
            WAITING,
            "no",
            "write Some(Create)",
        ),
        (
            Stage::Cut,
            "web",
            "no",
            WAITING,
            "no",
            "set restart policy always of old",
        ),
        (
            Stage::Cut,
            "web",
            "no",
            WAITING,
            "always",
            "rename old to web.prev.g1a1",
        ),
        (Stage::Cut, ASIDE, "no", "web", "always", "write Some(Cut)"),
    ];
    for (stage, old_name, old_policy, next_name, next_policy, expected) in table {
        let containers = [
            was(old_name, Running, old_policy),
            is(next_name, Running, next_policy),
        ];
        let found = due_in_use(locked, &ready(stage), &containers, NOW);
        assert_eq!(found, expected, "{containers:?}");
    }
    let unproven = beside(Stage::Create, |_| {});
    let created = [was("web", Running, "always"), is(WAITING, Created, "no")];
    assert_eq!(due_in_use(locked, &unproven, &created, NOW), "start next");
    // At the deadline of one that has changed places, all go back.
    let placed = [was(ASIDE, Running, "no"), is("web", Running, "always")];
    let mut waits = ready(Stage::Cut);
    waits.gate.shut(Vec::new(), NOW);
    let late = NOW + assignment().defer_within;
    assert_eq!(
        due_in_use(locked, &waits, &placed, late),
        "write Some(RollBack)"
    );
    waits.gate.force(NOW);
    assert_eq!(due_in_use(locked, &waits, &placed, late), "stop old");
}

#[test]
fn a_hook_before_the_cut_over_is_run_when_the_next_one_is_proven() {
    let hooked = Seen {
        pre_cut: true,
        post_start: true,
        ..SWITCHED
    };
    let both = [was("web", Running, "always"), is(WAITING, Running, "no")];
    let begun = beside(Stage::Create, |unit| unit.began = Some(NOW));
    assert_eq!(
        due_in_use(hooked, &begun, &both, NOW),
        "post-start hook to next"
    );
    let mut proven = ready(Stage::Create);
    proven.units[0].welcomed = true;
    assert_eq!(
        due_in_use(hooked, &proven, &both, NOW),
        "pre-cut hook to old"
    );
    proven.units[0].let_go = true;
    // What is under way ends when the proxy points elsewhere, so nothing is drained before.
    assert_eq!(due_in_use(hooked, &proven, &both, NOW), "write Some(Cut)");
    let drained = Seen {
        drain: 10 * SECOND,
        ..Seen::NOTHING
    };
    assert_eq!(
        due_in_use(drained, &proven, &both, NOW),
        "write Some(Create)"
    );
}

/// What the journal learns from a hook's answer.
fn answered(operation: &Operation, containers: &[Container], answer: &Answer) -> Operation {
    let asked = record(Some(operation.clone()));
    let Step::Call(call) = step_in_use(SWITCHED, &asked, containers, NOW) else {
        panic!("the hook is due");
    };
    learned(&asked, SWITCHED, &call, answer, NOW)
}

#[test]
fn a_proxy_is_switched_between_the_change_of_names_and_the_stop_and_drains() {
    let placed = [was(ASIDE, Running, "no"), is("web", Running, "always")];
    let cutting = ready(Stage::Cut);
    let Step::Write(begun) = step_in_use(SWITCHED, &record(Some(cutting)), &placed, NOW) else {
        panic!("it is written down before it is run");
    };
    let begun = begun.operation.expect("it goes on");
    assert_eq!(begun.units[0].switch, Some(Switch::Begun));
    assert_eq!(
        due_in_use(SWITCHED, &begun, &placed, NOW),
        "switch hook to next"
    );
    let pointed = answered(&begun, &placed, &Answer::Done);
    assert_eq!(pointed.units[0].switch, Some(Switch::Next(NOW)));
    assert_eq!(due_in_use(SWITCHED, &pointed, &placed, NOW), "rest");
    let drained = NOW + SWITCHED.drain;
    assert_eq!(due_in_use(SWITCHED, &pointed, &placed, drained), "stop old");
    let no = Failure::new(FailureKind::Start, "the hook exited with 1");
    let back = answered(&begun, &placed, &Answer::Refused(no));
    assert_eq!(
        (&back.stage, back.units[0].culprit),
        (&Stage::RollBack, true)
    );
    assert_eq!(back.units[0].switch, Some(Switch::Begun), "nobody knows");
}

#[test]
fn a_proxy_that_may_point_at_the_next_one_is_pointed_back_before_that_stops() {
    let home = [was("web", Running, "always"), is(FAILED, Running, "no")];
    let restored = |switch| {
        beside(Stage::RollBack, |unit| {
            (unit.restored, unit.switch) = (Some(NOW), switch)
        })
    };
    assert_eq!(
        due_in_use(SWITCHED, &restored(None), &home, NOW),
        "stop next"
    );
    for switch in [Switch::Begun, Switch::Next(NOW)] {
        let away = restored(Some(switch));
        assert_eq!(
            due_in_use(SWITCHED, &away, &home, NOW),
            "switch hook to old"
        );
        let pointed = answered(&away, &home, &Answer::Done);
        assert_eq!(pointed.units[0].switch, Some(Switch::Old(NOW)));
        assert_eq!(due_in_use(SWITCHED, &pointed, &home, NOW), "rest");
        let drained = NOW + SWITCHED.drain;
        assert_eq!(due_in_use(SWITCHED, &pointed, &home, drained), "stop next");
        // Where the next one has ended, as soon as the old one runs.
        let ended = [was("web", Running, "always"), is(FAILED, Exited, "no")];
        assert_eq!(
            due_in_use(SWITCHED, &away, &ended, NOW),
            "switch hook to old"
        );
    }
}

#[test]
fn a_proxy_that_cannot_be_pointed_back_keeps_the_one_that_it_points_at() {
    let home = [was("web", Running, "always"), is(FAILED, Running, "no")];
    let mut away = beside(Stage::RollBack, |unit| {
        (unit.restored, unit.switch) = (Some(NOW), Some(Switch::Begun));
    });
    let no = Failure::new(FailureKind::Start, "the hook exited with 1");
    for _ in 0..5 {
        away.retry_at = None;
        away = answered(&away, &home, &Answer::Refused(no.clone()));
    }
    let Step::Write(lost) = step_in_use(SWITCHED, &record(Some(away)), &home, NOW) else {
        panic!("it is given up");
    };
    let lost = lost.operation.expect("it goes on");
    assert!(lost.units[0].lost);
    assert_ne!(due_in_use(SWITCHED, &lost, &home, NOW), "stop next");
}

#[test]
fn a_switch_is_told_who_serves_from_now_on_and_who_did() {
    let told = |stage, old_name, next_name| {
        let mut operation = ready(stage);
        let unit = &mut operation.units[0];
        (unit.restored, unit.switch) = (Some(NOW), Some(Switch::Begun));
        let (old_policy, next_policy) = match next_name {
            "web" => ("no", "always"),
            _ => ("always", "no"),
        };
        let containers = [
            was(old_name, Running, old_policy),
            is(next_name, Running, next_policy),
        ];
        match step_in_use(SWITCHED, &record(Some(operation)), &containers, NOW) {
            Step::Call(Call::Hook(hook)) => hook,
            other => panic!("the hook is due: {other:?}"),
        }
    };
    let there = told(Stage::Cut, ASIDE, "web");
    assert_eq!(
        (there.point, there.name.as_str()),
        (HookPoint::Switch, "web")
    );
    assert_eq!(
        (&there.old, &there.new),
        (&Some(digest(1)), &Some(digest(2)))
    );
    assert_eq!(
        (there.container.0.as_str(), there.from),
        ("next", Some(ContainerId("old".into())))
    );
    let back = told(Stage::RollBack, "web", FAILED);
    assert_eq!((&back.old, &back.new), (&Some(digest(2)), &Some(digest(1))));
    assert_eq!(
        (back.container.0.as_str(), back.from),
        ("old", Some(ContainerId("next".into())))
    );
}

#[test]
fn going_back_before_the_change_takes_the_next_one_away_and_nothing_else() {
    let operation = beside(Stage::RollBack, |unit| unit.restored = Some(NOW));
    let table = [
        (is(WAITING, Running, "no"), "stop next"),
        (is(WAITING, Exited, "no"), "write Some(RollBack)"),
    ];
    for (next, expected) in table {
        let containers = [was("web", Running, "always"), next];
        assert_eq!(due(&operation, &containers), expected);
    }
}

#[test]
fn going_back_after_it_the_old_one_runs_before_the_next_one_stops() {
    let serving = beside(Stage::RollBack, |unit| unit.proven = true);
    let restored = beside(Stage::RollBack, |unit| unit.restored = Some(NOW));
    let mut starting = was(ASIDE, Running, "no");
    starting.health = Health::Starting;
    let old = |name, policy| was(name, Running, policy);
    let next = |name, policy| is(name, Running, policy);
    let table = [
        (
            &serving,
            was(ASIDE, Exited, "no"),
            next("web", "always"),
            "start old",
        ),
        (
            &serving,
            old(ASIDE, "no"),
            next("web", "always"),
            "write Some(RollBack)",
        ),
        (&restored, starting, next("web", "always"), "rest"),
        (
            &restored,
            old(ASIDE, "no"),
            next("web", "always"),
            "rename next to web.failed.g1a1",
        ),
        (
            &restored,
            old(ASIDE, "no"),
            next(FAILED, "always"),
            "rename old to web",
        ),
        (
            &restored,
            old("web", "no"),
            next(FAILED, "always"),
            "set restart policy no of next",
        ),
        (
            &restored,
            old("web", "no"),
            next(FAILED, "no"),
            "set restart policy always of old",
        ),
        (
            &restored,
            old("web", "always"),
            next(FAILED, "no"),
            "stop next",
        ),
    ];
    for (operation, old, next, expected) in table {
        assert_eq!(due(operation, &[old, next]), expected);
    }
}

#[test]
fn an_old_one_that_the_engines_restart_took_is_started_once_more() {
    let operation = beside(Stage::RollBack, |unit| unit.restored = Some(NOW));
    let both = [was("web", Exited, "no"), is(FAILED, Exited, "no")];
    let again = written(&operation, &both);
    assert_eq!(again.units[0].restored, None);
    assert_eq!(due(&again, &both), "set restart policy always of old");
    let both = [was("web", Exited, "always"), is(FAILED, Exited, "no")];
    assert_eq!(due(&again, &both), "start old");
}

#[test]
fn an_old_one_that_does_not_start_any_more_leaves_what_runs() {
    let operation = beside(Stage::RollBack, |unit| unit.restarts = 4);
    let containers = [was(ASIDE, Exited, "no"), is("web", Running, "always")];
    let lost = written(&operation, &containers);
    assert!(lost.units[0].lost);
    assert_ne!(due(&lost, &containers), "stop next");
}

#[test]
fn one_that_does_not_serve_is_not_waited_for() {
    let operation = beside(Stage::RollBack, |unit| unit.restored = Some(NOW));
    let mut old = was(ASIDE, Running, "no");
    old.health = Health::Starting;
    let mut next = is("web", Running, "always");
    next.health = Health::Unhealthy;
    let aside = "rename next to web.failed.g1a1";
    assert_eq!(due(&operation, &[old.clone(), next]), aside);
    // And one that serves is waited for only until the deadline.
    let late = NOW + assignment().healthy_deadline;
    let both = [old, is("web", Running, "always")];
    assert_eq!(due_in_use(Seen::NOTHING, &operation, &both, late), aside);
}

#[test]
fn a_port_of_the_machine_is_refused_in_preflight_and_at_the_gate() {
    let mut claiming = was("web", Running, "always");
    claiming.claims = vec![crate::Claim::HostPort("8080/tcp".to_owned())];
    for operation in [operation(Stage::Preflight), ready(Stage::Create)] {
        let containers = [claiming.clone(), is(WAITING, Running, "no")];
        let operation = written(&operation, &containers);
        assert_eq!(operation.stage, Stage::Abandon { withdrawn: false });
        let why = operation.failure.expect("it says why").message;
        assert!(
            why.contains("8080/tcp") && why.contains("nothing was touched"),
            "{why}"
        );
    }
}

#[test]
fn the_time_of_the_proof_is_not_late_and_what_waits_after_it_is() {
    let both = [was("web", Running, "always"), is(WAITING, Running, "no")];
    let late = NOW + assignment().start_within + SECOND;
    let begun = beside(Stage::Create, |unit| unit.began = Some(late));
    let abandoned = format!("write Some({:?})", Stage::Abandon { withdrawn: false });
    assert_ne!(due_in_use(Seen::NOTHING, &begun, &both, late), abandoned);
    let created = beside(Stage::Create, |_| {});
    assert_eq!(due_in_use(Seen::NOTHING, &created, &both, late), abandoned);
    assert_eq!(
        due_in_use(Seen::NOTHING, &ready(Stage::Create), &both, late),
        abandoned
    );
}

#[test]
fn a_busy_probe_is_heard_when_the_next_one_is_proven() {
    let busy = [Probed {
        kind: HolderKind::Probe,
        of: "http://127.0.0.1:8080/idle".to_owned(),
        verdict: Verdict::Busy("503".to_owned()),
    }];
    let seen = Seen {
        probes: Probes::Answered(&busy),
        ..Seen::NOTHING
    };
    let both = [was("web", Running, "always"), is(WAITING, Running, "no")];
    let Step::Write(held) = step_in_use(seen, &record(Some(ready(Stage::Create))), &both, NOW)
    else {
        panic!("it waits");
    };
    assert_eq!(
        held.operation.expect("it goes on").phase(),
        AgentPhase::Waiting
    );
}

fn any_state() -> impl Strategy<Value = ContainerState> {
    use ContainerState::{Dead, Interrupted, Paused, Restarting};
    prop::sample::select(vec![
        Created,
        Running,
        Paused,
        Restarting,
        Exited,
        Interrupted,
        Dead,
    ])
}

fn any_policy() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["no", "always", "unless-stopped"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// Whatever the engine shows: no call makes two that its restart would
    /// start, and none stops the last that runs.
    #[test]
    fn no_call_lets_an_engine_start_two_or_stops_the_last(
        stage in prop::sample::select(vec![Stage::Create, Stage::Cut, Stage::RollBack]),
        (old_state, old_policy) in (any_state(), any_policy()),
        (next_state, next_policy) in (any_state(), any_policy()),
        (old_name, next_name) in prop::sample::select(vec![("web", WAITING), (ASIDE, WAITING), (ASIDE, "web"), (ASIDE, FAILED), ("web", FAILED)]),
        (is_ready, is_restored, has_switched) in any::<(bool, bool, bool)>(),
    ) {
        let mut operation = if is_ready { ready(stage.clone()) } else { beside(stage.clone(), |_| {}) };
        operation.failure = Some(Failure::new(FailureKind::Health, "it failed"));
        let unit = &mut operation.units[0];
        unit.restored = is_restored.then_some(NOW);
        unit.switch = has_switched.then_some(Switch::Next(NOW));
        let containers = [was(old_name, old_state, old_policy), is(next_name, next_state, next_policy)];
        let other = |id: &ContainerId| containers.iter().find(|c| c.id != *id).expect("there are two");
        let starts = |c: &Container, policy: &str| policy != "no" && c.state != Created;
        match step(&record(Some(operation)), &containers, NOW) {
            Step::Call(Call::SetRestartPolicy { id, policy, .. }) if policy != "no" => {
                let other = other(&id);
                prop_assert!(!starts(other, &other.restart_policy), "{stage:?}: two would start: {containers:?}");
            }
            Step::Call(Call::Start(id)) => {
                let started = containers.iter().find(|c| c.id == id).expect("one of them");
                let other = other(&id);
                let both = started.restart_policy != "no" && starts(other, &other.restart_policy);
                prop_assert!(!both, "{stage:?}: two would start: {containers:?}");
            }
            Step::Call(Call::Stop { id, .. }) => {
                // What is shown as stopped is stopped once more, lest it run all the same.
                let runs = containers.iter().any(|c| c.id == id && c.is_up());
                let serves = stage == Stage::Create || other(&id).is_up();
                prop_assert!(serves || !runs, "{stage:?}: nothing runs then: {containers:?}");
            }
            _ => {}
        }
    }
}
