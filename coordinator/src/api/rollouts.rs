use std::sync::Arc;

use pinion_model::{Actor, AgentId, PinNumber, RolloutId, Timestamp, WorkloadName};
use pinion_proto::v1;
use pinion_proto::v1::rollout_service_server::RolloutService;
use pinion_rollout::commands::{self, Abort, AbortMode, StartRollout, Steer};
use pinion_rollout::{Outcome, Refusal, Strategy, World};
use tonic::{Request, Response, Status};

use super::convert::{rollouts, strategy};
use super::field::{optional_text, text, texts};
use super::watch::{Look, Watch, follow};
use super::{CallError, Context, caller, page};
use crate::strategies::resolve;

/// Taking one pin to a set of agents, stage by stage.
#[derive(Debug, Clone)]
pub(super) struct RolloutApi(pub(super) Arc<Context>);

type Command = fn(&World, Steer, &Actor, Timestamp) -> Result<Outcome<RolloutId>, Refusal>;

impl RolloutApi {
    /// What was asked for, by the name of a strategy that is always there: the
    /// named one, else the workload's.
    fn asked(&self, request: v1::StartRolloutRequest) -> Result<StartRollout, CallError> {
        let workload: WorkloadName = text("workload", &request.workload)?;
        let Some(entry) = self.0.config.workloads.get(&workload) else {
            return Err(CallError::not_found("workload", workload));
        };
        let asked = request.strategy.as_ref().map(strategy::from_message);
        let asked = asked.transpose()?.unwrap_or_default();
        Ok(StartRollout {
            strategy: Strategy {
                name: asked.name.or_else(|| Some(entry.strategy.clone())),
                ..asked
            },
            workload,
            pin: (request.pin > 0).then_some(PinNumber(request.pin)),
            agents: strategy::selector("agents", request.agents.as_ref())?,
            reason: request.reason,
        })
    }

    async fn steer(
        &self,
        by: &Actor,
        rollout: &str,
        reason: String,
        command: Command,
    ) -> Result<Option<v1::Rollout>, Status> {
        let steer = Steer {
            rollout: text("rollout", rollout)?,
            reason,
        };
        self.0
            .decide(|world, now| command(world, steer.clone(), by, now))
            .await?;
        Ok(Some(self.rollout(&steer.rollout)?))
    }

    /// A rollout as it stands now, members included.
    fn rollout(&self, id: &RolloutId) -> Result<v1::Rollout, CallError> {
        rollout(&self.0, id).ok_or_else(|| CallError::not_found("rollout", id))
    }
}

/// What was asked for, over the strategy that it names, as that is now.
fn resolved(world: &World, asked: &StartRollout) -> Result<StartRollout, Refusal> {
    let Some(name) = &asked.strategy.name else {
        return Ok(asked.clone());
    };
    let base = resolve(world, name, asked.strategy.version)?;
    Ok(StartRollout {
        strategy: strategy::over(&base, asked.strategy.clone()),
        ..asked.clone()
    })
}

fn rollout(context: &Context, id: &RolloutId) -> Option<v1::Rollout> {
    let now = context.ledger.clock();
    context.ledger.read(|world| {
        world
            .rollouts
            .get(id)
            .map(|rollout| rollouts::rollout(world, rollout, true, now))
    })
}

#[tonic::async_trait]
impl RolloutService for RolloutApi {
    async fn plan_rollout(
        &self,
        request: Request<v1::PlanRolloutRequest>,
    ) -> Result<Response<v1::PlanRolloutResponse>, Status> {
        let v1::PlanRolloutRequest {
            workload,
            pin,
            strategy,
            agents,
        } = request.into_inner();
        let start = v1::StartRolloutRequest {
            workload,
            pin,
            strategy,
            agents,
            reason: String::new(),
        };
        let asked = self.asked(start)?;
        let now = self.0.ledger.clock();
        let planned = self
            .0
            .ledger
            .read(|world| commands::plan_rollout(world, &resolved(world, &asked)?, now));
        Ok(Response::new(
            planned.map(rollouts::planned).map_err(CallError::from)?,
        ))
    }

    async fn start_rollout(
        &self,
        request: Request<v1::StartRolloutRequest>,
    ) -> Result<Response<v1::StartRolloutResponse>, Status> {
        let by = caller(&request);
        let asked = self.asked(request.into_inner())?;
        let started = self
            .0
            .decide(|world, now| commands::start_rollout(world, resolved(world, &asked)?, &by, now))
            .await?;
        Ok(Response::new(v1::StartRolloutResponse {
            rollout: Some(self.rollout(&started.id)?),
        }))
    }

