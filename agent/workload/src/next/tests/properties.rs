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
            Step::Row(calls) => {
                let stop = Call::Stop { id: old.id.clone(), grace: old.stop_timeout };
                prop_assert_eq!(&calls[0], &stop, "a row begins with the stop");
                prop_assert_eq!(calls.last(), Some(&Call::Start(next.id.clone())), "and ends with the start");
                prop_assert_eq!(old.restart_policy.as_str(), "no", "{:?}: an engine would start both", stage);
            }
            _ => {}
        }
    }
}
