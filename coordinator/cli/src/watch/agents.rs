//! The fleet as lines, each written only when it says something new.

use std::collections::BTreeMap;

use pinion_proto::v1::{Agent, AgentWorkload, WatchAgentsResponse};

use crate::output::words;

/// What was said so far, by agent and subject.
#[derive(Debug, Default)]
pub(crate) struct Fleet(BTreeMap<String, BTreeMap<String, String>>);

impl Fleet {
    /// The lines that `answer` adds to what was said.
    pub(crate) fn observe(&mut self, answer: &WatchAgentsResponse) -> Vec<String> {
        let mut lines = Vec::new();
        for agent in &answer.agents {
            let seen = self.0.entry(agent.name.clone()).or_default();
            let now = sayings(agent);
            for (subject, saying) in &now {
                if seen.get(subject) != Some(saying) {
                    lines.push(format!("agent {} {saying}", agent.name));
                }
            }
            // What is not said of a workload any more is said anew in a moment.
            let ended = ["held", "revoked", "in identity conflict"];
            for subject in ended
                .iter()
                .filter(|it| seen.contains_key(**it) && !now.contains_key(**it))
            {
                lines.push(format!("agent {} {}", agent.name, gone(subject)));
            }
            *seen = now;
        }
        for name in &answer.removed {
            self.0.remove(name);
            lines.push(format!("agent {name} removed"));
        }
        lines
    }
}

fn sayings(agent: &Agent) -> BTreeMap<String, String> {
    let mut said = BTreeMap::from([("presence".to_owned(), words::presence(agent.presence))]);
    if agent.held.is_some() {
        said.insert("held".into(), "held".into());
    }
    if agent.revoked {
        said.insert("revoked".into(), "revoked".into());
    }
    if agent.identity_conflict {
        said.insert(
            "in identity conflict".into(),
            "in identity conflict: two machines use its certificate".into(),
        );
    }
    for workload in agent
        .workloads
        .iter()
        .filter(|workload| workload.phase != 0)
    {
        said.insert(
            format!("workload {}", workload.workload),
            workload_saying(workload),
        );
    }
    said
}

fn workload_saying(workload: &AgentWorkload) -> String {
    let mut out = format!(
        "{} {} {}",
        workload.workload,
        words::agent_phase(workload.phase),
        words::digest(&workload.desired)
    );
    if let Some(failure) = &workload.failure {
        out.push_str(&format!(": {}", words::failure(failure)));
    }
    if workload.drifted {
        out.push_str(" (drifted)");
    }
    out
}

fn gone(subject: &str) -> String {
    match subject {
        "held" => "released".into(),
        subject => format!("no longer {subject}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_proto::v1::{AgentPhase, Attribution, Presence};

    fn agent(presence: Presence, phase: AgentPhase) -> Agent {
        let workload = AgentWorkload {
            workload: "codex".into(),
            phase: phase.into(),
            ..AgentWorkload::default()
        };
        Agent {
            name: "t1".into(),
            presence: presence.into(),
            workloads: vec![workload],
            ..Agent::default()
        }
    }

    fn one(agent: Agent) -> WatchAgentsResponse {
        WatchAgentsResponse {
            agents: vec![agent],
            removed: vec![],
        }
    }

    #[test]
    fn only_what_changed_of_a_machine_is_told() {
        let mut fleet = Fleet::default();
        let first = fleet.observe(&one(agent(Presence::Online, AgentPhase::Pulling)));
        assert_eq!(first, ["agent t1 online", "agent t1 codex pulling -"]);
        assert!(
            fleet
                .observe(&one(agent(Presence::Online, AgentPhase::Pulling)))
                .is_empty()
        );
        let next = fleet.observe(&one(agent(Presence::Offline, AgentPhase::Pulling)));
        assert_eq!(next, ["agent t1 offline"]);
    }

    #[test]
    fn a_release_and_a_removal_are_told() {
        let mut fleet = Fleet::default();
        let held = Agent {
            held: Some(Attribution::default()),
            ..agent(Presence::Online, AgentPhase::Settled)
        };
        assert!(
            fleet
                .observe(&one(held))
                .contains(&"agent t1 held".to_owned())
        );
        assert_eq!(
            fleet.observe(&one(agent(Presence::Online, AgentPhase::Settled))),
            ["agent t1 released"]
        );
        let removed = WatchAgentsResponse {
            agents: vec![],
            removed: vec!["t1".into()],
        };
        assert_eq!(fleet.observe(&removed), ["agent t1 removed"]);
    }
}
