//! What an operator may want to type next.

use pinion_proto::v1;
use v1::{Gate, RolloutPhase};

/// What helps a rollout that waits for a person. None: it waits for nobody.
pub(crate) fn next_command(rollout: &v1::Rollout) -> Option<String> {
    let id = &rollout.id;
    let resume = format!("pinion rollout resume {id}");
    match rollout.phase() {
        RolloutPhase::AwaitingApproval => {
            let waits = rollout.stages.get(rollout.open_stage as usize);
            let plan = waits.map_or("HASH", |stage| &stage.plan_hash);
            Some(format!(
                "To go on: pinion rollout approve {id} --plan {plan}"
            ))
        }
        RolloutPhase::Paused if !refuses(rollout) => Some(format!("To go on: {resume}")),
        RolloutPhase::Paused => Some(distrusted(rollout)),
        RolloutPhase::Halted => {
            let helps = if rollout.taken_back {
                format!(
                    "To send those that failed back once more: pinion rollout retry {id}; then, or to go on without them: {resume}"
                )
            } else if refuses(rollout) {
                distrusted(rollout)
            } else {
                halted(rollout)
            };
            Some(format!("Why: pinion rollout explain {id}. {helps}"))
        }
        _ => None,
    }
}

/// While its image is quarantined, a resume and a retry would be refused.
fn refuses(rollout: &v1::Rollout) -> bool {
    rollout.quarantined && !rollout.taken_back
}

fn distrusted(rollout: &v1::Rollout) -> String {
    let (id, workload, digest) = (&rollout.id, &rollout.workload, &rollout.digest);
    format!(
        "Its image is quarantined, so it cannot be resumed. To roll out another: pinion pin promote {workload} DIGEST, then pinion rollout start {workload}; to take it back: pinion rollout rollback {id}; to trust the image again: pinion quarantine lift {digest} --reason WHY, then pinion rollout resume {id}"
    )
}

/// What helps against the gate that stopped it.
fn halted(rollout: &v1::Rollout) -> String {
    let id = &rollout.id;
    let workload = &rollout.workload;
    let resume = format!("pinion rollout resume {id}");
    let retry = format!("pinion rollout retry {id}, then {resume}");
    let back = format!("to take it back: pinion rollout rollback {id}");
    match rollout.halted_by() {
        Gate::FailureBudget => format!(
            "To try those that failed once more: {retry}; to go on without them: {resume}; {back}"
        ),
        Gate::RollbackFailed => format!(
            "Look at the machine first. To try it once more: {retry}; to go on without it: {resume}; {back}"
        ),
        Gate::Prefetch => format!(
            "No container was touched. Once the registry, the credential or the disk is mended: {retry}; to go on without them: {resume}; to end it: pinion rollout abort {id}"
        ),
        Gate::MinProven => format!(
            "To try those that failed once more: {retry}; once machines that it went round are back, or to take it as it is: {resume}; {back}"
        ),
        Gate::Metric => format!(
            "What was measured: pinion rollout show {id}. To measure anew: {resume}; {back}"
        ),
        Gate::Nobody => format!(
            "Once machines are back or released, or to take it as it is: {resume}; for machines that are enrolled since: pinion rollout start {workload}; to end it: pinion rollout abort {id}"
        ),
        // It says what is quarantined no more.
        Gate::Quarantine => format!("Its image is trusted again. To go on: {resume}; {back}"),
        Gate::Unspecified => format!("To go on in spite of it: {resume}; {back}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(phase: RolloutPhase) -> v1::Rollout {
        v1::Rollout {
            id: "codex-7-1".into(),
            workload: "codex".into(),
            digest: "sha256:02".into(),
            phase: phase.into(),
            ..Default::default()
        }
    }

    fn halted_by(gate: Gate) -> v1::Rollout {
        v1::Rollout {
            halted_by: gate.into(),
            ..rollout(RolloutPhase::Halted)
        }
    }

    const LIFT: &str = "pinion quarantine lift sha256:02 --reason WHY, then pinion rollout resume";
    const RETRY: &str = "pinion rollout retry codex-7-1, then pinion rollout resume codex-7-1";
    const BACK: &str = "pinion rollout rollback codex-7-1";

    #[test]
    fn each_gate_is_told_what_helps_against_it() {
        for (gate, parts) in [
            (Gate::FailureBudget, vec![RETRY, "without them", BACK]),
            (
                Gate::RollbackFailed,
                vec!["Look at the machine first", RETRY, BACK],
            ),
            (
                Gate::Prefetch,
                vec!["No container", RETRY, "pinion rollout abort"],
            ),
            (Gate::MinProven, vec![RETRY, "to take it as it is", BACK]),
            (
                Gate::Metric,
                vec!["pinion rollout show", "measure anew", BACK],
            ),
            (
                Gate::Nobody,
                vec!["pinion rollout start codex", "pinion rollout abort"],
            ),
            (
                Gate::Quarantine,
                vec!["trusted again", "pinion rollout resume"],
            ),
            (Gate::Unspecified, vec!["in spite of it", BACK]),
        ] {
            let text = next_command(&halted_by(gate)).expect("a person must do something");
            assert!(
                text.starts_with("Why: pinion rollout explain codex-7-1. "),
                "{text}"
            );
            for part in parts {
                assert!(text.contains(part), "{gate:?}: {part} is not in:\n{text}");
            }
        }
    }

    #[test]
    fn a_resume_that_a_quarantine_would_refuse_is_not_advised() {
        let of = |rollout| v1::Rollout {
            quarantined: true,
            ..rollout
        };
        for rollout in [
            halted_by(Gate::Quarantine),
            halted_by(Gate::FailureBudget),
            halted_by(Gate::Unspecified),
            rollout(RolloutPhase::Paused),
        ] {
            let text = next_command(&of(rollout)).expect("a person must do something");
            for part in [LIFT, "pinion pin promote codex", BACK] {
                assert!(text.contains(part), "{part} is not in:\n{text}");
            }
            assert!(
                !text.contains("retry") && !text.contains("To go on"),
                "{text}"
            );
        }
    }

    #[test]
    fn one_that_halts_on_its_way_back_is_not_to_be_taken_back_once_more() {
        for quarantined in [false, true] {
            let halted = v1::Rollout {
                taken_back: true,
                quarantined,
                ..halted_by(Gate::RollbackFailed)
            };
            let next = next_command(&halted).expect("a person must do something");
            assert!(next.contains("pinion rollout retry codex-7-1"), "{next}");
            assert!(next.contains("pinion rollout resume codex-7-1"), "{next}");
            assert!(
                !next.contains("rollback") && !next.contains("lift"),
                "{next}"
            );
            let paused = v1::Rollout {
                phase: RolloutPhase::Paused.into(),
                ..halted
            };
            let next = next_command(&paused).expect("a person must do something");
            assert_eq!(next, "To go on: pinion rollout resume codex-7-1");
        }
    }

    #[test]
    fn a_stage_that_waits_for_a_person_is_approved_with_its_plan() {
        let stage = v1::Stage {
            plan_hash: "abc".into(),
            ..Default::default()
        };
        let waits = v1::Rollout {
            stages: vec![stage],
            ..rollout(RolloutPhase::AwaitingApproval)
        };
        assert_eq!(
            next_command(&waits).as_deref(),
            Some("To go on: pinion rollout approve codex-7-1 --plan abc")
        );
        assert_eq!(next_command(&rollout(RolloutPhase::Running)), None);
    }
}
