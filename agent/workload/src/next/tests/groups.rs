//! Containers that depend on one another are replaced, and go back, as one.

use ContainerState::{Created, Exited, Running};

use super::*;

/// What depends on "web" is of no workload: its image is nobody's.
fn side(id: &str, name: &str, state: ContainerState, policy: &str, on: &str) -> Container {
    Container {
        repo_digests: Vec::new(),
        image_reference: "redis:7".to_owned(),
        depends_on: vec![on.to_owned()],
        ..container(id, name, 3, state, policy)
    }
}

fn side_next(name: &str, state: ContainerState, policy: &str) -> Container {
    let mut made = side("side-next", name, state, policy, "next");
    let labels = [
        ("pinion.op", "g1a1"),
        ("pinion.replaces", "side"),
        ("pinion.for", "web"),
    ];
    made.labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    made
}

/// An operation on "web" and on "side", which depends on it.
fn group(stage: Stage) -> Operation {
    let mut group = operation(stage);
    let dependant = side("side", "side", Running, "always", "old");
    group.units.push(Unit {
        own_image: true,
        ..Unit::new(&dependant, None)
    });
    group.units.iter_mut().for_each(|unit| unit.made = true);
    group
}

fn due(operation: &Operation, containers: &[Container]) -> String {
    let step = step(&record(Some(operation.clone())), containers, NOW);
    said(step, |record| {
        format!("write {:?}", record.operation.map(|o| o.stage))
    })
}

fn preflight(containers: &[Container]) -> Operation {
    let begun = Operation {
        units: Vec::new(),
        ..operation(Stage::Preflight)
    };
    match step(&record(Some(begun)), containers, NOW) {
        Step::Write(written) => written.operation.expect("it goes on"),
        other => panic!("a decision is written down: {other:?}"),
    }
}

#[test]
fn what_depends_on_a_container_is_replaced_with_it_on_its_own_image() {
    let web = old("web", Running, "always");
    let chain = [
        web.clone(),
        side("s1", "a-tail", Running, "no", "b-side"),
        side("s2", "b-side", Exited, "no", "web"),
        side("s3", "alone", Running, "no", "nobody"),
    ];
    let begun = preflight(&chain);
    let units: Vec<_> = begun
        .units
        .iter()
        .map(|u| (u.name.as_str(), u.group, u.own_image, u.old.running))
        .collect();
    let expected = [
        ("web", 0, false, true),
        ("b-side", 0, true, false),
        ("a-tail", 0, true, true),
    ];
    assert_eq!(units, expected);
    assert!(
        begun.units[1].old.digest.is_none(),
        "it is not the workload's"
    );

    let call = |operation: &Operation, n: usize| {
        let mut at = operation.clone();
        at.stage = Stage::Create;
        at.image = Some(image(2));
        at.units[..n].iter_mut().for_each(|unit| unit.made = true);
        match step(&record(Some(at)), &chain, NOW) {
            Step::Call(Call::Create {
                name,
                image,
                labels,
                ..
            }) => (
                name,
                image,
                labels.get("pinion.workload").cloned(),
                labels.get("pinion.for").cloned(),
            ),
            other => panic!("it is created: {other:?}"),
        }
    };
    let web_label = || Some("web".to_owned());
    assert_eq!(
        call(&begun, 0),
        (
            "web.next.g1a1".to_owned(),
            Some(image(2)),
            web_label(),
            web_label()
        )
    );
    assert_eq!(
        call(&begun, 1),
        ("b-side.next.g1a1".to_owned(), None, None, web_label())
    );
}

