//! When a watch ends, and with which exit code.

use pinion_proto::v1::{Rollout, RolloutPhase};

use crate::exit::Exit;

/// The exit code of a watch, once it is over: 0 completed; 3 halted or rolled
/// back; 1 aborted or superseded. `None` while there is something to wait for.
///
/// With `until_settled` a halt is not the end while machines are in flight or
/// soaking.
pub(crate) fn verdict(rollout: &Rollout, until_settled: bool) -> Option<Exit> {
    match rollout.phase() {
        RolloutPhase::Completed => Some(Exit::Done),
        RolloutPhase::RolledBack => Some(Exit::Stopped),
        RolloutPhase::Aborted | RolloutPhase::Superseded => Some(Exit::Failed),
        RolloutPhase::Halted => (!until_settled || is_quiet(rollout)).then_some(Exit::Stopped),
        RolloutPhase::Unspecified
        | RolloutPhase::Queued
        | RolloutPhase::AwaitingApproval
        | RolloutPhase::Running
        | RolloutPhase::Paused
        | RolloutPhase::RollingBack
        | RolloutPhase::Aborting => None,
    }
}

fn is_quiet(rollout: &Rollout) -> bool {
    rollout
        .stages
        .iter()
        .all(|stage| stage.in_flight == 0 && stage.soaking == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_proto::v1::Stage;

    fn rollout(phase: RolloutPhase, soaking: u32) -> Rollout {
        let stage = Stage {
            soaking,
            ..Stage::default()
        };
        Rollout {
            phase: phase.into(),
            stages: vec![stage],
            ..Rollout::default()
        }
    }

    #[test]
    fn each_end_has_its_code_and_all_else_goes_on() {
        for (phase, exit) in [
            (RolloutPhase::Completed, Some(Exit::Done)),
            (RolloutPhase::RolledBack, Some(Exit::Stopped)),
            (RolloutPhase::Halted, Some(Exit::Stopped)),
            (RolloutPhase::Aborted, Some(Exit::Failed)),
            (RolloutPhase::Superseded, Some(Exit::Failed)),
            (RolloutPhase::Running, None),
            (RolloutPhase::Queued, None),
            (RolloutPhase::Paused, None),
            (RolloutPhase::AwaitingApproval, None),
            (RolloutPhase::RollingBack, None),
            (RolloutPhase::Aborting, None),
        ] {
            assert_eq!(verdict(&rollout(phase, 0), false), exit, "{phase:?}");
        }
    }

    #[test]
    fn until_settled_a_halt_waits_for_machines_that_soak() {
        assert_eq!(verdict(&rollout(RolloutPhase::Halted, 1), true), None);
        assert_eq!(
            verdict(&rollout(RolloutPhase::Halted, 0), true),
            Some(Exit::Stopped)
        );
        assert_eq!(
            verdict(&rollout(RolloutPhase::Halted, 1), false),
            Some(Exit::Stopped)
        );
    }

    #[test]
    fn a_phase_of_a_newer_version_is_watched_on() {
        assert_eq!(
            verdict(
                &Rollout {
                    phase: 99,
                    ..Rollout::default()
                },
                false
            ),
            None
        );
    }
}
