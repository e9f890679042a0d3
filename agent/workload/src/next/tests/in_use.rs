//! In use means not now: every source, before and after the deadline, with
//! every policy.

use pinion_model::{Holder, HolderKind};

use super::*;
use crate::in_use::{Lease, Probed, Probes, Seen, Verdict};
use crate::{Answer, HookPoint, learn};

/// Of the assignment in these tests.
const DEFER_WITHIN: Duration = Duration::from_secs(60);

fn name(text: &str) -> WorkloadName {
    text.parse().expect("a name")
}

fn lease(workload: Option<&str>, expires_at: Option<Timestamp>) -> Lease {
    Lease {
        workload: workload.map(name),
        owner: "backup".to_owned(),
        reason: "nightly dump".to_owned(),
        expires_at,
    }
}

fn probed(kind: HolderKind, verdict: Verdict) -> Probed {
    Probed {
        kind,
        of: "http://127.0.0.1:8080/idle".to_owned(),
        verdict,
    }
}

fn containers() -> [Container; 2] {
    [
        old("web", ContainerState::Running, "always"),
        made("web.next.g1a1", ContainerState::Created, "always"),
    ]
}

/// At the gate, with a policy.
fn at_gate(policy: InUse) -> Operation {
    let mut operation = operation(Stage::Create);
    operation.units[0].made = true;
    operation.assignment.in_use = policy;
    operation
}

/// What was written; the step must be a write.
fn written(step: Step) -> Operation {
    match step {
        Step::Write(record) => record.operation.expect("it goes on"),
        other => panic!("a decision is written down: {other:?}"),
    }
}

/// Steps while it writes: what it comes to, and where the operation is then.
fn settle(mut operation: Operation, seen: Seen<'_>, now: Timestamp) -> (Operation, Step) {
    for _ in 0..8 {
        match step_in_use(seen, &record(Some(operation.clone())), &containers(), now) {
            Step::Write(record) => operation = record.operation.expect("it goes on"),
            step => return (operation, step),
        }
        if operation.stage != Stage::Create {
            return (operation, Step::Rest { wake_at: None });
        }
    }
    panic!("it does not come to rest: {operation:?}");
}

/// Everything that may be seen at the gate, and whether it is in the way.
fn sources() -> Vec<(&'static str, Vec<Lease>, Vec<Probed>, bool)> {
    use HolderKind::{Connections, Probe};
    use Verdict::{Busy, Idle, Unknown};
    let far = Some(NOW + 3600 * SECOND);
    let busy = || Busy("503".to_owned());
    let unknown = || Unknown("connection refused".to_owned());
    vec![
        ("nothing", vec![], vec![], false),
        (
            "a lock of the workload",
            vec![lease(Some("web"), far)],
            vec![],
            true,
        ),
        (
            "a lock of the machine",
            vec![lease(None, far)],
            vec![],
            true,
        ),
        (
            "a lock that nobody can read",
            vec![lease(None, None)],
            vec![],
            true,
        ),
        (
            "a lock of another workload",
            vec![lease(Some("db"), far)],
            vec![],
            false,
        ),
        (
            "a lock that has ended",
            vec![lease(None, Some(NOW))],
            vec![],
            false,
        ),
        ("an idle probe", vec![], vec![probed(Probe, Idle)], false),
        ("a busy probe", vec![], vec![probed(Probe, busy())], true),
        (
            "a silent probe",
            vec![],
            vec![probed(Probe, unknown())],
            true,
        ),
        (
            "no connection",
            vec![],
            vec![probed(Connections, Idle)],
            false,
        ),
        (
            "connections",
            vec![],
            vec![probed(Connections, busy())],
            true,
        ),
        (
            "connections unseen",
            vec![],
            vec![probed(Connections, unknown())],
            true,
        ),
        (
            "idle, and a lock",
            vec![lease(None, far)],
            vec![probed(Probe, Idle)],
            true,
        ),
        (
            "idle, and connections",
            vec![],
            vec![probed(Probe, Idle), probed(Connections, busy())],
            true,
        ),
    ]
}

