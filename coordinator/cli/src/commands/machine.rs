//! What shows or changes one machine.

use pinion_model::AgentId;
use pinion_proto::v1;

use super::App;
use crate::args::values::labels;
use crate::args::{HoldArgs, LabelArgs, Reasoned};
use crate::connect::Link;
use crate::error::Error;
use crate::output::agents;

/// What it must run, and what it runs.
pub(super) async fn show(app: &App, link: &Link, agent: &AgentId) -> Result<(), Error> {
    let request = v1::GetAgentRequest {
        agent: agent.to_string(),
    };
    let answer = link
        .ask("FleetService/GetAgent", link.fleet().get_agent(request))
        .await?;
    app.out.show("GetAgentResponse", &answer, |answer| {
        shown(app, answer.agent.as_ref())
    })
}

/// Sets labels, or removes them.
pub(super) async fn label(app: &App, link: &Link, args: LabelArgs) -> Result<(), Error> {
    let request = v1::SetLabelsRequest {
        agent: args.agent.to_string(),
        labels: labels(&args.labels),
    };
    let answer = link
        .ask("FleetService/SetLabels", link.fleet().set_labels(request))
        .await?;
    app.out.show("SetLabelsResponse", &answer, |answer| {
        shown(app, answer.agent.as_ref())
    })
}

/// Lets rollouts go round it.
pub(super) async fn hold(app: &App, link: &Link, args: HoldArgs) -> Result<(), Error> {
    let request = v1::HoldAgentRequest {
        agent: args.agent.to_string(),
        reason: args.reason,
        expires_at: args.duration.map(|duration| app.after(duration)),
    };
    let answer = link
        .ask("FleetService/HoldAgent", link.fleet().hold_agent(request))
        .await?;
    app.out.show("HoldAgentResponse", &answer, |answer| {
        shown(app, answer.agent.as_ref())
    })
}

/// Lets rollouts touch it again.
pub(super) async fn release(app: &App, link: &Link, one: Reasoned) -> Result<(), Error> {
    let request = v1::ReleaseAgentRequest {
        agent: one.agent.to_string(),
        reason: one.reason,
    };
    let answer = link
        .ask(
            "FleetService/ReleaseAgent",
            link.fleet().release_agent(request),
        )
        .await?;
    app.out.show("ReleaseAgentResponse", &answer, |answer| {
        shown(app, answer.agent.as_ref())
    })
}

/// Refuses its certificate from now on.
pub(super) async fn revoke(app: &App, link: &Link, one: Reasoned) -> Result<(), Error> {
    let request = v1::RevokeAgentRequest {
        agent: one.agent.to_string(),
        reason: one.reason,
    };
    let answer = link
        .ask(
            "FleetService/RevokeAgent",
            link.fleet().revoke_agent(request),
        )
        .await?;
    app.out.show("RevokeAgentResponse", &answer, |_| {
        format!("agent {} is revoked", one.agent)
    })
}

/// Revokes and forgets it.
pub(super) async fn remove(app: &App, link: &Link, one: Reasoned) -> Result<(), Error> {
    let request = v1::RemoveAgentRequest {
        agent: one.agent.to_string(),
        reason: one.reason,
    };
    let answer = link
        .ask(
            "FleetService/RemoveAgent",
            link.fleet().remove_agent(request),
        )
        .await?;
    app.out.show("RemoveAgentResponse", &answer, |_| {
        format!("agent {} is removed", one.agent)
    })
}

fn shown(app: &App, agent: Option<&v1::Agent>) -> String {
    agent.map_or_else(String::new, |agent| agents::show(agent, app.now))
}
