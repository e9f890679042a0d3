//! After the first of them was cut: the rest, the way back, the welcome.

use super::*;

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
    let after = |answer: Answer| learned(&asked, seen, &call, &answer, NOW);
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
