//! `pinion agent`.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_proto::v1;

use super::App;
use crate::args::values::labels;
use crate::args::{AgentCommand, HoldArgs, LabelArgs, RefreshArgs};
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
    let link = app.link().await?;
    match command {
        AgentCommand::List { select } => {
            let answer = list(&link, labels(&select)).await?;
            app.out.show("ListAgentsResponse", &answer, |answer| {
                agents::list(&answer.agents, app.now)
            })?;
        }
        AgentCommand::Watch { select } => return watch(app, &link, labels(&select)).await,
        AgentCommand::Refresh(args) => return refresh(app, &link, args).await,
        one => change(app, &link, one).await?,
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

/// What shows or changes one machine.
async fn change(app: &App, link: &Link, command: AgentCommand) -> Result<(), Error> {
    let mut client = link.fleet();
    let show = |agent: &Option<v1::Agent>| {
        agent
            .as_ref()
            .map_or_else(String::new, |agent| agents::show(agent, app.now))
    };
    match command {
        AgentCommand::Show { agent } => {
            let request = v1::GetAgentRequest {
                agent: agent.to_string(),
            };
            let answer = link
                .ask("FleetService/GetAgent", client.get_agent(request))
                .await?;
            app.out
                .show("GetAgentResponse", &answer, |answer| show(&answer.agent))
        }
        AgentCommand::Label(LabelArgs {
            agent,
            labels: given,
        }) => {
            let request = v1::SetLabelsRequest {
                agent: agent.to_string(),
                labels: labels(&given),
            };
            let answer = link
                .ask("FleetService/SetLabels", client.set_labels(request))
                .await?;
            app.out
                .show("SetLabelsResponse", &answer, |answer| show(&answer.agent))
        }
        AgentCommand::Hold(HoldArgs {
            agent,
            reason,
            duration,
        }) => {
            let expires_at = duration.map(|duration| after(app, duration));
            let request = v1::HoldAgentRequest {
                agent: agent.to_string(),
                reason,
                expires_at,
            };
            let answer = link
                .ask("FleetService/HoldAgent", client.hold_agent(request))
                .await?;
            app.out
                .show("HoldAgentResponse", &answer, |answer| show(&answer.agent))
        }
        AgentCommand::Release(one) => {
            let request = v1::ReleaseAgentRequest {
                agent: one.agent.to_string(),
                reason: one.reason,
            };
            let answer = link
                .ask("FleetService/ReleaseAgent", client.release_agent(request))
                .await?;
            app.out.show("ReleaseAgentResponse", &answer, |answer| {
                show(&answer.agent)
            })
        }
        AgentCommand::Revoke(one) => {
            let request = v1::RevokeAgentRequest {
                agent: one.agent.to_string(),
                reason: one.reason,
            };
            let answer = link
                .ask("FleetService/RevokeAgent", client.revoke_agent(request))
                .await?;
            app.out.show("RevokeAgentResponse", &answer, |_| {
                format!("agent {} is revoked", one.agent)
            })
        }
        AgentCommand::Remove(one) => {
            let request = v1::RemoveAgentRequest {
                agent: one.agent.to_string(),
                reason: one.reason,
            };
            let answer = link
                .ask("FleetService/RemoveAgent", client.remove_agent(request))
                .await?;
            app.out.show("RemoveAgentResponse", &answer, |_| {
                format!("agent {} is removed", one.agent)
            })
        }
        AgentCommand::List { .. } | AgentCommand::Watch { .. } | AgentCommand::Refresh(_) => Ok(()),
    }
}

fn after(app: &App, duration: Duration) -> prost_types::Timestamp {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    prost_types::Timestamp {
        seconds: app.now.0.saturating_add(seconds),
        nanos: 0,
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
