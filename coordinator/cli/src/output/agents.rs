//! The machines.

use std::collections::BTreeSet;

use pinion_proto::v1;

use super::age::Now;
use super::table::{Table, fields};
use super::{text, words};

/// Lines of a machine's log that are shown.
const LOG_LINES: usize = 10;

/// Machines, one a line.
pub(crate) fn list(agents: &[v1::Agent], now: Now) -> String {
    let mut table = Table::new([
        "AGENT",
        "PRESENCE",
        "SINCE",
        "VERSION",
        "LABELS",
        "NOTE",
        "WORKLOADS",
    ]);
    for agent in agents {
        table.row([
            agent.name.clone(),
            words::presence(agent.presence),
            now.age(agent.presence_since.as_ref()),
            text::line(&agent.agent_version),
            words::labels(&agent.labels),
            note(agent),
            workloads(agent),
        ]);
    }
    if table.is_empty() {
        return "No agents. Enrol a machine: pinion token create --kind enrollment --name NAME"
            .into();
    }
    table.render()
}

/// One machine in full.
pub(crate) fn show(agent: &v1::Agent, now: Now) -> String {
    let mut out = about(agent, now);
    if agent.workloads.is_empty() {
        out.push_str("\nIt runs no workload of the catalog.\n");
        out.push_str(&lately(agent, now));
        return out;
    }
    out.push_str(&format!("\n{}", assignments(agent, now)));
    let containers = containers(agent);
    if !containers.is_empty() {
        out.push_str(&format!("\n{containers}"));
    }
    out.push_str(&waits(agent));
    out.push_str(&failures(agent));
    out.push_str(&lately(agent, now));
    out
}

/// What each workload waits for: who holds it, why and until when; or that it
/// was forced.
fn waits(agent: &v1::Agent) -> String {
    let mut out = String::new();
    for workload in &agent.workloads {
        let deferral = workload.deferral.as_ref().map(pinion_model::Deferral::from);
        let told = match (deferral, workload.waiting_for.as_str()) {
            (Some(deferral), _) => deferral.to_string(),
            (None, "") => continue,
            (None, why) => why.to_owned(),
        };
        let name = &workload.workload;
        out.push_str(&format!("\n{name}: {}\n", text::line(&told)));
    }
    out
}

/// The machine itself, without its workloads.
fn about(agent: &v1::Agent, now: Now) -> String {
    let presence = format!(
        "{} for {}",
        words::presence(agent.presence),
        now.age(agent.presence_since.as_ref())
    );
    let held = agent.held.as_ref();
    let held = held.map_or_else(String::new, |held| hold(agent, held, now));
    let only_if = |is: bool, text: &str| if is { text.to_owned() } else { String::new() };
    let certificate_ends = now.when(agent.certificate_expires_at.as_ref());
    fields([
        ("agent", agent.name.clone()),
        ("presence", presence),
        ("labels", words::labels(&agent.labels)),
        ("agent version", text::line(&agent.agent_version)),
        ("engine version", text::line(&agent.engine_version)),
        ("facts", words::labels(&agent.facts)),
        ("held", held),
        ("revoked", only_if(agent.revoked, REVOKED)),
        ("conflict", only_if(agent.identity_conflict, CONFLICT)),
        ("generation", agent.generation.to_string()),
        ("enrolled", now.when(agent.enrolled_at.as_ref())),
        ("certificate ends", certificate_ends),
    ])
}

const REVOKED: &str = "yes: its certificate is refused";
const CONFLICT: &str = "two machines use its certificate: enrol one of them anew";

/// What a refresh did, machine by machine.
pub(crate) fn refreshed(answer: &v1::RefreshAgentsResponse) -> String {
    let mut table = Table::new(["AGENT", "WORKLOAD", "OUTCOME", "FAILURE"]);
    for agent in &answer.agents {
        let names: BTreeSet<_> = agent
            .pulled
            .iter()
            .chain(&agent.recreated)
            .chain(agent.failed.keys())
            .collect();
        for workload in names {
            let failure = agent.failed.get(workload);
            let outcome = match failure {
                Some(_) => "failed",
                None if agent.recreated.contains(workload) => "recreated",
                None => "pulled",
            };
            table.row([
                agent.agent.clone(),
                workload.clone(),
                outcome.into(),
                failure.map_or_else(|| "-".into(), words::failure),
            ]);
        }
    }
    if table.is_empty() {
        return "Nothing to do: no workload of these agents has a stable digest yet.".into();
    }
    table.render()
}

