use std::sync::Arc;

use pinion_model::{PinNumber, WorkloadName};
use pinion_proto::convert::or_empty;
use pinion_proto::v1;
use pinion_proto::v1::pin_service_server::PinService;
use pinion_rollout::Workload;
use tonic::{Request, Response, Status};

use super::{Context, caller, convert::pins::pin, page};
use crate::promotion::{self, Promotion};

/// The digests chosen for each workload.
#[derive(Debug, Clone)]
pub(super) struct PinApi(pub(super) Arc<Context>);

#[tonic::async_trait]
impl PinService for PinApi {
    async fn promote_pin(
        &self,
        request: Request<v1::PromotePinRequest>,
    ) -> Result<Response<v1::PromotePinResponse>, Status> {
        let actor = caller(&request);
        let request = request.into_inner();
        let promotion = Promotion::parse(
            ("workload", &request.workload),
            ("digest", &request.digest),
            ("source_sha", &request.source_sha),
            request.notes,
        )?;
        let promoted =
            promotion::promote(&self.0.ledger, &self.0.config, &promotion, &actor).await?;
        let answer = self.0.ledger.read(|world| {
            world.workloads.get(&promotion.workload)?;
            Some(pin(world, &promotion.workload, &promoted.pin))
        });
        Ok(Response::new(v1::PromotePinResponse {
            pin: answer,
            changed: promoted.changed,
            rollout: or_empty(promoted.rollout.as_ref()),
            no_rollout: promoted.no_rollout.unwrap_or_default(),
        }))
    }

    async fn get_pin(
        &self,
        request: Request<v1::GetPinRequest>,
    ) -> Result<Response<v1::GetPinResponse>, Status> {
        let name = self.0.known_workload(&request.into_inner().workload)?;
        let answer = self.0.ledger.read(|world| {
            let workload = world.workloads.get(&name)?;
            let of = |found: Option<&_>| found.map(|found| pin(world, &name, found));
            Some(v1::GetPinResponse {
                current: of(workload.current()),
                stable: of(world.stable(&name)),
            })
        });
        Ok(Response::new(answer.unwrap_or_default()))
    }

    async fn list_pins(
        &self,
        _: Request<v1::ListPinsRequest>,
    ) -> Result<Response<v1::ListPinsResponse>, Status> {
        let catalog = &self.0.config.workloads;
        let answer = self.0.ledger.read(|world| {
            let current = |(name, workload): (&WorkloadName, &Workload)| {
                workload.current().map(|current| pin(world, name, current))
            };
            let unpinned = |name: &&WorkloadName| {
                world
                    .workloads
                    .get(*name)
                    .is_none_or(|workload| workload.current().is_none())
            };
            v1::ListPinsResponse {
                pins: world.workloads.iter().filter_map(current).collect(),
                unpinned: catalog
                    .keys()
                    .filter(unpinned)
                    .map(ToString::to_string)
                    .collect(),
            }
        });
        Ok(Response::new(answer))
    }

    async fn list_pin_history(
        &self,
        request: Request<v1::ListPinHistoryRequest>,
    ) -> Result<Response<v1::ListPinHistoryResponse>, Status> {
        let request = request.into_inner();
        let name = self.0.known_workload(&request.workload)?;
        let size = page::size(request.page_size)?;
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(PinNumber(token.parse().map_err(|_| page::invalid_token())?)),
        };
        let (pins, more) = self.0.ledger.read(|world| {
            let Some(workload) = world.workloads.get(&name) else {
                return (Vec::new(), false);
            };
            let older = workload.pins.iter().rev();
            let older = older.filter(|pin| before.is_none_or(|before| pin.number < before));
            page::cut(older.map(|found| pin(world, &name, found)), size)
        });
        let next = pins
            .last()
            .filter(|_| more)
            .map(|pin| pin.number.to_string());
        Ok(Response::new(v1::ListPinHistoryResponse {
            pins,
            next_page_token: next.unwrap_or_default(),
        }))
    }
}
