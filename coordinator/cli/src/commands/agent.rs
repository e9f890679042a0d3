//! `pinion agent`.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_proto::v1;

use super::{App, machine};
use crate::args::values::labels;
use crate::args::{AgentCommand, RefreshArgs};
use crate::confirm::confirm;
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::age::clock;
use crate::output::agents;
use crate::watch::agents::Fleet;
use crate::watch::follow::{Event, follow};

/// Agents asked for at once.
const PAGE: u32 = 1_000;
/// Longest wait for a refresh: it pulls images.
const REFRESH: Duration = Duration::from_secs(30 * 60);

pub(super) async fn run(app: &App, command: AgentCommand) -> Result<Exit, Error> {
    ask_first(app, &command)?;
    let link = &app.link().await?;
    match command {
        AgentCommand::List { select } => {
            let answer = list(link, labels(&select)).await?;
            app.out.show("ListAgentsResponse", &answer, |answer| {
                agents::list(&answer.agents, app.now)
            })?;
        }
        AgentCommand::Watch { select } => return watch(app, link, labels(&select)).await,
        AgentCommand::Refresh(args) => return refresh(app, link, args).await,
        AgentCommand::Show { agent } => machine::show(app, link, &agent).await?,
        AgentCommand::Label(args) => machine::label(app, link, args).await?,
        AgentCommand::Hold(args) => machine::hold(app, link, args).await?,
        AgentCommand::Release(one) => machine::release(app, link, one).await?,
        AgentCommand::Revoke(one) => machine::revoke(app, link, one).await?,
        AgentCommand::Remove(one) => machine::remove(app, link, one).await?,
    }
    Ok(Exit::Done)
}

fn ask_first(app: &App, command: &AgentCommand) -> Result<(), Error> {
    let question = match command {
        AgentCommand::Revoke(one) => format!(
            "Revoke {}? Its certificate is refused from now on, and it must be enrolled anew.",
            one.agent
        ),
        AgentCommand::Remove(one) => format!(
            "Remove {}? It is revoked and forgotten, with its labels and its history.",
            one.agent
        ),
        _ => return Ok(()),
    };
    confirm(app.global.yes, &question)
}

async fn list(
    link: &Link,
    match_labels: BTreeMap<String, String>,
) -> Result<v1::ListAgentsResponse, Error> {
    let mut all = v1::ListAgentsResponse::default();
    loop {
        let request = v1::ListAgentsRequest {
            match_labels: match_labels.clone(),
            page_size: PAGE,
            page_token: std::mem::take(&mut all.next_page_token),
        };
        let page = link
            .ask("FleetService/ListAgents", link.fleet().list_agents(request))
            .await?;
        all.agents.extend(page.agents);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn refresh(app: &App, link: &Link, args: RefreshArgs) -> Result<Exit, Error> {
    let request = v1::RefreshAgentsRequest {
        agents: args.agents.iter().map(ToString::to_string).collect(),
        workloads: args.workloads.iter().map(ToString::to_string).collect(),
        reason: args.reason,
    };
    let limit = REFRESH.max(app.global.timeout);
    let answer = link
        .ask_for(
            limit,
            "FleetService/RefreshAgents",
            link.fleet().refresh_agents(request),
        )
        .await?;
    app.out
        .show("RefreshAgentsResponse", &answer, agents::refreshed)?;
    let failed = answer.agents.iter().any(|agent| !agent.failed.is_empty());
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

async fn watch(
    app: &App,
    link: &Link,
    match_labels: BTreeMap<String, String>,
) -> Result<Exit, Error> {
    let request = v1::WatchAgentsRequest { match_labels };
    let mut fleet = Fleet::default();
    follow(
        link,
        "FleetService/WatchAgents",
        async || link.fleet().watch_agents(request.clone()).await,
        |event| {
            match event {
                Event::Message(answer) if app.out.is_json() => {
                    app.out
                        .show("WatchAgentsResponse", &answer, |_| String::new())?;
                }
                Event::Message(answer) => {
                    for line in fleet.observe(&answer) {
                        app.out.line(&format!("{} {line}", clock()))?;
                    }
                }
                Event::Broken { why, wait } => eprintln!(
                    "{} lost sight of the fleet ({why}); looking again in {wait:?}",
                    clock()
                ),
                Event::Quiet => {}
                Event::Back => eprintln!("{} the coordinator answers again", clock()),
            }
            Ok(None)
        },
    )
    .await
}
