use std::sync::Arc;

use pinion_model::StrategyName;
use pinion_proto::v1;
use pinion_proto::v1::strategy_service_server::StrategyService;
use pinion_rollout::commands::{self, PutStrategy, RemoveStrategy};
use pinion_rollout::{NamedStrategy, Outcome, World};
use tonic::{Request, Response, Status};

use super::convert::strategies::{named, version};
use super::convert::{attribution, strategy};
use super::field::{optional_text, text};
use super::{CallError, Context, caller, page};

/// Strategies that are kept under a name.
#[derive(Debug, Clone)]
pub(super) struct StrategyApi(pub(super) Arc<Context>);

impl StrategyApi {
    /// What `look` makes of a name that there is, or was.
    fn known<T>(
        &self,
        name: &StrategyName,
        look: impl FnOnce(&NamedStrategy) -> T,
    ) -> Result<T, CallError> {
        let found = self
            .0
            .ledger
            .read(|world| world.strategies.get(name).map(look));
        found.ok_or_else(|| CallError::not_found("strategy", name))
    }

    /// One version of a name; 0 is the newest.
    fn at(&self, name: &StrategyName, number: u32) -> Result<v1::NamedStrategy, CallError> {
        self.known(name, |known| {
            let found = if number == 0 {
                known.newest()
            } else {
                known.version(number)
            };
            match found {
                Some(found) => Ok(named(name, known, found)),
                None if number == 0 => Err(CallError::not_found("strategy", name)),
                None => Err(none_of(name, known, number)),
            }
        })?
    }
}

fn none_of(name: &StrategyName, known: &NamedStrategy, number: u32) -> CallError {
    let has = known.versions.len();
    CallError::not_found(
        "version of a strategy",
        format!("{name} {number}, which has versions 1 to {has}"),
    )
}

#[tonic::async_trait]
impl StrategyService for StrategyApi {
    async fn put_strategy(
        &self,
        request: Request<v1::PutStrategyRequest>,
    ) -> Result<Response<v1::PutStrategyResponse>, Status> {
        let by = caller(&request);
        let v1::PutStrategyRequest {
            name,
            strategy,
            reason,
        } = request.into_inner();
        let name: StrategyName = text("name", &name)?;
        let asked = strategy.ok_or_else(|| CallError::invalid("strategy", "is missing"))?;
        let put = PutStrategy {
            name: name.clone(),
            strategy: strategy::from_message(&asked).map_err(CallError::from)?,
            reason,
        };
        let (number, changed) = self
            .0
            .decide(|world, now| {
                let Outcome { changes, value } =
                    commands::put_strategy(world, put.clone(), &by, now)?;
                let value = (value.strategy.version, !changes.is_empty());
                Ok(Outcome { changes, value })
            })
            .await?;
        Ok(Response::new(v1::PutStrategyResponse {
            strategy: Some(self.at(&name, number.unwrap_or_default())?),
            changed,
        }))
    }

    async fn get_strategy(
        &self,
        request: Request<v1::GetStrategyRequest>,
    ) -> Result<Response<v1::GetStrategyResponse>, Status> {
        let request = request.into_inner();
        let name = text("name", &request.name)?;
        Ok(Response::new(v1::GetStrategyResponse {
            strategy: Some(self.at(&name, request.version)?),
        }))
    }

    async fn list_strategies(
        &self,
        request: Request<v1::ListStrategiesRequest>,
    ) -> Result<Response<v1::ListStrategiesResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size)?;
        let after: Option<StrategyName> =
            optional_text("page_token", &request.page_token).map_err(|_| page::invalid_token())?;
        let listed = |world: &World| {
            let strategies = world.strategies.iter();
            let strategies = strategies
                .filter(|(name, _)| after.as_ref().is_none_or(|after| *name > after))
                .filter(|(_, known)| request.removed || known.removed.is_none())
                .filter_map(|(name, known)| Some(named(name, known, known.versions.last()?)));
            page::cut(strategies, size)
        };
        let (strategies, more) = self.0.ledger.read(listed);
        let next = strategies.last().filter(|_| more);
        let next = next.map(|strategy| strategy.name.clone());
        Ok(Response::new(v1::ListStrategiesResponse {
            strategies,
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn list_strategy_versions(
        &self,
        request: Request<v1::ListStrategyVersionsRequest>,
    ) -> Result<Response<v1::ListStrategyVersionsResponse>, Status> {
        let request = request.into_inner();
        let name: StrategyName = text("name", &request.name)?;
        let size = page::size(request.page_size)?;
        let before: usize = match request.page_token.as_str() {
            "" => usize::MAX,
            token => token.parse().map_err(|_| page::invalid_token())?,
        };
        let (versions, more, removed) = self.known(&name, |known| {
            // The number of the n-th is n.
            let older = &known.versions[..known.versions.len().min(before.saturating_sub(1))];
            let (versions, more) = page::cut(older.iter().rev().map(version), size);
            (versions, more, known.removed.as_ref().map(attribution))
        })?;
        let oldest = versions.last().filter(|_| more);
        let oldest = oldest.and_then(|oldest| oldest.strategy.as_ref());
        Ok(Response::new(v1::ListStrategyVersionsResponse {
            next_page_token: oldest.map_or_else(String::new, |of| of.version.to_string()),
            versions,
            removed,
        }))
    }

    async fn remove_strategy(
        &self,
        request: Request<v1::RemoveStrategyRequest>,
    ) -> Result<Response<v1::RemoveStrategyResponse>, Status> {
        let by = caller(&request);
        let v1::RemoveStrategyRequest { name, reason } = request.into_inner();
        let remove = RemoveStrategy {
            name: text("name", &name)?,
            reason,
        };
        self.0
            .decide(|world, now| commands::remove_strategy(world, remove.clone(), &by, now))
            .await?;
        Ok(Response::new(v1::RemoveStrategyResponse {}))
    }
}