#[test]
fn what_is_in_the_way_is_waited_for_until_the_deadline_and_then_the_policy_decides() {
    for policy in InUse::ALL.iter().copied() {
        for (what, leases, probes, is_in_the_way) in sources() {
            let seen = Seen {
                leases: &leases,
                probes: Probes::Answered(&probes),
                ..Seen::NOTHING
            };
            let (first, step) = settle(at_gate(policy), seen, NOW);
            if !is_in_the_way {
                assert_eq!(first.stage, Stage::Cut, "{policy} {what}");
                assert_eq!(first.deferral(), None, "{policy} {what}");
                continue;
            }
            assert!(
                matches!(step, Step::Rest { wake_at: Some(_) }),
                "{policy} {what}"
            );
            assert_eq!(first.phase(), AgentPhase::Waiting, "{policy} {what}");
            let deferral = first.deferral().expect("it is put off");
            assert_eq!((deferral.since, deferral.until), (NOW, NOW + DEFER_WITHIN));
            assert!(!deferral.holders[0].reason.is_empty() && !deferral.forced);
            assert!(first.waiting_for.contains(&deferral.holders[0].owner));

            let almost = NOW + Duration::from_millis(59_999);
            let (held, _) = settle(first.clone(), seen, almost);
            assert_eq!(held.stage, Stage::Create, "{policy} {what}");
            let (end, _) = settle(first, seen, NOW + DEFER_WITHIN);
            match policy {
                InUse::Force => {
                    assert_eq!(end.stage, Stage::Cut, "{what}");
                    let forced = end.deferral().expect("that it was forced is told");
                    assert!(
                        forced.forced && forced.holders == deferral.holders,
                        "{what}"
                    );
                }
                InUse::Fail | InUse::Skip => {
                    assert_eq!(end.stage, Stage::Abandon { withdrawn: false }, "{what}");
                    let failure = end.failure.expect("why");
                    assert_eq!(failure.kind, FailureKind::InUse, "{policy} {what}");
                    assert!(
                        failure.message.contains(&deferral.holders[0].owner),
                        "{failure}"
                    );
                    assert!(failure.message.contains(policy.word()), "{failure}");
                }
            }
        }
    }
}

/// What the hook answers to the call that is due.
fn answered(operation: &Operation, seen: Seen<'_>, answer: &Answer, now: Timestamp) -> Operation {
    let record = record(Some(operation.clone()));
    let Step::Call(call) = step_in_use(seen, &record, &containers(), now) else {
        panic!("the hook is due");
    };
    let workload = name("web");
    let observed = Observed {
        workload: &workload,
        containers: Ok(&[]),
        record: &record,
        images: &BTreeMap::new(),
        permitted: &Ok(Vec::new()),
        platform: None,
        room: None,
        needed_elsewhere: &BTreeSet::new(),
        may_pull: true,
        busy_with: None,
        itself: &crate::Itself::default(),
        probes: crate::probe::Probes::NONE,
        in_use: seen,
        jitter: 1.0,
    };
    let learned = learn(&observed, &call, answer, now).expect("it learns");
    learned.operation.expect("it goes on")
}

const HOOKED: Seen<'_> = Seen {
    pre_cut: true,
    ..Seen::NOTHING
};

fn not_now() -> Answer {
    let holder = Holder::new(HolderKind::Hook, "drain.sh", "two builds run", None);
    Answer::Deferred(holder)
}