    async fn get_rollout(
        &self,
        request: Request<v1::GetRolloutRequest>,
    ) -> Result<Response<v1::GetRolloutResponse>, Status> {
        let id = text("rollout", &request.into_inner().rollout)?;
        Ok(Response::new(v1::GetRolloutResponse {
            rollout: Some(self.rollout(&id)?),
        }))
    }

    async fn list_rollouts(
        &self,
        request: Request<v1::ListRolloutsRequest>,
    ) -> Result<Response<v1::ListRolloutsResponse>, Status> {
        let request = request.into_inner();
        let workload: Option<WorkloadName> = optional_text("workload", &request.workload)?;
        let size = page::size(request.page_size)?;
        let after: Option<RolloutId> =
            optional_text("page_token", &request.page_token).map_err(|_| page::invalid_token())?;
        let now = self.0.ledger.clock();
        let (rollouts, more) = self.0.ledger.read(|world| {
            let mut newest: Vec<_> = world
                .rollouts
                .values()
                .filter(|rollout| {
                    workload
                        .as_ref()
                        .is_none_or(|name| rollout.workload == *name)
                })
                .collect();
            newest.sort_by(|a, b| (b.started.at, &b.id).cmp(&(a.started.at, &a.id)));
            let from = after.and_then(|id| newest.iter().position(|rollout| rollout.id == id));
            let page = newest.into_iter().skip(from.map_or(0, |at| at + 1));
            page::cut(
                page.map(|rollout| rollouts::rollout(world, rollout, false, now)),
                size,
            )
        });
        let next = rollouts
            .last()
            .filter(|_| more)
            .map(|rollout| rollout.id.clone());
        Ok(Response::new(v1::ListRolloutsResponse {
            rollouts,
            next_page_token: next.unwrap_or_default(),
        }))
    }

    type WatchRolloutStream = Watch<v1::WatchRolloutResponse>;

    async fn watch_rollout(
        &self,
        request: Request<v1::WatchRolloutRequest>,
    ) -> Result<Response<Self::WatchRolloutStream>, Status> {
        let admission = request.extensions().get().cloned();
        let id: RolloutId = text("rollout", &request.into_inner().rollout)?;
        self.rollout(&id)?;
        let mut last = None;
        Ok(Response::new(follow(
            Arc::clone(&self.0),
            admission,
            move |context| {
                let Some(now) = rollout(context, &id) else {
                    return Look::Fail(CallError::not_found("rollout", &id).into());
                };
                if last.as_ref() == Some(&now) {
                    return Look::Same;
                }
                last = Some(now.clone());
                let terminal =
                    v1::RolloutPhase::known(now.phase).is_some_and(|phase| phase.is_terminal());
                let message = v1::WatchRolloutResponse { rollout: Some(now) };
                if terminal {
                    Look::Last(message)
                } else {
                    Look::Say(message)
                }
            },
        )))
    }

    async fn explain_rollout(
        &self,
        request: Request<v1::ExplainRolloutRequest>,
    ) -> Result<Response<v1::ExplainRolloutResponse>, Status> {
        let request = request.into_inner();
        let id: RolloutId = text("rollout", &request.rollout)?;
        let agent: Option<AgentId> = optional_text("agent", &request.agent)?;
        let now = self.0.ledger.clock();
        let answer = self
            .0
            .ledger
            .read(|world| explain(world, &id, agent.as_ref(), now));
        Ok(Response::new(answer?))
    }

    async fn approve_stage(
        &self,
        request: Request<v1::ApproveStageRequest>,
    ) -> Result<Response<v1::ApproveStageResponse>, Status> {
        let by = caller(&request);
        let v1::ApproveStageRequest {
            rollout,
            stage,
            reason,
            plan,
        } = request.into_inner();
        let approve = commands::Approve {
            rollout: text("rollout", &rollout)?,
            stage: optional_text("stage", &stage)?,
            plan,
            reason,
        };
        self.0
            .decide(|world, now| commands::approve(world, approve.clone(), &by, now))
            .await?;
        Ok(Response::new(v1::ApproveStageResponse {
            rollout: Some(self.rollout(&approve.rollout)?),
        }))
    }

