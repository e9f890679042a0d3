use std::collections::BTreeMap;
use std::sync::Arc;

use pinion_model::{AgentId, LabelSelector};
use pinion_proto::convert::{InvalidField, from_timestamp};
use pinion_proto::v1;
use pinion_proto::v1::fleet_service_server::FleetService;
use pinion_rollout::commands;
use tonic::{Request, Response, Status};

use super::convert::{agents::agent, strategy};
use super::field::{optional_text, text};
use super::told::Told;
use super::watch::{Watch, follow};
use super::{CallError, Context, caller, holds, page, refresh};

/// The machines.
#[derive(Debug, Clone)]
pub(super) struct FleetApi(pub(super) Arc<Context>);

impl FleetApi {
    /// An agent as it stands now.
    fn agent(&self, name: &AgentId) -> Result<Option<v1::Agent>, CallError> {
        let found = self
            .0
            .ledger
            .read(|world| world.agents.get(name).map(|found| agent(name, found)));
        found
            .map(Some)
            .ok_or_else(|| CallError::not_found("agent", name))
    }
}

fn agent_name(name: &str) -> Result<AgentId, CallError> {
    text("agent", name)
}

fn labels(labels: BTreeMap<String, String>) -> Result<LabelSelector, InvalidField> {
    strategy::selector(
        "match_labels",
        Some(&v1::LabelSelector {
            match_labels: labels,
        }),
    )
}