#[test]
fn one_that_may_not_be_replaced_keeps_all_of_its_group_from_it_and_is_named() {
    let label = |key: &str, value: &str| Container {
        labels: BTreeMap::from([(key.to_owned(), value.to_owned())]),
        ..side("side", "side", Running, "no", "web")
    };
    let plain = || side("side", "side", Running, "no", "web");
    let table = [
        (
            label("pinion.ignore", "true"),
            FailureKind::Policy,
            "pinion.ignore",
        ),
        (
            label("com.docker.swarm.task.id", "x"),
            FailureKind::Policy,
            "Swarm",
        ),
        (
            label("PODMAN_SYSTEMD_UNIT", "x"),
            FailureKind::Policy,
            "systemd",
        ),
        (
            Container {
                auto_remove: true,
                ..plain()
            },
            FailureKind::Policy,
            "--rm",
        ),
        (
            Container {
                state: ContainerState::Paused,
                ..plain()
            },
            FailureKind::InUse,
            "paused",
        ),
        (
            Container {
                state: ContainerState::Dead,
                ..plain()
            },
            FailureKind::Engine,
            "dead",
        ),
    ];
    for (dependant, kind, why) in table {
        let refused = preflight(&[old("web", Running, "always"), dependant]);
        assert_eq!(refused.stage, Stage::Abandon { withdrawn: false }, "{why}");
        let failure = refused.failure.expect("why");
        assert_eq!(failure.kind, kind, "{why}");
        for word in ["\"web\"", "\"side\"", why, "nothing was touched"] {
            assert!(
                failure.message.contains(word),
                "{word}: {}",
                failure.message
            );
        }
    }
}

#[test]
fn who_depends_stops_first_and_starts_last() {
    let web = |name, state, policy| old(name, state, policy);
    let (aside, waiting) = ("web.prev.g1a1", "web.next.g1a1");
    let (side_aside, side_waiting) = ("side.prev.g1a1", "side.next.g1a1");
    let on = |name, state, policy| side("side", name, state, policy, "old");
    let all = |of_web, web_policy, of_side, side_policy| {
        [
            web("web", of_web, web_policy),
            made(waiting, Created, "always"),
            on("side", of_side, side_policy),
            side_next(side_waiting, Created, "always"),
        ]
    };
    let table: [([Container; 4], &str); 12] = [
        (
            all(Running, "always", Running, "always"),
            "set restart policy no of side",
        ),
        (
            all(Running, "always", Running, "no"),
            "set restart policy no of old",
        ),
        (
            all(Running, "no", Running, "no"),
            "stop side, stop old, rename old to web.prev.g1a1, rename next to web, \
             rename side to side.prev.g1a1, rename side-next to side, start next",
        ),
        (
            all(Running, "always", Exited, "no"),
            "set restart policy no of old",
        ),
        // One of them is shown as stopped: the next look must show it too before another starts.
        (all(Running, "no", Exited, "no"), "stop old"),
        (
            [
                web("web", Exited, "no"),
                made(waiting, Created, "always"),
                on("side", Exited, "no"),
                side_next(side_waiting, Created, "always"),
            ],
            "rename old to web.prev.g1a1",
        ),
        (
            [
                web(aside, Exited, "no"),
                made(waiting, Created, "always"),
                on("side", Exited, "no"),
                side_next(side_waiting, Created, "always"),
            ],
            "rename next to web",
        ),
        (
            [
                web(aside, Exited, "no"),
                made("web", Created, "always"),
                on("side", Exited, "no"),
                side_next(side_waiting, Created, "always"),
            ],
            "rename side to side.prev.g1a1",
        ),
        (
            [
                web(aside, Exited, "no"),
                made("web", Created, "always"),
                on(side_aside, Exited, "no"),
                side_next(side_waiting, Created, "always"),
            ],
            "rename side-next to side",
        ),
        (
            [
                web(aside, Exited, "no"),
                made("web", Created, "always"),
                on(side_aside, Exited, "no"),
                side_next("side", Created, "always"),
            ],
            "start next",
        ),
        (
            [
                web(aside, Exited, "no"),
                made("web", Running, "always"),
                on(side_aside, Exited, "no"),
                side_next("side", Created, "always"),
            ],
            "start side-next",
        ),
        // One that failed at once is not joined.
        (
            [
                web(aside, Exited, "no"),
                made("web", Exited, "always"),
                on(side_aside, Exited, "no"),
                side_next("side", Created, "always"),
            ],
            "write Some(RollBack)",
        ),
    ];
    for (containers, expected) in table {
        assert_eq!(due(&group(Stage::Cut), &containers), expected);
    }
}