#[test]
fn a_hook_lets_go_puts_off_or_forbids_before_and_after_the_deadline_with_every_policy() {
    let no = Failure::new(FailureKind::Policy, "the hook exited with 1");
    for policy in InUse::ALL.iter().copied() {
        let gone = answered(&at_gate(policy), HOOKED, &Answer::Done, NOW);
        assert_eq!(settle(gone, HOOKED, NOW).0.stage, Stage::Cut, "{policy}");

        for answer in [Answer::Refused(no.clone()), Answer::Failed(no.clone())] {
            let forbidden = answered(&at_gate(policy), HOOKED, &answer, NOW);
            assert_eq!(forbidden.stage, Stage::Abandon { withdrawn: false });
            assert_eq!(forbidden.failure.as_ref(), Some(&no), "{policy}");
        }

        let put_off = answered(&at_gate(policy), HOOKED, &not_now(), NOW);
        let (waits, step) = settle(put_off, HOOKED, NOW);
        assert!(matches!(step, Step::Rest { wake_at: Some(_) }));
        assert_eq!(waits.phase(), AgentPhase::Waiting);
        assert!(
            waits.waiting_for.contains("two builds run"),
            "{}",
            waits.waiting_for
        );

        // It is asked again, and again; what it says then counts.
        let later = NOW + 15 * SECOND;
        let again = answered(&waits, HOOKED, &Answer::Done, later);
        assert_eq!(settle(again, HOOKED, later).0.stage, Stage::Cut);
        let again = answered(&waits, HOOKED, &not_now(), later);
        let (again, _) = settle(again, HOOKED, later);
        assert_eq!(again.deferral().map(|d| d.since), Some(NOW), "{policy}");

        let end = NOW + DEFER_WITHIN;
        let last = answered(&again, HOOKED, &not_now(), end);
        let (last, step) = settle(last, HOOKED, end);
        if policy == InUse::Force {
            assert!(
                matches!(step, Step::Call(_)),
                "it is told that it is forced: {step:?}"
            );
            let forced = answered(&last, HOOKED, &not_now(), end);
            let (cut, _) = settle(forced, HOOKED, end);
            assert_eq!(cut.stage, Stage::Cut);
            assert!(cut.deferral().expect("told").forced);
            let forbidden = answered(&last, HOOKED, &Answer::Refused(no.clone()), end);
            assert_eq!(forbidden.stage, Stage::Abandon { withdrawn: false });
        } else {
            assert_eq!(last.stage, Stage::Abandon { withdrawn: false }, "{policy}");
            assert_eq!(last.failure.map(|f| f.kind), Some(FailureKind::InUse));
        }
    }
}

#[test]
fn no_hook_is_run_while_somebody_is_in_the_way_and_none_while_probes_are_asked() {
    let held = [lease(None, Some(NOW + 30 * SECOND))];
    let locked = Seen {
        leases: &held,
        ..HOOKED
    };
    let asking = Seen {
        probes: Probes::Asking,
        ..HOOKED
    };
    for seen in [locked, asking] {
        let (_, step) = settle(at_gate(InUse::Fail), seen, NOW);
        assert!(matches!(step, Step::Rest { wake_at: Some(_) }), "{step:?}");
    }
    let (_, step) = settle(at_gate(InUse::Fail), locked, NOW + 30 * SECOND);
    assert!(matches!(step, Step::Call(Call::Hook(_))), "{step:?}");
}

#[test]
fn between_the_gate_and_the_stop_what_is_under_way_gets_its_time_and_locks_still_count() {
    let drain = Seen {
        drain: 20 * SECOND,
        ..HOOKED
    };
    let gone = answered(&at_gate(InUse::Fail), drain, &Answer::Done, NOW);
    let (drains, step) = settle(gone, drain, NOW);
    assert!(matches!(step, Step::Rest { wake_at: Some(_) }));
    assert!(
        drains.waiting_for.contains("drain"),
        "{}",
        drains.waiting_for
    );
    // What the drain itself keeps busy is not asked again.
    let busy = [probed(
        HolderKind::Connections,
        Verdict::Busy("3".to_owned()),
    )];
    let draining = Seen {
        probes: Probes::Answered(&busy),
        ..drain
    };
    let (still, _) = settle(drains.clone(), draining, NOW + 19 * SECOND);
    assert_eq!((&still.stage, still.deferral()), (&Stage::Create, None));
    let (cut, _) = settle(drains.clone(), draining, NOW + 20 * SECOND);
    assert_eq!(cut.stage, Stage::Cut);

    let held = [lease(Some("web"), Some(NOW + 40 * SECOND))];
    let locked = Seen {
        leases: &held,
        ..drain
    };
    let (waits, _) = settle(drains, locked, NOW + 20 * SECOND);
    assert_eq!(waits.stage, Stage::Create);
    assert!(!waits.units[0].let_go, "the hook's word is old by then");
    let (_, step) = settle(waits, locked, NOW + 40 * SECOND);
    assert!(
        matches!(step, Step::Call(Call::Hook(_))),
        "all is asked anew: {step:?}"
    );
}