    async fn pause_rollout(
        &self,
        request: Request<v1::PauseRolloutRequest>,
    ) -> Result<Response<v1::PauseRolloutResponse>, Status> {
        let by = caller(&request);
        let v1::PauseRolloutRequest { rollout, reason } = request.into_inner();
        let rollout = self.steer(&by, &rollout, reason, commands::pause).await?;
        Ok(Response::new(v1::PauseRolloutResponse { rollout }))
    }

    async fn resume_rollout(
        &self,
        request: Request<v1::ResumeRolloutRequest>,
    ) -> Result<Response<v1::ResumeRolloutResponse>, Status> {
        let by = caller(&request);
        let v1::ResumeRolloutRequest { rollout, reason } = request.into_inner();
        let rollout = self.steer(&by, &rollout, reason, commands::resume).await?;
        Ok(Response::new(v1::ResumeRolloutResponse { rollout }))
    }

    async fn abort_rollout(
        &self,
        request: Request<v1::AbortRolloutRequest>,
    ) -> Result<Response<v1::AbortRolloutResponse>, Status> {
        let by = caller(&request);
        let v1::AbortRolloutRequest {
            rollout,
            reason,
            revert,
        } = request.into_inner();
        let abort = Abort {
            rollout: text("rollout", &rollout)?,
            mode: if revert {
                AbortMode::Revert
            } else {
                AbortMode::Keep
            },
            reason,
        };
        self.0
            .decide(|world, now| commands::abort(world, abort.clone(), &by, now))
            .await?;
        Ok(Response::new(v1::AbortRolloutResponse {
            rollout: Some(self.rollout(&abort.rollout)?),
        }))
    }

    async fn roll_back(
        &self,
        request: Request<v1::RollBackRequest>,
    ) -> Result<Response<v1::RollBackResponse>, Status> {
        let by = caller(&request);
        let v1::RollBackRequest { rollout, reason } = request.into_inner();
        let rollout = self
            .steer(&by, &rollout, reason, commands::roll_back)
            .await?;
        Ok(Response::new(v1::RollBackResponse { rollout }))
    }

    async fn override_windows(
        &self,
        request: Request<v1::OverrideWindowsRequest>,
    ) -> Result<Response<v1::OverrideWindowsResponse>, Status> {
        let by = caller(&request);
        let v1::OverrideWindowsRequest { rollout, reason } = request.into_inner();
        let rollout = self
            .steer(&by, &rollout, reason, commands::override_windows)
            .await?;
        Ok(Response::new(v1::OverrideWindowsResponse { rollout }))
    }

    async fn retry_agents(
        &self,
        request: Request<v1::RetryAgentsRequest>,
    ) -> Result<Response<v1::RetryAgentsResponse>, Status> {
        let by = caller(&request);
        let v1::RetryAgentsRequest {
            rollout,
            agents,
            reason,
        } = request.into_inner();
        let retry = commands::RetryAgents {
            rollout: text("rollout", &rollout)?,
            agents: texts("agents", &agents)?,
            reason,
        };
        let retried = self
            .0
            .decide(|world, now| commands::retry(world, retry.clone(), &by, now))
            .await?;
        Ok(Response::new(v1::RetryAgentsResponse {
            rollout: Some(self.rollout(&retry.rollout)?),
            retried: retried.iter().map(ToString::to_string).collect(),
        }))
    }
}

fn explain(
    world: &World,
    id: &RolloutId,
    agent: Option<&AgentId>,
    now: Timestamp,
) -> Result<v1::ExplainRolloutResponse, CallError> {
    let rollout = world
        .rollouts
        .get(id)
        .ok_or_else(|| CallError::not_found("rollout", id))?;
    // A member that was removed since has a reason too.
    let known = |agent| rollout.members.contains_key(agent) || world.agents.contains_key(agent);
    let reasons = match agent {
        None => pinion_rollout::explain_all(world, id, now),
        Some(agent) if !known(agent) => {
            return Err(CallError::not_found("agent", agent));
        }
        Some(agent) => pinion_rollout::explain(world, id, agent, now)
            .into_iter()
            .map(|reason| (agent.clone(), reason))
            .collect(),
    };
    Ok(v1::ExplainRolloutResponse {
        summary: pinion_rollout::summary(world, id, now),
        agents: reasons
            .into_iter()
            .map(|one| rollouts::explanation(rollout, one, agent.is_none()))
            .collect(),
        not_kept: if agent.is_none() {
            rollout.not_kept()
        } else {
            0
        },
    })
}
