//! The last look before an old container is touched.

use super::*;

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
    let mut before = vec![
        old("web", Running, "always"),
        made("web.next.g1a1", Created, "always"),
        container("side", "side", 3, Running, "no"),
    ];
    before[2].depends_on.push("web".to_owned());
    let Step::Write(refused) = step(&record(Some(operation)), &before, NOW) else {
        panic!("a decision is written down");
    };
    let refused = refused.operation.expect("it goes on");
    assert_eq!(refused.stage, Stage::Abandon { withdrawn: false });
}
