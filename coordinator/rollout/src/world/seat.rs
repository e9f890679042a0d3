use pinion_model::{AgentId, Timestamp};

use super::{Class, Mark, Member, Pull, Rollout, Way, World};

/// What is known of the member at one place of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) class: Class,
    pub(crate) way: Option<Way>,
    pub(crate) pull: Option<Pull>,
    pub(crate) marks: Vec<Mark>,
    /// It had containers of the workload.
    pub(crate) able: bool,
    /// For one that is offline before its turn, and did not join late: when its
    /// grace time ends.
    pub(crate) grace: Option<Timestamp>,
}

impl Seat {
    /// The seat of a member of a rollout.
    pub(crate) fn of(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> Self {
        let class = Class::of(world, rollout, id, member);
        let counts = class == Class::Offline && !member.late;
        let away = world.agents.get(id).filter(|_| counts);
        Self {
            class,
            way: Way::of(world, rollout, id, member),
            pull: Pull::of(world, rollout, id, member),
            marks: Mark::of(world, rollout, id, member, class),
            able: member.has_containers,
            grace: away.map(|agent| agent.presence_since + rollout.spec.offline_grace),
        }
    }
}
