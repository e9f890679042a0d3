//! `pinion rollout`.

use pinion_model::{AgentId, RolloutId, WorkloadName};
use pinion_proto::v1;

use super::App;
use super::rollout_watch::watch;
use super::steer;
use crate::args::strategy::approve_by_hand;
use crate::args::values::selector;
use crate::args::{RolloutCommand, StartArgs, Target};
use crate::confirm::confirm;
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{explain, plan, rollouts};

/// Rollouts asked for at once.
const PAGE: u32 = 1_000;

pub(super) async fn run(app: &App, command: RolloutCommand) -> Result<Exit, Error> {
    ask_first(app, &command)?;
    let link = &app.link().await?;
    match command {
        RolloutCommand::Start(args) => return start(app, link, args).await,
        RolloutCommand::Watch(args) => {
            return watch(app, link, args.rollout.as_str(), args.until_settled).await;
        }
        RolloutCommand::Plan(target) => plan(app, link, target).await?,
        RolloutCommand::List { workload, limit } => list(app, link, workload, limit).await?,
        RolloutCommand::Show { rollout, agents } => show(app, link, rollout, agents).await?,
        RolloutCommand::Explain { rollout, agent } => explain(app, link, rollout, agent).await?,
        RolloutCommand::Approve {
            change,
            stage,
            plan,
        } => {
            steer::approve(app, link, change, stage, plan).await?;
        }
        RolloutCommand::Pause(change) => steer::pause(app, link, change).await?,
        RolloutCommand::Resume(change) => steer::resume(app, link, change).await?,
        RolloutCommand::Abort { change, revert } => {
            steer::abort(app, link, change, revert).await?;
        }
        RolloutCommand::Rollback(change) => steer::roll_back(app, link, change).await?,
        RolloutCommand::OverrideWindows { rollout, reason } => {
            steer::override_windows(app, link, &rollout, reason).await?;
        }
        RolloutCommand::Retry { change, agents } => {
            steer::retry(app, link, change, &agents).await?;
        }
    }
    Ok(Exit::Done)
}

/// Asks before what cannot be taken back.
fn ask_first(app: &App, command: &RolloutCommand) -> Result<(), Error> {
    let question = match command {
        RolloutCommand::Abort {
            change,
            revert: false,
        } => format!(
            "Abort {}? What is done stays done; what has not cut over is withdrawn.",
            change.rollout
        ),
        RolloutCommand::Abort { change, .. } => format!(
            "Abort {}? Every machine that it changed goes back to what it ran before.",
            change.rollout
        ),
        RolloutCommand::Rollback(change) => format!(
            "Roll {} back? Every machine that it changed goes back to what it ran before.",
            change.rollout
        ),
        RolloutCommand::OverrideWindows { rollout, .. } => format!(
            "Override the windows of {rollout}? Its machines are touched at any time from now on, in freezes too."
        ),
        _ => return Ok(()),
    };
    confirm(app.global.yes, &question)
}

async fn plan(app: &App, link: &Link, target: Target) -> Result<(), Error> {
    let answer = planned(link, request(link, &target).await?).await?;
    app.out.show("PlanRolloutResponse", &answer, plan::plan)
}

async fn list(
    app: &App,
    link: &Link,
    workload: Option<WorkloadName>,
    limit: u32,
) -> Result<(), Error> {
    let workload = workload.map(|name| name.to_string()).unwrap_or_default();
    let answer = all(link, workload, limit).await?;
    app.out.show("ListRolloutsResponse", &answer, |answer| {
        rollouts::list(answer, app.now)
    })
}

async fn show(app: &App, link: &Link, rollout: RolloutId, agents: bool) -> Result<(), Error> {
    let request = v1::GetRolloutRequest {
        rollout: rollout.to_string(),
    };
    let answer = link
        .ask(
            "RolloutService/GetRollout",
            link.rollouts().get_rollout(request),
        )
        .await?;
    app.out.show("GetRolloutResponse", &answer, |answer| {
        answer.rollout.as_ref().map_or_else(String::new, |rollout| {
            rollouts::show(rollout, agents, app.now)
        })
    })
}

async fn explain(
    app: &App,
    link: &Link,
    rollout: RolloutId,
    agent: Option<AgentId>,
) -> Result<(), Error> {
    let request = v1::ExplainRolloutRequest {
        rollout: rollout.to_string(),
        agent: agent.map(|agent| agent.to_string()).unwrap_or_default(),
    };
    let answer = link
        .ask(
            "RolloutService/ExplainRollout",
            link.rollouts().explain_rollout(request),
        )
        .await?;
    app.out.show("ExplainRolloutResponse", &answer, |answer| {
        explain::explain(answer, app.now)
    })
}

async fn start(app: &App, link: &Link, args: StartArgs) -> Result<Exit, Error> {
    let wanted = request(link, &args.target).await?;
    let request = v1::StartRolloutRequest {
        workload: wanted.workload,
        pin: wanted.pin,
        strategy: wanted.strategy,
        agents: wanted.agents,
        reason: args.reason,
    };
    let answer = link
        .ask(
            "RolloutService/StartRollout",
            link.rollouts().start_rollout(request),
        )
        .await?;
    let id = answer.rollout.as_ref().map(|rollout| rollout.id.clone());
    let id = id.ok_or(Error::Incomplete {
        method: "StartRollout",
        field: "rollout",
    })?;
    app.out.show("StartRolloutResponse", &answer, |_| {
        format!("rollout {id} started")
    })?;
    if args.watch {
        return watch(app, link, &id, args.until_settled).await;
    }
    app.out
        .note(&format!("To see how it goes: pinion rollout watch {id}"));
    Ok(Exit::Done)
}

/// What `target` says, as a request. For `--manual` without stages, the
/// stages are those that the coordinator would take.
async fn request(link: &Link, target: &Target) -> Result<v1::PlanRolloutRequest, Error> {
    let mut request = v1::PlanRolloutRequest {
        workload: target.workload.to_string(),
        pin: target.pin.unwrap_or_default(),
        strategy: target.strategy.overrides(),
        agents: selector(&target.select),
    };
    if target.strategy.manual {
        let mut strategy = request.strategy.clone().unwrap_or_default();
        if strategy.stages.is_empty() {
            let plan = planned(link, request.clone()).await?;
            strategy.stages = plan.strategy.map(|whole| whole.stages).unwrap_or_default();
        }
        approve_by_hand(&mut strategy.stages);
        request.strategy = Some(strategy);
    }
    Ok(request)
}

async fn planned(
    link: &Link,
    request: v1::PlanRolloutRequest,
) -> Result<v1::PlanRolloutResponse, Error> {
    Ok(link
        .ask(
            "RolloutService/PlanRollout",
            link.rollouts().plan_rollout(request),
        )
        .await?)
}

/// The newest `limit` rollouts, page by page.
async fn all(link: &Link, workload: String, limit: u32) -> Result<v1::ListRolloutsResponse, Error> {
    let mut all = v1::ListRolloutsResponse::default();
    loop {
        let left = limit.saturating_sub(all.rollouts.len() as u32);
        let request = v1::ListRolloutsRequest {
            workload: workload.clone(),
            page_size: left.min(PAGE),
            page_token: std::mem::take(&mut all.next_page_token),
        };
        let page = link
            .ask(
                "RolloutService/ListRollouts",
                link.rollouts().list_rollouts(request),
            )
            .await?;
        all.rollouts.extend(page.rollouts);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() || all.rollouts.len() as u32 >= limit {
            return Ok(all);
        }
    }
}
