//! What no step may do, whatever the journal names and the engine shows.

use proptest::prelude::*;

use super::*;

fn any_state() -> impl Strategy<Value = ContainerState> {
    use ContainerState::{Created, Dead, Exited, Paused, Restarting, Running};
    prop::sample::select(vec![Created, Running, Paused, Restarting, Exited, Dead])
}

fn any_stage() -> impl Strategy<Value = Stage> {
    prop::sample::select(vec![
        Stage::Preflight,
        Stage::Prepare,
        Stage::Create,
        Stage::Cut,
        Stage::Adopt,
        Stage::Soak,
        Stage::Settle,
        Stage::RollBack,
        Stage::Abandon { withdrawn: true },
    ])
}

fn any_policy() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["no", "always", "unless-stopped"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// Whatever stage the journal names and whatever the engine shows.
    #[test]
    fn no_step_starts_a_second_one_or_removes_the_last(
        stage in any_stage(),
        (old_there, old_state, old_policy) in (any::<bool>(), any_state(), any_policy()),
        (next_there, next_state, next_policy) in (any::<bool>(), any_state(), any_policy()),
        old_name in prop::sample::select(vec!["web", "web.prev.g1a1"]),
        next_name in prop::sample::select(vec!["web", "web.next.g1a1", "web.failed.g1a1"]),
        made_whole in any::<bool>(),
    ) {
        prop_assume!(!(old_there && next_there && old_name == next_name));
        let old = old(old_name, old_state, old_policy);
        let next = made(next_name, next_state, next_policy);
        let mut operation = operation(stage.clone());
        operation.units[0].made = made_whole;
        operation.units[0].words = true;
        operation.failure = Some(Failure::new(FailureKind::Health, "it failed"));
        let there = [(old_there, &old), (next_there, &next)];
        let containers: Vec<_> = there.into_iter().filter(|(there, _)| *there).map(|(_, c)| c.clone()).collect();
        match step(&record(Some(operation)), &containers, NOW) {
            Step::Call(Call::Start(id)) => {
                let other = if id == old.id { (next_there, &next) } else { (old_there, &old) };
                let starts_by_itself = other.1.restart_policy != "no" && other.1.state != ContainerState::Created;
                prop_assert!(!other.0 || !(other.1.is_up() || starts_by_itself), "{stage:?}: starts beside {other:?}");
            }
            Step::Call(Call::Remove(id)) if id == old.id => {
                prop_assert!(stage == Stage::Settle && next_there, "{stage:?}: removes the old one");
            }
            Step::Call(Call::Remove(id)) if id == next.id => {
                prop_assert!(next_name != "web", "{stage:?}: removes the one in its place");
            }
            _ => {}
        }
    }

    /// Whoever makes one call of a row and looks again makes the same calls, and
    /// nothing starts beside an old one that runs, or that an engine would start.
    #[test]
    fn a_row_is_what_single_calls_come_to(
        stood in prop::collection::vec((any::<bool>(), any_policy()), 1..4),
    ) {
        let (cutting, mut machine) = members(&stood);
        let asked = record(Some(cutting));
        let mut started = 0;
        loop {
            let calls = match step(&asked, &machine, NOW) {
                Step::Call(call) => vec![call],
                Step::Row(calls) => calls,
                Step::Write(_) | Step::Rest { .. } => break,
            };
            for call in calls {
                match step(&asked, &machine, NOW) {
                    Step::Call(again) => prop_assert_eq!(&call, &again),
                    Step::Row(again) => prop_assert_eq!(&call, &again[0]),
                    other => prop_assert!(false, "{call:?} is not due any more: {other:?}"),
                }
                if let Call::Start(_) = call {
                    let mut old = machine.iter().filter(|c| c.id.0.starts_with("old"));
                    prop_assert!(old.all(|c| !c.is_up() && c.restart_policy == "no"), "{machine:?}");
                    started += 1;
                }
                act(&mut machine, &call);
            }
        }
        prop_assert_eq!(started, stood.iter().filter(|(ran, _)| *ran).count());
    }
}

/// A group of that many, each with whether it ran and its policy: the old ones and the next ones.
fn members(stood: &[(bool, &str)]) -> (Operation, Vec<Container>) {
    let (mut cutting, mut machine) = (operation(Stage::Cut), Vec::new());
    cutting.units.clear();
    for (index, (ran, policy)) in stood.iter().enumerate() {
        let state = match ran {
            true => ContainerState::Running,
            false => ContainerState::Exited,
        };
        let (id, name) = (format!("old-{index}"), format!("web-{index}"));
        let old = container(&id, &name, 1, state, policy);
        cutting.units.push(Unit {
            made: true,
            ..Unit::new(&old, None)
        });
        let waiting = format!("{name}.next.g1a1");
        let created = ContainerState::Created;
        let mut next = container(&format!("next-{index}"), &waiting, 2, created, policy);
        let labels = [("pinion.op", "g1a1".to_owned()), ("pinion.replaces", id)];
        next.labels = labels.map(|(k, v)| (k.to_owned(), v)).into();
        machine.extend([old, next]);
    }
    (cutting, machine)
}

/// What the engine does.
fn act(machine: &mut [Container], call: &Call) {
    let (Call::SetRestartPolicy { id, .. }
    | Call::Stop { id, .. }
    | Call::Rename { id, .. }
    | Call::Start(id)) = call
    else {
        panic!("no call of a cut-over: {call:?}");
    };
    let container = machine
        .iter_mut()
        .find(|c| c.id == *id)
        .expect("it is there");
    match call {
        Call::SetRestartPolicy { policy, .. } => container.restart_policy.clone_from(policy),
        Call::Stop { .. } => container.state = ContainerState::Exited,
        Call::Rename { name, .. } => container.name.clone_from(name),
        _ => container.state = ContainerState::Running,
    }
}
