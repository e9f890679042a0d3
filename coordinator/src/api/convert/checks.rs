use pinion_model::{RolloutPhase, Timestamp};
use pinion_proto::convert::timestamp;
use pinion_proto::v1;
use pinion_rollout::{CheckVerdict, Rollout, Stage};

/// What was measured of a stage's checks, as it was when the stage passed or
/// the rollout stopped.
pub(super) fn measured(rollout: &Rollout, stage: &Stage, now: Timestamp) -> Vec<v1::StageCheck> {
    let stopped = (rollout.phase != RolloutPhase::Running).then_some(rollout.since);
    let now = stage.passed_at.or(stopped).unwrap_or(now);
    let checks = stage.rules.checks.iter();
    let measured = checks.filter_map(|check| {
        let run = stage.check(&check.name)?;
        Some(v1::StageCheck {
            name: run.name.to_string(),
            verdict: verdict(run.verdict(check, now)).into(),
            dry_run: check.dry_run,
            samples: run.samples,
            successes: run.successes,
            failures: run.failures,
            detail: run.last.detail.clone(),
            sampled_at: Some(timestamp(run.last_at)),
        })
    });
    measured.collect()
}

fn verdict(verdict: Option<CheckVerdict>) -> v1::CheckVerdict {
    match verdict {
        None => v1::CheckVerdict::Unspecified,
        Some(CheckVerdict::Passed) => v1::CheckVerdict::Passed,
        Some(CheckVerdict::Failed) => v1::CheckVerdict::Failed,
        Some(CheckVerdict::Inconclusive) => v1::CheckVerdict::Inconclusive,
    }
}