/// `codex settled abc123` for each workload.
fn workloads(agent: &v1::Agent) -> String {
    let each: Vec<_> = agent
        .workloads
        .iter()
        .map(|workload| {
            let drifted = if workload.drifted { " (drifted)" } else { "" };
            format!(
                "{} {} {}{drifted}",
                workload.workload,
                workload_word(workload),
                running(workload)
            )
        })
        .collect();
    if each.is_empty() {
        "-".into()
    } else {
        each.join(", ")
    }
}

/// Its phase; a workload that was found and never assigned is only seen.
fn workload_word(workload: &v1::AgentWorkload) -> String {
    if workload.phase == 0 {
        "seen".into()
    } else {
        words::agent_phase(workload.phase)
    }
}

fn running(workload: &v1::AgentWorkload) -> String {
    let digests: BTreeSet<_> = workload
        .containers
        .iter()
        .filter(|c| c.running)
        .map(|c| words::digest(&c.digest))
        .collect();
    if digests.is_empty() {
        "-".into()
    } else {
        digests.into_iter().collect::<Vec<_>>().join("+")
    }
}

fn note(agent: &v1::Agent) -> String {
    let notes: Vec<_> = [
        (agent.revoked, "revoked"),
        (agent.identity_conflict, "identity conflict"),
        (agent.held.is_some(), "held"),
        (
            agent
                .workloads
                .iter()
                .any(|workload| workload.failure.is_some()),
            "failed",
        ),
    ]
    .into_iter()
    .filter_map(|(is, word)| is.then_some(word))
    .collect();
    if notes.is_empty() {
        "-".into()
    } else {
        notes.join(", ")
    }
}

fn hold(agent: &v1::Agent, held: &v1::Attribution, now: Now) -> String {
    let until = match &agent.hold_expires_at {
        Some(at) => format!(", ends {}", now.when(Some(at))),
        None => String::new(),
    };
    let who = words::actor(held.actor.as_ref());
    format!(
        "{} by {who}{until}: {}",
        now.when(held.at.as_ref()),
        text::line(&held.reason)
    )
}

fn assignments(agent: &v1::Agent, now: Now) -> String {
    let mut table = Table::new([
        "WORKLOAD", "PHASE", "DESIRED", "RUNNING", "ROLLOUT", "ATTEMPT", "REPORTED", "NOTE",
    ]);
    for workload in &agent.workloads {
        table.row([
            workload.workload.clone(),
            workload_word(workload),
            words::digest(&workload.desired),
            running(workload),
            if workload.rollout.is_empty() {
                "-".into()
            } else {
                workload.rollout.clone()
            },
            workload.attempt.to_string(),
            now.when(workload.reported_at.as_ref()),
            match (&workload.failure, workload.drifted) {
                (Some(failure), _) => words::failure(failure),
                (None, true) => "drifted: it no longer runs what it settled on".into(),
                (None, false) => "-".into(),
            },
        ]);
    }
    table.render()
}

fn containers(agent: &v1::Agent) -> String {
    let mut table = Table::new(["CONTAINER", "WORKLOAD", "ID", "DIGEST", "RUNNING", "HEALTH"]);
    for workload in &agent.workloads {
        for container in &workload.containers {
            table.row([
                text::line(&container.name),
                workload.workload.clone(),
                text::line(&container.id).chars().take(12).collect(),
                words::digest(&container.digest),
                if container.running {
                    "yes".into()
                } else {
                    "no".into()
                },
                text::line(&container.health),
            ]);
        }
    }
    if table.is_empty() {
        String::new()
    } else {
        table.render()
    }
}

fn failures(agent: &v1::Agent) -> String {
    agent
        .workloads
        .iter()
        .filter_map(|workload| workload.failure.as_ref().map(|failure| (workload, failure)))
        .filter(|(_, failure)| !failure.log_tail.trim().is_empty())
        .map(|(workload, failure)| {
            format!(
                "\nlast lines of {}:\n{}",
                workload.workload,
                text::tail(&failure.log_tail, LOG_LINES, "  ")
            )
        })
        .collect()
}

