use std::sync::Arc;

use pinion_model::{Digest, ParseError, Timestamp, WorkloadName};
use pinion_proto::v1;
use pinion_proto::v1::quarantine_service_server::QuarantineService;
use pinion_rollout::World;
use pinion_rollout::commands::{self, QuarantineDigest};
use tonic::{Request, Response, Status};

use super::convert::quarantine::quarantine;
use super::field::{optional_text, text};
use super::{CallError, Context, caller, page};

/// Digests that no more machines get.
#[derive(Debug, Clone)]
pub(super) struct QuarantineApi(pub(super) Arc<Context>);

impl QuarantineApi {
    /// What is known of a digest now.
    fn known(&self, digest: &Digest) -> Option<v1::Quarantine> {
        self.0.ledger.read(|world| {
            let known = world.quarantine.get(digest)?;
            Some(quarantine(world, digest, known))
        })
    }
}

#[tonic::async_trait]
impl QuarantineService for QuarantineApi {
    async fn list_quarantined(
        &self,
        request: Request<v1::ListQuarantinedRequest>,
    ) -> Result<Response<v1::ListQuarantinedResponse>, Status> {
        let request = request.into_inner();
        let workload: Option<WorkloadName> = optional_text("workload", &request.workload)?;
        let size = page::size(request.page_size)?;
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(Place::parse(token)?),
        };
        let (found, more) = self.0.ledger.read(|world| {
            let places = newest_first(world, workload.as_ref(), before.as_ref());
            let messages = places.into_iter().filter_map(|place| {
                let known = world.quarantine.get(&place.digest)?;
                let message = quarantine(world, &place.digest, known);
                Some((place, message))
            });
            page::cut(messages, size)
        });
        let last = found.last().filter(|_| more);
        let next_page_token = last.map(|(place, _)| place.token()).unwrap_or_default();
        Ok(Response::new(v1::ListQuarantinedResponse {
            quarantined: found.into_iter().map(|(_, message)| message).collect(),
            next_page_token,
        }))
    }

    async fn quarantine_digest(
        &self,
        request: Request<v1::QuarantineDigestRequest>,
    ) -> Result<Response<v1::QuarantineDigestResponse>, Status> {
        let by = caller(&request);
        let v1::QuarantineDigestRequest {
            workload,
            digest,
            reason,
        } = request.into_inner();
        let wanted = QuarantineDigest {
            workload: text("workload", &workload)?,
            digest: text("digest", &digest)?,
            reason,
        };
        let changed = self
            .0
            .decide(|world, now| commands::quarantine(world, wanted.clone(), &by, now))
            .await?;
        Ok(Response::new(v1::QuarantineDigestResponse {
            quarantine: self.known(&wanted.digest),
            changed,
        }))
    }

    async fn lift_quarantine(
        &self,
        request: Request<v1::LiftQuarantineRequest>,
    ) -> Result<Response<v1::LiftQuarantineResponse>, Status> {
        let by = caller(&request);
        let v1::LiftQuarantineRequest { digest, reason } = request.into_inner();
        let digest: Digest = text("digest", &digest)?;
        self.0
            .decide(|world, now| commands::lift_quarantine(world, &digest, &reason, &by, now))
            .await?;
        Ok(Response::new(v1::LiftQuarantineResponse {
            quarantine: self.known(&digest),
        }))
    }
}

/// Where a quarantined digest stands in the list, whatever is lifted meanwhile.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    at: Timestamp,
    digest: Digest,
}

impl Place {
    fn token(&self) -> String {
        format!("{}-{}", self.at.0, self.digest)
    }

    fn parse(token: &str) -> Result<Self, CallError> {
        let (at, digest) = token.split_once('-').ok_or_else(page::invalid_token)?;
        Ok(Self {
            at: Timestamp(at.parse().map_err(|_| page::invalid_token())?),
            digest: digest
                .parse()
                .map_err(|_: ParseError| page::invalid_token())?,
        })
    }
}

fn newest_first(
    world: &World,
    workload: Option<&WorkloadName>,
    before: Option<&Place>,
) -> Vec<Place> {
    let of_workload = world
        .quarantine
        .iter()
        .filter(|(_, known)| workload.is_none_or(|name| known.workload == *name));
    let imposed = of_workload.filter_map(|(digest, known)| {
        let at = known.imposed.as_ref()?.at;
        let digest = digest.clone();
        Some(Place { at, digest })
    });
    let mut places: Vec<_> = imposed
        .filter(|place| before.is_none_or(|before| place < before))
        .collect();
    places.sort_by(|a, b| b.cmp(a));
    places
}
