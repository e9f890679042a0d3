//! `pinion strategy`.

use std::io::Read as _;
use std::path::Path;

use pinion_model::{StrategyName, Timestamp};
use pinion_proto::v1;
use pinion_strategy::message;

use super::App;
use crate::args::{PutArgs, StrategyCommand, StrategyListArgs};
use crate::confirm::confirm;
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::strategies;

/// Strategies or versions asked for at once.
const PAGE: u32 = 1_000;

pub(super) async fn run(app: &App, command: StrategyCommand) -> Result<Exit, Error> {
    match command {
        StrategyCommand::Ls(args) => list(app, args).await?,
        StrategyCommand::Show { name, version } => show(app, &name, version).await?,
        StrategyCommand::Put(args) => put(app, args).await?,
        StrategyCommand::Rm { name, reason } => remove(app, &name, reason).await?,
    }
    Ok(Exit::Done)
}

async fn list(app: &App, args: StrategyListArgs) -> Result<(), Error> {
    let link = app.link().await?;
    if let Some(name) = &args.name {
        let answer = versions(&link, name, args.limit).await?;
        return app
            .out
            .show("ListStrategyVersionsResponse", &answer, |answer| {
                strategies::versions(answer, name, app.now)
            });
    }
    let answer = names(&link, &args).await?;
    app.out.show("ListStrategiesResponse", &answer, |answer| {
        strategies::list(answer, app.now)
    })
}

async fn show(app: &App, name: &StrategyName, version: Option<u32>) -> Result<(), Error> {
    let link = app.link().await?;
    let request = v1::GetStrategyRequest {
        name: name.to_string(),
        version: version.unwrap_or_default(),
    };
    let answer = link
        .ask(
            "StrategyService/GetStrategy",
            link.strategies().get_strategy(request),
        )
        .await?;
    if app.out.is_json() {
        return app
            .out
            .show("GetStrategyResponse", &answer, |_| String::new());
    }
    let incomplete = || Error::Incomplete {
        method: "GetStrategy",
        field: "strategy",
    };
    let named = answer.strategy.ok_or_else(incomplete)?;
    app.out.line(&strategies::show(&named, name)?)
}

async fn put(app: &App, args: PutArgs) -> Result<(), Error> {
    let file = args.file.display().to_string();
    let text = read(&args.file).map_err(|source| Error::Read {
        path: file.clone(),
        source,
    })?;
    let strategy = pinion_strategy::read_file(&file, &text, &args.name, now(app))?;
    let request = v1::PutStrategyRequest {
        name: args.name.to_string(),
        strategy: Some(message::strategy(&strategy)),
        reason: args.reason,
    };
    let link = app.link().await?;
    let answer = link
        .ask(
            "StrategyService/PutStrategy",
            link.strategies().put_strategy(request),
        )
        .await?;
    app.out.show("PutStrategyResponse", &answer, |answer| {
        strategies::put(answer, &args.name)
    })
}

async fn remove(app: &App, name: &StrategyName, reason: String) -> Result<(), Error> {
    let question = format!(
        "Take {name} out of use? No rollout can begin with it any more; those that did go on."
    );
    confirm(app.global.yes, &question)?;
    let request = v1::RemoveStrategyRequest {
        name: name.to_string(),
        reason,
    };
    let link = app.link().await?;
    let answer = link
        .ask(
            "StrategyService/RemoveStrategy",
            link.strategies().remove_strategy(request),
        )
        .await?;
    app.out.show("RemoveStrategyResponse", &answer, |_| {
        format!("strategy {name} is removed; its versions stay: pinion strategy ls {name}")
    })
}

/// The whole file; `-` is standard input.
fn read(path: &Path) -> std::io::Result<String> {
    if path != Path::new("-") {
        return std::fs::read_to_string(path);
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// When the windows of what is put must still open.
fn now(app: &App) -> Timestamp {
    let seconds = u64::try_from(app.now.0).unwrap_or_default();
    Timestamp(seconds.saturating_mul(1_000))
}

async fn names(link: &Link, args: &StrategyListArgs) -> Result<v1::ListStrategiesResponse, Error> {
    let mut all = v1::ListStrategiesResponse::default();
    loop {
        let left = args.limit.saturating_sub(all.strategies.len() as u32);
        let request = v1::ListStrategiesRequest {
            page_size: left.min(PAGE),
            page_token: std::mem::take(&mut all.next_page_token),
            removed: args.removed,
        };
        let page = link
            .ask(
                "StrategyService/ListStrategies",
                link.strategies().list_strategies(request),
            )
            .await?;
        all.strategies.extend(page.strategies);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() || all.strategies.len() as u32 >= args.limit {
            return Ok(all);
        }
    }
}

async fn versions(
    link: &Link,
    name: &StrategyName,
    limit: u32,
) -> Result<v1::ListStrategyVersionsResponse, Error> {
    let mut all = v1::ListStrategyVersionsResponse::default();
    loop {
        let left = limit.saturating_sub(all.versions.len() as u32);
        let request = v1::ListStrategyVersionsRequest {
            name: name.to_string(),
            page_size: left.min(PAGE),
            page_token: std::mem::take(&mut all.next_page_token),
        };
        let page = link
            .ask(
                "StrategyService/ListStrategyVersions",
                link.strategies().list_strategy_versions(request),
            )
            .await?;
        all.versions.extend(page.versions);
        all.next_page_token = page.next_page_token;
        all.removed = page.removed;
        if all.next_page_token.is_empty() || all.versions.len() as u32 >= limit {
            return Ok(all);
        }
    }
}