/// What happened there lately, the newest last.
fn lately(agent: &v1::Agent, now: Now) -> String {
    let mut table = Table::new(["HAPPENED", "WORKLOAD", "WHAT", "NOTE"]);
    for happening in &agent.happenings {
        let times = (happening.times > 1).then(|| format!("{} times in a row", happening.times));
        let away = happening.away.then(|| "while it was away".to_owned());
        let notes: Vec<_> = times.into_iter().chain(away).collect();
        let or_none = |text: &str| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text::line(text)
            }
        };
        table.row([
            now.when(happening.at.as_ref()),
            or_none(&happening.workload),
            text::line(&happening.what),
            or_none(&notes.join(", ")),
        ]);
    }
    if table.is_empty() {
        return String::new();
    }
    format!("\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> v1::Agent {
        let container = v1::ObservedContainer {
            name: "web".into(),
            digest: format!("sha256:{}", "ab".repeat(32)),
            running: true,
            ..Default::default()
        };
        let workload = v1::AgentWorkload {
            workload: "codex".into(),
            phase: v1::AgentPhase::Settled.into(),
            containers: vec![container],
            ..Default::default()
        };
        v1::Agent {
            name: "t1".into(),
            presence: v1::Presence::Online.into(),
            agent_version: "1.2.3".into(),
            workloads: vec![workload],
            held: Some(v1::Attribution {
                reason: "demo".into(),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    #[test]
    fn a_machine_is_a_line_with_what_it_runs() {
        let text = list(&[agent()], Now(0));
        for part in [
            "t1",
            "online",
            "1.2.3",
            "held",
            "codex settled abababababab",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn an_empty_fleet_says_how_to_enrol() {
        assert!(list(&[], Now(0)).contains("pinion token create"));
    }

    #[test]
    fn a_machine_in_full_names_its_containers_and_its_hold() {
        let text = show(&agent(), Now(0));
        assert!(
            ["web", "demo", "1.2.3"]
                .iter()
                .all(|part| text.contains(part)),
            "{text}"
        );
    }

    #[test]
    fn a_machine_in_use_names_who_holds_it_and_one_that_was_forced_says_so() {
        let holder = v1::Holder {
            kind: v1::HolderKind::Lock.into(),
            owner: "backup".into(),
            reason: "nightly dump".into(),
            until: Some(prost_types::Timestamp::default()),
        };
        let deferral = v1::Deferral {
            then: v1::InUsePolicy::Skip.into(),
            holders: vec![holder],
            ..Default::default()
        };
        let mut agent = agent();
        agent.workloads[0].deferral = Some(deferral);
        let text = show(&agent, Now(0));
        for part in [
            "codex: in use",
            "lock of backup: nightly dump",
            "1970-01-01",
            "goes on without",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        if let Some(deferral) = &mut agent.workloads[0].deferral {
            deferral.forced = true;
        }
        let text = show(&agent, Now(0));
        assert!(text.contains("codex: replaced although in use"), "{text}");
        agent.workloads[0].deferral = None;
        agent.workloads[0].waiting_for = "container \"web\" to run again".into();
        assert!(show(&agent, Now(0)).contains("codex: container \"web\" to run again"));
    }

    #[test]
    fn what_a_machine_did_while_it_was_away_is_marked() {
        let happening = |what: &str, times, away| v1::Happening {
            what: what.into(),
            workload: "codex".into(),
            times,
            away,
            ..Default::default()
        };
        let mut agent = agent();
        agent.happenings = vec![
            happening("rolled back", 1, true),
            happening("restarted", 3, false),
        ];
        let text = show(&agent, Now(0));
        let line = |what: &str| {
            text.lines()
                .find(|line| line.contains(what))
                .unwrap_or_default()
                .to_owned()
        };
        assert!(line("rolled back").contains("while it was away"), "{text}");
        assert!(line("restarted").contains("3 times in a row"), "{text}");
        assert!(!line("restarted").contains("away"), "{text}");
    }

    #[test]
    fn a_refresh_says_what_failed_and_why() {
        let failure = v1::Failure {
            kind: v1::FailureKind::Network.into(),
            message: "no route".into(),
            ..Default::default()
        };
        let one = v1::RefreshedAgent {
            agent: "t1".into(),
            pulled: vec!["codex".into(), "hermes".into()],
            recreated: vec!["codex".into()],
            failed: [("hermes".to_owned(), failure)].into(),
        };
        let text = refreshed(&v1::RefreshAgentsResponse { agents: vec![one] });
        assert!(
            text.contains("recreated") && text.contains("network: no route"),
            "{text}"
        );
    }
}
