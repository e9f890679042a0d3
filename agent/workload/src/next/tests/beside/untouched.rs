//! What fails before the change of places: the old ones were never touched, so
//! whatever became of them meanwhile stays as it is.

use pinion_model::AgentPhase;

use super::*;

/// Taken back where the proof failed.
fn failed() -> Operation {
    let begun = beside(Stage::Create, |unit| unit.began = Some(NOW));
    let containers = [was("web", Running, "always"), is(WAITING, Exited, "no")];
    let back = written(&begun, &containers);
    assert_eq!((&back.stage, back.untouched), (&Stage::RollBack, true));
    back
}

fn heard(mut operation: Operation) -> Operation {
    operation.units[0].words = true;
    operation
}

fn outcome(operation: &Operation, containers: &[Container]) -> crate::Outcome {
    match step(&record(Some(operation.clone())), containers, NOW) {
        Step::Write(record) => record.outcome.expect("it is over"),
        other => panic!("it is over: {other:?}"),
    }
}

#[test]
fn only_the_next_one_goes_once_it_was_heard_however_the_old_one_has_changed() {
    let mut sick = was("web", Running, "unless-stopped");
    sick.health = Health::Unhealthy;
    let olds = [
        sick,
        was("web", Exited, "always"),
        was("web", Created, "no"),
        was("web", ContainerState::Paused, "always"),
    ];
    for old in olds {
        let runs = [old.clone(), is(WAITING, Running, "no")];
        let ended = [old.clone(), is(WAITING, Exited, "no")];
        assert_eq!(due(&failed(), &runs), "read logs of next");
        assert_eq!(due(&heard(failed()), &runs), "stop next");
        assert_eq!(due(&heard(failed()), &ended), "remove next");
        let outcome = outcome(&heard(failed()), &[old]);
        assert_eq!(outcome.phase, AgentPhase::RolledBack);
        let failure = outcome.failure.expect("it says why");
        assert_eq!(failure.kind, FailureKind::Health);
    }
}

#[test]
fn one_that_cannot_be_stopped_is_told_of_whatever_it_was_to_be_removed_for() {
    let both = [was("web", Running, "always"), is(WAITING, Running, "no")];
    let withdrawn = beside(Stage::Abandon { withdrawn: true }, |_| {});
    for mut operation in [heard(failed()), withdrawn] {
        assert_eq!(due(&operation, &both), "stop next");
        operation.skipped.insert("stop next".to_owned());
        let lost = written(&operation, &both);
        let outcome = outcome(&lost, &both);
        assert_eq!(outcome.phase, AgentPhase::RollbackFailed);
        let why = outcome.failure.expect("it says why").message;
        assert!(
            why.contains(WAITING) && why.contains("A person must look"),
            "{why}"
        );
    }
}

#[test]
fn of_two_the_one_that_does_not_start_is_heard_and_not_the_one_that_runs() {
    let mut two = beside(Stage::Create, |unit| unit.began = Some(NOW));
    let mut second = two.units[0].clone();
    (second.name, second.began) = ("web-2".to_owned(), None);
    two.units.push(second);
    two.tries = 2;
    let no = Failure::new(FailureKind::Start, "no such program");
    let call = Call::Start(ContainerId("next-2".to_owned()));
    let held = record(Some(two));
    let back = learned(&held, Seen::NOTHING, &call, &Answer::Refused(no), NOW);
    assert_eq!(back.stage, Stage::RollBack);
    let culprits: Vec<_> = back.units.iter().filter(|u| u.culprit).collect();
    assert_eq!(culprits.len(), 1);
    assert_eq!(culprits[0].name, "web-2");
}
