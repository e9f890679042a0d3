use std::fmt::Debug;

use pinion_model::{AgentId, RolloutId};
use sha2::{Digest as _, Sha256};

use crate::world::Class;
use crate::{Member, Rollout, Stage, World};

/// How much of it is kept, in bytes: half as many as there are hex digits.
const KEPT: usize = 10;

/// What a stage would do now, as one word: the rollout and its digest, whether
/// that is quarantined, all the rules that it began with, and of every machine
/// in order what becomes of it, which attempt it is and what it runs. A person
/// approves exactly this, and an approval of anything else is none.
///
/// Being online is no part of it: a machine that comes and goes has its turn
/// when it is there. Empty if there is no such rollout or stage.
#[must_use]
pub fn plan_hash(world: &World, rollout: &RolloutId, stage: usize) -> String {
    let rollout = world.rollouts.get(rollout);
    rollout
        .and_then(|rollout| Some(of_stage(world, rollout, rollout.stages.get(stage)?)))
        .unwrap_or_default()
}

/// The same of a rollout that may not have begun yet.
pub(crate) fn of_stage(world: &World, rollout: &Rollout, stage: &Stage) -> String {
    let mut shown = Shown(Sha256::new());
    shown.text(rollout.id.as_str());
    shown.text(rollout.digest().as_str());
    shown.number(u64::from(world.is_quarantined(rollout.digest())));
    shown.rules(rollout, stage);
    for agent in stage.order.iter() {
        if let Some(member) = rollout.members.get(agent) {
            shown.machine(world, rollout, agent, member);
        }
    }
    let hash = shown.0.finalize();
    let hash = hash.iter().take(KEPT);
    hash.map(|byte| format!("{byte:02x}")).collect()
}

/// What was fed to the hash: every text with an end, so that no two plans read alike.
struct Shown(Sha256);

impl Shown {
    fn text(&mut self, text: &str) {
        self.0.update(text.as_bytes());
        self.0.update([0]);
    }

    fn number(&mut self, number: u64) {
        self.0.update(number.to_be_bytes());
    }

    /// A value with all that is in it, also what it will have one day.
    fn whole(&mut self, value: &impl Debug) {
        self.text(&format!("{value:?}"));
    }

    /// What the stage and the rollout began with, and what their shares came to.
    fn rules(&mut self, rollout: &Rollout, stage: &Stage) {
        self.whole(&stage.rules);
        self.whole(&rollout.spec);
        self.whole(&(stage.max_in_flight, stage.failure_budget, &stage.budgets));
        self.whole(&(rollout.max_unavailable, rollout.quarantine_after));
    }

    fn machine(&mut self, world: &World, rollout: &Rollout, id: &AgentId, member: &Member) {
        self.text(id.as_str());
        self.text(fate(Class::of(world, rollout, id, member)));
        self.number(u64::from(member.attempt.0));
        let agent = world.agents.get(id);
        let placement = agent.and_then(|agent| agent.placements.get(&rollout.workload));
        let containers = placement.map_or(&[][..], |placement| &placement.containers);
        let mut digests: Vec<_> = containers.iter().map(|one| one.digest.as_ref()).collect();
        digests.sort();
        digests.dedup();
        for digest in digests {
            self.text(digest.map_or("unknown", |digest| digest.as_str()));
        }
        self.text("");
    }
}

/// What becomes of a machine once its stage opens.
fn fate(class: Class) -> &'static str {
    match class {
        Class::Held => "held",
        Class::Sick => "sick",
        Class::Gone => "gone",
        Class::Ready
        | Class::Unknown
        | Class::Offline
        | Class::Shut
        | Class::After
        | Class::Busy => "assigned",
        _ => "done",
    }
}
