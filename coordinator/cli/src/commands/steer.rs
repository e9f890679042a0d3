//! What changes a rollout that there is.

use pinion_model::{AgentId, RolloutId, StageName};
use pinion_proto::v1;

use super::App;
use crate::args::Change;
use crate::connect::Link;
use crate::error::Error;
use crate::output::rollouts;

/// Lets the stage that waits begin, or the named one.
pub(super) async fn approve(
    app: &App,
    link: &Link,
    change: Change,
    stage: Option<StageName>,
    plan: String,
) -> Result<(), Error> {
    let request = v1::ApproveStageRequest {
        rollout: change.rollout.to_string(),
        stage: stage.map(|stage| stage.to_string()).unwrap_or_default(),
        reason: change.reason,
        plan,
    };
    let answer = link
        .ask(
            "RolloutService/ApproveStage",
            link.rollouts().approve_stage(request),
        )
        .await?;
    app.out.show("ApproveStageResponse", &answer, |answer| {
        changed(answer.rollout.as_ref())
    })
}

/// Assigns nothing more.
pub(super) async fn pause(app: &App, link: &Link, change: Change) -> Result<(), Error> {
    let request = v1::PauseRolloutRequest {
        rollout: change.rollout.to_string(),
        reason: change.reason,
    };
    let answer = link
        .ask(
            "RolloutService/PauseRollout",
            link.rollouts().pause_rollout(request),
        )
        .await?;
    app.out.show("PauseRolloutResponse", &answer, |answer| {
        changed(answer.rollout.as_ref())
    })
}

/// Goes on after a pause or a halt.
pub(super) async fn resume(app: &App, link: &Link, change: Change) -> Result<(), Error> {
    let request = v1::ResumeRolloutRequest {
        rollout: change.rollout.to_string(),
        reason: change.reason,
    };
    let answer = link
        .ask(
            "RolloutService/ResumeRollout",
            link.rollouts().resume_rollout(request),
        )
        .await?;
    app.out.show("ResumeRolloutResponse", &answer, |answer| {
        changed(answer.rollout.as_ref())
    })
}

/// Ends it as it is, or as it was before.
pub(super) async fn abort(
    app: &App,
    link: &Link,
    change: Change,
    revert: bool,
) -> Result<(), Error> {
    let request = v1::AbortRolloutRequest {
        rollout: change.rollout.to_string(),
        reason: change.reason,
        revert,
    };
    let answer = link
        .ask(
            "RolloutService/AbortRollout",
            link.rollouts().abort_rollout(request),
        )
        .await?;
    app.out.show("AbortRolloutResponse", &answer, |answer| {
        changed(answer.rollout.as_ref())
    })
}

/// Takes every machine that it changed back.
pub(super) async fn roll_back(app: &App, link: &Link, change: Change) -> Result<(), Error> {
    let request = v1::RollBackRequest {
        rollout: change.rollout.to_string(),
        reason: change.reason,
    };
    let answer = link
        .ask(
            "RolloutService/RollBack",
            link.rollouts().roll_back(request),
        )
        .await?;
    app.out.show("RollBackResponse", &answer, |answer| {
        changed(answer.rollout.as_ref())
    })
}

/// Lets it touch machines outside their windows and in freezes.
pub(super) async fn override_windows(
    app: &App,
    link: &Link,
    rollout: &RolloutId,
    reason: String,
) -> Result<(), Error> {
    let request = v1::OverrideWindowsRequest {
        rollout: rollout.to_string(),
        reason,
    };
    let answer = link
        .ask(
            "RolloutService/OverrideWindows",
            link.rollouts().override_windows(request),
        )
        .await?;
    app.out.show("OverrideWindowsResponse", &answer, |answer| {
        let now = changed(answer.rollout.as_ref());
        format!("{now}; its windows and freezes do not count any more")
    })
}

/// Asks those of `agents` that failed once more; all that failed if it is empty.
pub(super) async fn retry(
    app: &App,
    link: &Link,
    change: Change,
    agents: &[AgentId],
) -> Result<(), Error> {
    let request = v1::RetryAgentsRequest {
        rollout: change.rollout.to_string(),
        agents: agents.iter().map(ToString::to_string).collect(),
        reason: change.reason,
    };
    let answer = link
        .ask(
            "RolloutService/RetryAgents",
            link.rollouts().retry_agents(request),
        )
        .await?;
    app.out.show("RetryAgentsResponse", &answer, retried)
}

fn changed(rollout: Option<&v1::Rollout>) -> String {
    rollout.map_or_else(String::new, rollouts::changed)
}

fn retried(answer: &v1::RetryAgentsResponse) -> String {
    match answer.retried.as_slice() {
        [] => "No agent of it has failed: nothing is tried again.".into(),
        agents => format!("trying again: {}", agents.join(", ")),
    }
}
