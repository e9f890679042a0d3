use std::sync::{Mutex, PoisonError};

use pinion_proto::v1::strategy_service_server::StrategyService;
use pinion_proto::v1::*;
use tonic::{Request, Response, Status};

use super::Answer;

/// Keeps what is put under whatever name, version by version.
#[derive(Default)]
pub(super) struct Kept(Mutex<Vec<StrategyVersion>>);

impl Kept {
    fn versions(&self) -> Vec<StrategyVersion> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    fn named(&self, name: String, number: usize) -> Option<NamedStrategy> {
        let versions = self.versions();
        Some(NamedStrategy {
            name,
            version: Some(versions.get(number.checked_sub(1)?)?.clone()),
            versions: u32::try_from(versions.len()).ok()?,
            removed: None,
        })
    }
}

#[tonic::async_trait]
impl StrategyService for Kept {
    async fn put_strategy(
        &self,
        request: Request<PutStrategyRequest>,
    ) -> Answer<PutStrategyResponse> {
        let PutStrategyRequest {
            name,
            strategy,
            reason,
        } = request.into_inner();
        let number = self.versions().len() + 1;
        let strategy = Strategy {
            name: name.clone(),
            version: u32::try_from(number).expect("few"),
            ..strategy.unwrap_or_default()
        };
        let bare = |of: &Strategy| Strategy {
            version: 0,
            ..of.clone()
        };
        let newest = self.versions().pop().and_then(|newest| newest.strategy);
        let changed = newest.is_none_or(|newest| bare(&newest) != bare(&strategy));
        let version = StrategyVersion {
            strategy: Some(strategy),
            source: StrategySource::Api.into(),
            put: Some(Attribution {
                reason,
                ..Attribution::default()
            }),
        };
        if changed {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.push(version);
        }
        Ok(Response::new(PutStrategyResponse {
            strategy: self.named(name, self.versions().len()),
            changed,
        }))
    }

    async fn get_strategy(
        &self,
        request: Request<GetStrategyRequest>,
    ) -> Answer<GetStrategyResponse> {
        let GetStrategyRequest { name, version } = request.into_inner();
        let number = match version {
            0 => self.versions().len(),
            number => usize::try_from(number).expect("few"),
        };
        let named = self.named(name, number);
        let named = named.ok_or_else(|| Status::not_found("there is no such strategy"))?;
        Ok(Response::new(GetStrategyResponse {
            strategy: Some(named),
        }))
    }

    /// One name a page, so that whoever wants all has to ask again.
    async fn list_strategies(
        &self,
        request: Request<ListStrategiesRequest>,
    ) -> Answer<ListStrategiesResponse> {
        let first = request.into_inner().page_token.is_empty();
        let (name, next) = if first {
            ("careful", "careful")
        } else {
            ("quick", "")
        };
        let named = NamedStrategy {
            name: name.into(),
            ..NamedStrategy::default()
        };
        Ok(Response::new(ListStrategiesResponse {
            strategies: vec![named],
            next_page_token: next.into(),
        }))
    }

    async fn list_strategy_versions(
        &self,
        _: Request<ListStrategyVersionsRequest>,
    ) -> Answer<ListStrategyVersionsResponse> {
        let versions = self.versions().into_iter().rev();
        Ok(Response::new(ListStrategyVersionsResponse {
            versions: versions.collect(),
            ..ListStrategyVersionsResponse::default()
        }))
    }

    async fn remove_strategy(
        &self,
        request: Request<RemoveStrategyRequest>,
    ) -> Answer<RemoveStrategyResponse> {
        let name = request.into_inner().name;
        Err(Status::failed_precondition(format!(
            "strategy {name} stands in the coordinator's configuration"
        )))
    }
}
