//! Every source at the gate, before and after the deadline, with every policy.

use super::*;

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