#[tonic::async_trait]
impl FleetService for FleetApi {
    async fn list_agents(
        &self,
        request: Request<v1::ListAgentsRequest>,
    ) -> Result<Response<v1::ListAgentsResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size)?;
        let after: Option<AgentId> =
            optional_text("page_token", &request.page_token).map_err(|_| page::invalid_token())?;
        let labels = labels(request.match_labels).map_err(CallError::from)?;
        let (agents, more) = self.0.ledger.read(|world| {
            let rest = world.agents.after(after.as_ref());
            let wanted = rest.filter(|(_, found)| labels.matches(&found.labels));
            page::cut(wanted.map(|(name, found)| agent(name, found)), size)
        });
        let next = agents
            .last()
            .filter(|_| more)
            .map(|last: &v1::Agent| last.name.clone());
        Ok(Response::new(v1::ListAgentsResponse {
            agents,
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn get_agent(
        &self,
        request: Request<v1::GetAgentRequest>,
    ) -> Result<Response<v1::GetAgentResponse>, Status> {
        let name = agent_name(&request.into_inner().agent)?;
        let mut agent = self.agent(&name)?;
        if let Some(agent) = &mut agent {
            agent.happenings = self.0.sessions.lately(&name);
        }
        Ok(Response::new(v1::GetAgentResponse { agent }))
    }

    type WatchAgentsStream = Watch<v1::WatchAgentsResponse>;

    async fn watch_agents(
        &self,
        request: Request<v1::WatchAgentsRequest>,
    ) -> Result<Response<Self::WatchAgentsStream>, Status> {
        let admission = request.extensions().get().cloned();
        let labels = labels(request.into_inner().match_labels).map_err(CallError::from)?;
        let mut told = Told::new(labels);
        Ok(Response::new(follow(
            Arc::clone(&self.0),
            admission,
            move |context| told.look(context),
        )))
    }

    async fn set_labels(
        &self,
        request: Request<v1::SetLabelsRequest>,
    ) -> Result<Response<v1::SetLabelsResponse>, Status> {
        let by = caller(&request);
        let v1::SetLabelsRequest { agent, labels } = request.into_inner();
        let set = commands::SetLabels {
            agent: agent_name(&agent)?,
            labels,
        };
        let name = self
            .0
            .decide(|world, now| commands::set_labels(world, set.clone(), &by, now))
            .await?;
        Ok(Response::new(v1::SetLabelsResponse {
            agent: self.agent(&name)?,
        }))
    }

    async fn hold_agent(
        &self,
        request: Request<v1::HoldAgentRequest>,
    ) -> Result<Response<v1::HoldAgentResponse>, Status> {
        let by = caller(&request);
        let v1::HoldAgentRequest {
            agent,
            reason,
            expires_at,
        } = request.into_inner();
        let expires_at = expires_at.as_ref().map(from_timestamp);
        let hold = commands::HoldAgent {
            agent: agent_name(&agent)?,
            reason,
            expires_at,
        };
        let name = self
            .0
            .decide(|world, now| commands::hold(world, hold.clone(), &by, now))
            .await?;
        Ok(Response::new(v1::HoldAgentResponse {
            agent: self.agent(&name)?,
        }))
    }

    async fn release_agent(
        &self,
        request: Request<v1::ReleaseAgentRequest>,
    ) -> Result<Response<v1::ReleaseAgentResponse>, Status> {
        let by = caller(&request);
        let v1::ReleaseAgentRequest { agent, reason } = request.into_inner();
        let name = agent_name(&agent)?;
        self.0
            .decide(|world, now| commands::release(world, name.clone(), &reason, &by, now))
            .await?;
        Ok(Response::new(v1::ReleaseAgentResponse {
            agent: self.agent(&name)?,
        }))
    }

    async fn list_holds(
        &self,
        request: Request<v1::ListHoldsRequest>,
    ) -> Result<Response<v1::ListHoldsResponse>, Status> {
        Ok(Response::new(holds::list(&self.0, &request.into_inner())?))
    }

    async fn place_hold(
        &self,
        request: Request<v1::PlaceHoldRequest>,
    ) -> Result<Response<v1::PlaceHoldResponse>, Status> {
        let by = caller(&request);
        let placed = holds::place(&self.0, request.into_inner(), &by).await?;
        Ok(Response::new(placed))
    }

    async fn lift_hold(
        &self,
        request: Request<v1::LiftHoldRequest>,
    ) -> Result<Response<v1::LiftHoldResponse>, Status> {
        let by = caller(&request);
        let lifted = holds::lift(&self.0, request.into_inner(), &by).await?;
        Ok(Response::new(lifted))
    }

    async fn refresh_agents(
        &self,
        request: Request<v1::RefreshAgentsRequest>,
    ) -> Result<Response<v1::RefreshAgentsResponse>, Status> {
        let by = caller(&request);
        let patience = refresh::patience(request.metadata());
        let answer = refresh::refresh(&self.0, request.into_inner(), &by, patience).await?;
        Ok(Response::new(answer))
    }

    async fn revoke_agent(
        &self,
        request: Request<v1::RevokeAgentRequest>,
    ) -> Result<Response<v1::RevokeAgentResponse>, Status> {
        let by = caller(&request);
        let v1::RevokeAgentRequest { agent, reason } = request.into_inner();
        let name = agent_name(&agent)?;
        self.0
            .decide(|world, now| commands::revoke_agent(world, name.clone(), &reason, &by, now))
            .await?;
        self.0
            .sessions
            .end(&name, "the agent was revoked: enrol the machine anew");
        Ok(Response::new(v1::RevokeAgentResponse {
            agent: self.agent(&name)?,
        }))
    }

    async fn remove_agent(
        &self,
        request: Request<v1::RemoveAgentRequest>,
    ) -> Result<Response<v1::RemoveAgentResponse>, Status> {
        let by = caller(&request);
        let v1::RemoveAgentRequest { agent, reason } = request.into_inner();
        let name = agent_name(&agent)?;
        self.0
            .decide(|world, now| commands::remove_agent(world, name.clone(), &reason, &by, now))
            .await?;
        self.0
            .sessions
            .end(&name, "the agent was removed: enrol the machine anew");
        self.0.sessions.forget(&name);
        Ok(Response::new(v1::RemoveAgentResponse {}))
    }
}