#[test]
fn all_of_a_group_are_watched_at_once_and_the_first_that_fails_takes_all_back() {
    let seen = |web: ContainerState, side: ContainerState| {
        [
            old("web.prev.g1a1", Exited, "no"),
            made("web", web, "always"),
            self::side("side", "side.prev.g1a1", Exited, "no", "old"),
            side_next("side", side, "always"),
        ]
    };
    let mut cutting = record(Some(group(Stage::Cut)));
    let good = seen(Running, Running);
    let mut now = NOW;
    while let Some(goes_on) = cutting.operation.clone().filter(|o| o.stage == Stage::Cut) {
        match step(&cutting, &good, now) {
            Step::Write(written) => cutting = *written,
            Step::Rest { wake_at: Some(at) } => now = at,
            other => panic!("{other:?} of {goes_on:?}"),
        }
    }
    let soaking = cutting.operation.clone().expect("it goes on");
    assert_eq!(soaking.stage, Stage::Soak);
    assert_eq!(now, NOW + 5 * SECOND, "one min_healthy, not one for each");
    for (at, culprit) in [((Exited, Running), 0), ((Running, Exited), 1)] {
        let Step::Write(back) = step(&cutting, &seen(at.0, at.1), now) else {
            panic!("a decision is written down");
        };
        let back = back.operation.expect("it goes on");
        assert_eq!(
            (&back.stage, back.units[culprit].culprit),
            (&Stage::RollBack, true)
        );
    }
}

#[test]
fn going_back_all_that_failed_is_away_before_the_first_old_one_starts() {
    let mut back = group(Stage::RollBack);
    back.units.iter_mut().for_each(|unit| unit.words = true);
    let (aside, side_aside) = ("web.prev.g1a1", "side.prev.g1a1");
    let (failed, side_failed) = ("web.failed.g1a1", "side.failed.g1a1");
    let on = |name, state, policy| side("side", name, state, policy, "old");
    let web = |name, state, policy| old(name, state, policy);
    let table: [([Container; 4], &str); 11] = [
        (
            [
                web(aside, Exited, "no"),
                made("web", Running, "always"),
                on(side_aside, Exited, "no"),
                side_next("side", Running, "always"),
            ],
            "set restart policy no of side-next",
        ),
        (
            [
                web(aside, Exited, "no"),
                made("web", Running, "always"),
                on(side_aside, Exited, "no"),
                side_next("side", Running, "no"),
            ],
            "stop side-next",
        ),
        (
            [
                web(aside, Exited, "no"),
                made("web", Running, "always"),
                on(side_aside, Exited, "no"),
                side_next("side", Exited, "no"),
            ],
            "rename side-next to side.failed.g1a1",
        ),
        (
            [
                web(aside, Exited, "no"),
                made("web", Running, "always"),
                on(side_aside, Exited, "no"),
                side_next(side_failed, Exited, "no"),
            ],
            "set restart policy no of next",
        ),
        (
            [
                web(aside, Exited, "no"),
                made("web", Running, "no"),
                on(side_aside, Exited, "no"),
                side_next(side_failed, Exited, "no"),
            ],
            "stop next",
        ),
        (
            [
                web(aside, Exited, "no"),
                made("web", Exited, "no"),
                on(side_aside, Exited, "no"),
                side_next(side_failed, Exited, "no"),
            ],
            "rename next to web.failed.g1a1",
        ),
        (
            [
                web(aside, Exited, "no"),
                made(failed, Exited, "no"),
                on(side_aside, Exited, "no"),
                side_next(side_failed, Exited, "no"),
            ],
            "rename old to web",
        ),
        (
            [
                web("web", Exited, "no"),
                made(failed, Exited, "no"),
                on(side_aside, Exited, "no"),
                side_next(side_failed, Exited, "no"),
            ],
            "set restart policy always of old",
        ),
        (
            [
                web("web", Exited, "always"),
                made(failed, Exited, "no"),
                on(side_aside, Exited, "no"),
                side_next(side_failed, Exited, "no"),
            ],
            "start old",
        ),
        (
            [
                web("web", Running, "always"),
                made(failed, Exited, "no"),
                on(side_aside, Exited, "no"),
                side_next(side_failed, Exited, "no"),
            ],
            "write Some(RollBack)",
        ),
        (
            [
                web("web", Exited, "always"),
                made(failed, Created, "no"),
                on(side_aside, Exited, "no"),
                side_next(side_failed, Created, "no"),
            ],
            "start old",
        ),
    ];
    for (containers, expected) in table {
        assert_eq!(due(&back, &containers), expected);
        back.last_done = Some(expected.to_owned());
    }
    back.units[0].restored = Some(NOW);
    let rest = |side_name, policy, state| {
        [
            web("web", Running, "always"),
            made(failed, Exited, "no"),
            on(side_name, state, policy),
            side_next(side_failed, Exited, "no"),
        ]
    };
    assert_eq!(
        due(&back, &rest(side_aside, "no", Exited)),
        "rename side to side"
    );
    assert_eq!(
        due(&back, &rest("side", "no", Exited)),
        "set restart policy always of side"
    );
    assert_eq!(due(&back, &rest("side", "always", Exited)), "start side");
}

