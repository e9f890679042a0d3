use pinion_model::AgentId;
use pinion_proto::convert::{or_empty, timestamp};
use pinion_proto::v1;
use pinion_rollout::{FleetHold, Hold};

use super::attribution;

/// A hold of a selector, a workload or everything.
pub(crate) fn of_fleet(id: &str, hold: &FleetHold) -> v1::Hold {
    let labels = &hold.agents.0;
    v1::Hold {
        id: id.to_owned(),
        agent: String::new(),
        agents: (!labels.is_empty()).then(|| v1::LabelSelector {
            match_labels: labels.clone(),
        }),
        workload: or_empty(hold.workload.as_ref()),
        placed: Some(attribution(&hold.by)),
        expires_at: hold.expires_at.map(timestamp),
    }
}

/// The hold of one machine.
pub(crate) fn of_machine(name: &AgentId, hold: &Hold) -> v1::Hold {
    v1::Hold {
        agent: name.to_string(),
        placed: Some(attribution(&hold.by)),
        expires_at: hold.expires_at.map(timestamp),
        ..v1::Hold::default()
    }
}
