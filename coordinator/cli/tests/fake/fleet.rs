//! Holds and quarantined digests, told back as they were asked for; every other
//! call about machines is refused.

use pinion_proto::v1::fleet_service_server::FleetService;
use pinion_proto::v1::quarantine_service_server::QuarantineService;
use pinion_proto::v1::*;
use tonic::{Request, Response, Status};

use super::Answer;

/// Answers from what it is asked alone.
pub struct Echo;

fn by_alice(reason: String) -> Option<Attribution> {
    let actor = Actor {
        name: "alice".into(),
        role: Role::Operator.into(),
    };
    Some(Attribution {
        actor: Some(actor),
        at: Some(prost_types::Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        }),
        reason,
    })
}

fn fleet_hold(id: &str) -> Hold {
    Hold {
        id: id.into(),
        workload: "codex".into(),
        placed: by_alice("the vendor looks at it".into()),
        ..Hold::default()
    }
}

fn quarantined(digest: String, reason: &str) -> Quarantine {
    Quarantine {
        digest,
        workload: "codex".into(),
        imposed: by_alice(reason.into()),
        agents: 1,
        failed_on: vec!["t1".into()],
        rollout: "codex-2-1".into(),
        ..Quarantine::default()
    }
}

#[tonic::async_trait]
impl QuarantineService for Echo {
    /// Two pages of one digest each.
    async fn list_quarantined(
        &self,
        request: Request<ListQuarantinedRequest>,
    ) -> Answer<ListQuarantinedResponse> {
        let (letter, next) = match request.into_inner().page_token.as_str() {
            "" => ("a", "second"),
            _ => ("b", ""),
        };
        let digest = format!("sha256:{}", letter.repeat(64));
        Ok(Response::new(ListQuarantinedResponse {
            quarantined: vec![quarantined(digest, "it eats data")],
            next_page_token: next.into(),
        }))
    }

    async fn quarantine_digest(
        &self,
        request: Request<QuarantineDigestRequest>,
    ) -> Answer<QuarantineDigestResponse> {
        let request = request.into_inner();
        Ok(Response::new(QuarantineDigestResponse {
            quarantine: Some(quarantined(request.digest, &request.reason)),
            changed: request.reason != "again",
        }))
    }

    async fn lift_quarantine(
        &self,
        request: Request<LiftQuarantineRequest>,
    ) -> Answer<LiftQuarantineResponse> {
        let request = request.into_inner();
        Ok(Response::new(LiftQuarantineResponse {
            quarantine: Some(Quarantine {
                imposed: None,
                lifted: by_alice(request.reason),
                ..quarantined(request.digest, "")
            }),
        }))
    }
}

#[tonic::async_trait]
impl FleetService for Echo {
    type WatchAgentsStream = futures_util::stream::Empty<Result<WatchAgentsResponse, Status>>;

    /// Two pages: a hold of the fleet, and that of a machine.
    async fn list_holds(&self, request: Request<ListHoldsRequest>) -> Answer<ListHoldsResponse> {
        let (hold, next) = match request.into_inner().page_token.as_str() {
            "" => (fleet_hold("hold-3"), "second"),
            _ => (
                Hold {
                    agent: "t1".into(),
                    placed: by_alice("customer demo".into()),
                    ..Hold::default()
                },
                "",
            ),
        };
        Ok(Response::new(ListHoldsResponse {
            holds: vec![hold],
            next_page_token: next.into(),
        }))
    }

    async fn place_hold(&self, request: Request<PlaceHoldRequest>) -> Answer<PlaceHoldResponse> {
        let request = request.into_inner();
        let hold = Hold {
            id: "hold-4".into(),
            agents: request.agents,
            workload: request.workload,
            placed: by_alice(request.reason),
            expires_at: request.expires_at,
            ..Hold::default()
        };
        Ok(Response::new(PlaceHoldResponse {
            hold: Some(hold),
            agents: 2,
        }))
    }

    async fn lift_hold(&self, request: Request<LiftHoldRequest>) -> Answer<LiftHoldResponse> {
        match request.into_inner().hold.as_str() {
            "hold-9" => Err(Status::not_found("there is no hold \"hold-9\"")),
            id => Ok(Response::new(LiftHoldResponse {
                hold: Some(fleet_hold(id)),
            })),
        }
    }

    async fn hold_agent(&self, request: Request<HoldAgentRequest>) -> Answer<HoldAgentResponse> {
        let request = request.into_inner();
        Ok(Response::new(HoldAgentResponse {
            agent: Some(Agent {
                name: request.agent,
                held: by_alice(request.reason),
                ..Agent::default()
            }),
        }))
    }

    async fn release_agent(
        &self,
        request: Request<ReleaseAgentRequest>,
    ) -> Answer<ReleaseAgentResponse> {
        Ok(Response::new(ReleaseAgentResponse {
            agent: Some(Agent {
                name: request.into_inner().agent,
                ..Agent::default()
            }),
        }))
    }

    async fn list_agents(&self, _: Request<ListAgentsRequest>) -> Answer<ListAgentsResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_agent(&self, _: Request<GetAgentRequest>) -> Answer<GetAgentResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn watch_agents(
        &self,
        _: Request<WatchAgentsRequest>,
    ) -> Answer<Self::WatchAgentsStream> {
        Err(Status::unimplemented("not here"))
    }

    async fn set_labels(&self, _: Request<SetLabelsRequest>) -> Answer<SetLabelsResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn refresh_agents(
        &self,
        _: Request<RefreshAgentsRequest>,
    ) -> Answer<RefreshAgentsResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn revoke_agent(&self, _: Request<RevokeAgentRequest>) -> Answer<RevokeAgentResponse> {
        Err(Status::unimplemented("not here"))
    }

    async fn remove_agent(&self, _: Request<RemoveAgentRequest>) -> Answer<RemoveAgentResponse> {
        Err(Status::unimplemented("not here"))
    }
}