#[test]
fn a_lock_that_is_renewed_is_not_told_again_before_its_end_and_an_end_wakes() {
    let until = |seconds| [lease(None, Some(NOW + seconds * SECOND))];
    let (first, renewed) = (until(10), until(40));
    let seen = |leases| Seen {
        leases,
        ..Seen::NOTHING
    };
    let (waits, step) = settle(at_gate(InUse::Fail), seen(&first), NOW + 9 * SECOND);
    assert_eq!(
        step,
        Step::Rest {
            wake_at: Some(NOW + 10 * SECOND)
        }
    );
    let at = |operation: &Operation, now| {
        let record = record(Some(operation.clone()));
        step_in_use(seen(&renewed), &record, &containers(), now)
    };
    assert!(matches!(at(&waits, NOW + 9 * SECOND), Step::Rest { .. }));
    let told = written(at(&waits, NOW + 10 * SECOND));
    let end = told.deferral().and_then(|d| d.holders[0].until);
    assert_eq!(end, Some(NOW + 40 * SECOND));
}

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
    assert!(matches!(
        at(&operation, "no"),
        Step::Call(Call::Stop { .. })
    ));
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

/// The first of two containers was cut and is proven, the second is next.
fn half_way(policy: InUse) -> (Operation, [Container; 4]) {
    let mut second_old = old("web-2", ContainerState::Running, "always");
    second_old.id = ContainerId("old-2".to_owned());
    let mut second = made("web-2.next.g1a1", ContainerState::Created, "always");
    second.id = ContainerId("next-2".to_owned());
    second
        .labels
        .insert("pinion.replaces".to_owned(), "old-2".to_owned());
    let mut operation = operation(Stage::Cut);
    operation.assignment.in_use = policy;
    operation.units[0].proven = true;
    // In a group of its own: it depends on nothing of the first.
    operation.units.push(Unit {
        group: 1,
        ..Unit::new(&second_old, Some(digest(1)))
    });
    let first = [
        old("web.prev.g1a1", ContainerState::Exited, "no"),
        made("web", ContainerState::Running, "always"),
    ];
    let [first_old, first_next] = first;
    (operation, [first_old, first_next, second_old, second])
}

#[test]
fn a_lock_between_two_containers_is_waited_for_and_then_all_go_on_or_all_go_back() {
    let held = [lease(None, Some(NOW + 3600 * SECOND))];
    let locked = Seen {
        leases: &held,
        ..Seen::NOTHING
    };
    for policy in InUse::ALL.iter().copied() {
        let (operation, machine) = half_way(policy);
        let at = |operation: &Operation, seen, now| {
            step_in_use(seen, &record(Some(operation.clone())), &machine, now)
        };
        let waits = written(at(&operation, locked, NOW));
        assert_eq!(
            (&waits.stage, waits.phase()),
            (&Stage::Cut, AgentPhase::CuttingOver)
        );
        assert!(
            waits.waiting_for.contains("backup"),
            "{}",
            waits.waiting_for
        );
        assert!(matches!(
            at(&waits, locked, NOW + SECOND),
            Step::Rest { wake_at: Some(_) }
        ));

        let free = written(at(&waits, Seen::NOTHING, NOW + SECOND));
        assert_eq!((free.deferral(), free.waiting_for.as_str()), (None, ""));
        let step = at(&free, Seen::NOTHING, NOW + SECOND);
        assert!(
            matches!(step, Step::Call(Call::SetRestartPolicy { .. })),
            "{step:?}"
        );

        let end = written(at(&waits, locked, NOW + DEFER_WITHIN));
        match policy {
            InUse::Force => assert_eq!((end.stage, end.gate.forced), (Stage::Cut, true)),
            InUse::Fail | InUse::Skip => {
                assert_eq!(end.stage, Stage::RollBack);
                assert!(end.units.iter().all(|unit| !unit.culprit));
                let failure = end.failure.expect("why");
                assert_eq!(failure.kind, FailureKind::InUse);
                assert!(failure.message.contains("put back"), "{failure}");
            }
        }
    }
}

