//! `pinion rollout`.

use pinion_proto::v1;

use super::App;
use super::rollout_watch::watch;
use crate::args::strategy::approve_by_hand;
use crate::args::values::selector;
use crate::args::{Change, RolloutCommand, StartArgs, Target};
use crate::confirm::confirm;
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{explain, plan, rollouts};

/// Rollouts asked for at once.
const PAGE: u32 = 1_000;

pub(super) async fn run(app: &App, command: RolloutCommand) -> Result<Exit, Error> {
    ask_first(app, &command)?;
    let link = app.link().await?;
    match command {
        RolloutCommand::Plan(target) => {
            let answer = planned(&link, request(&link, &target).await?).await?;
            app.out.show("PlanRolloutResponse", &answer, plan::plan)?;
        }
        RolloutCommand::Start(args) => return start(app, &link, args).await,
        RolloutCommand::Watch(args) => {
            return watch(app, &link, args.rollout.as_str(), args.until_settled).await;
        }
        RolloutCommand::List { workload, limit } => {
            let workload = workload.map(|name| name.to_string()).unwrap_or_default();
            let answer = list(&link, workload, limit).await?;
            app.out.show("ListRolloutsResponse", &answer, |answer| {
                rollouts::list(answer, app.now)
            })?;
        }
        RolloutCommand::Show { rollout, agents } => {
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
            })?;
        }
        RolloutCommand::Explain { rollout, agent } => {
            let agent = agent.map(|agent| agent.to_string()).unwrap_or_default();
            let request = v1::ExplainRolloutRequest {
                rollout: rollout.to_string(),
                agent,
            };
            let answer = link
                .ask(
                    "RolloutService/ExplainRollout",
                    link.rollouts().explain_rollout(request),
                )
                .await?;
            app.out.show("ExplainRolloutResponse", &answer, |answer| {
                explain::explain(answer, app.now)
            })?;
        }
        change => steer(app, &link, change).await?,
    }
    Ok(Exit::Done)
}

/// Asks before what cannot be taken back.
fn ask_first(app: &App, command: &RolloutCommand) -> Result<(), Error> {
    let question = match command {
        RolloutCommand::Abort(change) => format!(
            "Abort {}? What is done stays done; what has not cut over is withdrawn.",
            change.rollout
        ),
        RolloutCommand::Rollback(change) => format!(
            "Roll {} back? Every machine that it changed goes back to what it ran before.",
            change.rollout
        ),
        _ => return Ok(()),
    };
    confirm(app.global.yes, &question)
}

/// What changes a rollout that there is.
async fn steer(app: &App, link: &Link, command: RolloutCommand) -> Result<(), Error> {
    let mut client = link.rollouts();
    let show = |rollout: &Option<v1::Rollout>| {
        rollout.as_ref().map_or_else(String::new, rollouts::changed)
    };
    match command {
        RolloutCommand::Approve {
            change: Change { rollout, reason },
            stage,
        } => {
            let stage = stage.map(|stage| stage.to_string()).unwrap_or_default();
            let request = v1::ApproveStageRequest {
                rollout: rollout.to_string(),
                stage,
                reason,
            };
            let answer = link
                .ask("RolloutService/ApproveStage", client.approve_stage(request))
                .await?;
            app.out.show("ApproveStageResponse", &answer, |answer| {
                show(&answer.rollout)
            })
        }
        RolloutCommand::Pause(Change { rollout, reason }) => {
            let request = v1::PauseRolloutRequest {
                rollout: rollout.to_string(),
                reason,
            };
            let answer = link
                .ask("RolloutService/PauseRollout", client.pause_rollout(request))
                .await?;
            app.out.show("PauseRolloutResponse", &answer, |answer| {
                show(&answer.rollout)
            })
        }
        RolloutCommand::Resume(Change { rollout, reason }) => {
            let request = v1::ResumeRolloutRequest {
                rollout: rollout.to_string(),
                reason,
            };
            let answer = link
                .ask(
                    "RolloutService/ResumeRollout",
                    client.resume_rollout(request),
                )
                .await?;
            app.out.show("ResumeRolloutResponse", &answer, |answer| {
                show(&answer.rollout)
            })
        }
        RolloutCommand::Abort(Change { rollout, reason }) => {
            let request = v1::AbortRolloutRequest {
                rollout: rollout.to_string(),
                reason,
            };
            let answer = link
                .ask("RolloutService/AbortRollout", client.abort_rollout(request))
                .await?;
            app.out.show("AbortRolloutResponse", &answer, |answer| {
                show(&answer.rollout)
            })
        }
        RolloutCommand::Rollback(Change { rollout, reason }) => {
            let request = v1::RollBackRequest {
                rollout: rollout.to_string(),
                reason,
            };
            let answer = link
                .ask("RolloutService/RollBack", client.roll_back(request))
                .await?;
            app.out
                .show("RollBackResponse", &answer, |answer| show(&answer.rollout))
        }
        RolloutCommand::Retry {
            change: Change { rollout, reason },
            agents,
        } => {
            let agents = agents.iter().map(ToString::to_string).collect();
            let request = v1::RetryAgentsRequest {
                rollout: rollout.to_string(),
                agents,
                reason,
            };
            let answer = link
                .ask("RolloutService/RetryAgents", client.retry_agents(request))
                .await?;
            app.out.show("RetryAgentsResponse", &answer, retried)
        }
        RolloutCommand::Plan(_)
        | RolloutCommand::Start(_)
        | RolloutCommand::Watch(_)
        | RolloutCommand::List { .. }
        | RolloutCommand::Show { .. }
        | RolloutCommand::Explain { .. } => Ok(()),
    }
}

fn retried(answer: &v1::RetryAgentsResponse) -> String {
    match answer.retried.as_slice() {
        [] => "No agent of it has failed: nothing is tried again.".into(),
        agents => format!("trying again: {}", agents.join(", ")),
    }
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

async fn list(
    link: &Link,
    workload: String,
    limit: u32,
) -> Result<v1::ListRolloutsResponse, Error> {
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