#[test]
fn who_depends_is_removed_first_when_all_is_well() {
    let settling = group(Stage::Settle);
    let containers = [
        old("web.prev.g1a1", Exited, "no"),
        made("web", Running, "always"),
        side("side", "side.prev.g1a1", Exited, "no", "old"),
        side_next("side", Running, "always"),
    ];
    assert_eq!(due(&settling, &containers), "remove side");
    let without = [
        containers[0].clone(),
        containers[1].clone(),
        containers[3].clone(),
    ];
    assert_eq!(due(&settling, &without), "remove old");
}

#[test]
fn one_that_came_to_depend_during_the_pull_is_looked_at_before_anything_is_touched() {
    let mut at_gate = operation(Stage::Create);
    at_gate.units[0].made = true;
    let late = side("side", "side", Running, "no", "web");
    let machine = [
        old("web", Running, "always"),
        made("web.next.g1a1", Created, "always"),
        late.clone(),
    ];
    assert_eq!(due(&at_gate, &machine), "write Some(Preflight)");
    let whole = [
        machine[0].clone(),
        machine[1].clone(),
        late,
        side_next("side.next.g1a1", Created, "no"),
    ];
    assert_eq!(due(&group(Stage::Create), &whole), "write Some(Cut)");
}

#[test]
fn a_container_that_another_workload_may_still_take_back_is_waited_for() {
    let of_app = |name: &str, id: &str| {
        let mut made = side(id, name, Running, "no", "web");
        let labels = [
            ("pinion.op", "g9a1"),
            ("pinion.for", "app"),
            ("pinion.workload", "app"),
        ];
        made.labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        made
    };
    let soaking = [
        old("web", Running, "always"),
        made("web.next.g1a1", Created, "always"),
        of_app("side", "side"),
        side_next("side.next.g1a1", Created, "no"),
        side("before", "side.prev.g9a1", Exited, "no", "web"),
    ];
    let Step::Write(waits) = step(&record(Some(group(Stage::Create))), &soaking, NOW) else {
        panic!("it says what it waits for");
    };
    let waits = waits.operation.expect("it goes on");
    assert_eq!(waits.stage, Stage::Create);
    assert!(
        waits.waiting_for.contains("workload app"),
        "{}",
        waits.waiting_for
    );
    assert_eq!(due(&group(Stage::Create), &soaking[..4]), "write Some(Cut)");
}