#[test]
fn going_back_asks_nobody() {
    let held = [lease(None, None)];
    let busy = [probed(HolderKind::Probe, Verdict::Busy("503".to_owned()))];
    let seen = Seen {
        leases: &held,
        probes: Probes::Answered(&busy),
        pre_cut: true,
        post_start: true,
        switch: true,
        drain: 60 * SECOND,
    };
    let machine = [
        old("web.prev.g1a1", ContainerState::Exited, "no"),
        made("web", ContainerState::Running, "no"),
    ];
    let mut operation = operation(Stage::RollBack);
    operation.units[0].words = true;
    let step = step_in_use(seen, &record(Some(operation)), &machine, NOW);
    assert!(matches!(step, Step::Call(Call::Stop { .. })), "{step:?}");
}

#[test]
fn what_was_started_is_welcomed_once_and_goes_back_when_the_hook_is_not_content() {
    let seen = Seen {
        post_start: true,
        ..Seen::NOTHING
    };
    let machine = [
        old("web.prev.g1a1", ContainerState::Exited, "no"),
        made("web", ContainerState::Running, "always"),
    ];
    let mut started = operation(Stage::Cut);
    started.units[0].began = Some(NOW);
    let asked = record(Some(started));
    let Step::Call(call) = step_in_use(seen, &asked, &machine, NOW) else {
        panic!("the hook is due");
    };
    let Call::Hook(hook) = &call else {
        panic!("the hook is due: {call:?}");
    };
    assert_eq!(
        (hook.point, &hook.container.0, &hook.name),
        (HookPoint::PostStart, &"next".to_owned(), &"web".to_owned())
    );
    assert_eq!((&hook.old, &hook.new), (&Some(digest(1)), &Some(digest(2))));
    let workload = name("web");
    let after = |answer: Answer| {
        let observed = Observed {
            workload: &workload,
            containers: Ok(&[]),
            record: &asked,
            images: &BTreeMap::new(),
            permitted: &Ok(Vec::new()),
            platform: None,
            room: None,
            needed_elsewhere: &BTreeSet::new(),
            may_pull: true,
            busy_with: None,
            itself: &crate::Itself::default(),
            probes: crate::probe::Probes::NONE,
            in_use: seen,
            jitter: 1.0,
        };
        let learned = learn(&observed, &call, &answer, NOW).expect("it learns");
        learned.operation.expect("it goes on")
    };
    let content = after(Answer::Done);
    let step = step_in_use(seen, &record(Some(content)), &machine, NOW);
    assert!(matches!(step, Step::Write(_)), "it is judged now: {step:?}");
    let no = Failure::new(FailureKind::Start, "the hook exited with 1");
    for answer in [not_now(), Answer::Refused(no.clone()), Answer::Failed(no)] {
        let back = after(answer);
        assert_eq!(
            (&back.stage, back.units[0].culprit),
            (&Stage::RollBack, true)
        );
        assert_eq!(back.failure.map(|f| f.kind), Some(FailureKind::Start));
    }
    // One that has ended is judged by that, without the hook.
    let ended = [
        old("web.prev.g1a1", ContainerState::Exited, "no"),
        made("web", ContainerState::Exited, "always"),
    ];
    let back = written(step_in_use(seen, &asked, &ended, NOW));
    assert_eq!(back.stage, Stage::RollBack);
}

#[test]
fn with_no_time_to_wait_the_policy_decides_at_once() {
    let held = [lease(None, None)];
    let locked = Seen {
        leases: &held,
        ..Seen::NOTHING
    };
    for (policy, stage) in [
        (InUse::Force, Stage::Cut),
        (InUse::Fail, Stage::Abandon { withdrawn: false }),
    ] {
        let mut operation = at_gate(policy);
        operation.assignment.defer_within = Duration::ZERO;
        let (end, _) = settle(operation.clone(), locked, NOW);
        assert_eq!(end.stage, stage, "{policy}");
        // What is not known yet is waited for, but by one that is forced.
        let asking = Seen {
            probes: Probes::Asking,
            ..Seen::NOTHING
        };
        let (end, step) = settle(operation, asking, NOW);
        match policy {
            InUse::Force => assert_eq!(end.stage, Stage::Cut),
            _ => assert!(matches!(step, Step::Rest { wake_at: Some(_) }), "{step:?}"),
        }
    }
}
