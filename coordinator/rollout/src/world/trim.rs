use std::sync::Arc;

use pinion_model::{AgentId, AgentPhase, RolloutId, WorkloadName};
use serde::{Deserialize, Serialize};

use super::{Agent, Counts, Member, Placement, Pull, Rollout, Standing, Way, Workload, World};
use crate::PrefetchCounts;

/// Of how many of a workload's rollouts, the newest, every machine is kept.
/// Kept for ever, those of each promotion would fill the memory.
pub const ROLLOUTS_KEPT_WHOLE: usize = 10;

/// What is kept of the machines of an older rollout: how many stood where when
/// they were let go. Those that something may still become of stay beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trimmed {
    /// Members that are no longer kept.
    pub agents: u32,
    /// Of those: joined after the stages were frozen.
    pub late: u32,
    /// Of those: were sick before the rollout began.
    pub sick: u32,
    /// Machines that no stage took, and that are no longer kept.
    pub left_out: u32,
    /// Where those members stood, by stage.
    pub stages: Vec<Counts>,
    /// Where they stood in the pass ahead of the stages.
    pub prefetch: PrefetchCounts,
}

impl Rollout {
    /// How many machines were selected, but taken by no stage.
    #[must_use]
    pub fn left_out_count(&self) -> u32 {
        let trimmed = self.trimmed.as_ref().map_or(0, |trimmed| trimmed.left_out);
        number(self.left_out.len()).saturating_add(trimmed)
    }

    /// How many of its machines are no longer kept.
    #[must_use]
    pub fn not_kept(&self) -> u32 {
        self.trimmed.as_ref().map_or(0, |trimmed| trimmed.agents)
    }
}

impl World {
    /// Lets go of the machines of a workload's older rollouts, but of those
    /// that something may still become of.
    pub(crate) fn trim(&mut self, workload: &WorkloadName) {
        let Some(known) = self.workloads.get(workload) else {
            return;
        };
        let older = known.rollouts.len().saturating_sub(ROLLOUTS_KEPT_WHOLE);
        let older = known.rollouts[..older].iter();
        let whole = self.whole(known);
        let over: Vec<_> = older
            .filter_map(|id| self.rollouts.get(id))
            .filter(|rollout| rollout.phase.is_terminal())
            .filter_map(|rollout| Some((rollout.id.clone(), self.surplus(rollout, &whole)?)))
            .collect();
        for (id, surplus) in over {
            self.let_go(&id, surplus);
        }
    }

    /// The rollouts that were for every machine and have proven a digest, which
    /// is not distrusted; the newest first.
    fn whole(&self, workload: &Workload) -> Vec<&Rollout> {
        let proven = workload.proven.iter().rev();
        let proven = proven.filter_map(|stable| self.rollouts.get(&stable.rollout));
        let whole = proven.filter(|rollout| {
            let everybody = rollout.spec.agents.0.is_empty() && rollout.left_out_count() == 0;
            everybody && !self.is_quarantined(rollout.digest())
        });
        whole.collect()
    }

    /// None: there is nothing to let go of.
    fn surplus(&self, rollout: &Rollout, whole: &[&Rollout]) -> Option<Surplus> {
        let members = rollout.members.iter();
        let done = members.filter(|(id, member)| !self.needs(rollout, id, member));
        let surplus = Surplus {
            members: done.map(|(id, _)| id.clone()).collect(),
            left_out: !rollout.left_out.is_empty() && self.is_outdone(rollout, whole),
        };
        (surplus.left_out || !surplus.members.is_empty()).then_some(surplus)
    }

    /// Whom it left out is not asked any more: a newer rollout that was for
    /// every machine has proven its digest. Where this one has proven its own,
    /// too, that is so only of the same digest, or the machines that it left
    /// out could come to it once the newer one is distrusted.
    fn is_outdone(&self, rollout: &Rollout, whole: &[&Rollout]) -> bool {
        let workload = self.workloads.get(&rollout.workload);
        let mut proven = workload.into_iter().flat_map(|known| known.proven.iter());
        let is_proof = proven.any(|stable| stable.rollout == rollout.id);
        let newer = whole.iter();
        let mut newer = newer.take_while(|newer| newer.started.at > rollout.started.at);
        newer.any(|newer| !is_proof || newer.digest() == rollout.digest())
    }

    /// Something of an ended rollout may still become of this machine: it has
    /// yet to say what became of what was asked, or it is on its way back. Or
    /// it was enrolled anew since, and no stage would take it now.
    fn needs(&self, rollout: &Rollout, id: &AgentId, member: &Member) -> bool {
        let flies = matches!(member.standing(), Standing::InFlight | Standing::Soaking);
        let back = Way::of(self, rollout, id, member);
        let pull = Pull::of(self, rollout, id, member);
        let placement = |agent: &Agent| {
            let placement = agent.placements.get(&rollout.workload);
            placement.is_some_and(|placement| is_open(placement, &rollout.id))
        };
        // That it is a member is all that says that the rollout was for it.
        let came_since = |agent: &Agent| !rollout.would_take(id, agent);
        flies
            || self.agents.get(id).is_some_and(came_since)
            || back.is_some_and(|way| way != Way::Back)
            || pull.is_some_and(|pull| Pull::OUTSTANDING.contains(&pull))
            || self.agents.get(id).is_some_and(placement)
    }

    fn let_go(&mut self, id: &RolloutId, surplus: Surplus) {
        let before = self.numbers(id);
        let Some(rollout) = self.rollouts.get_mut(id) else {
            return;
        };
        let mut trimmed = Trimmed::clone(&rollout.trimmed.take().unwrap_or_default());
        for agent in &surplus.members {
            if let Some(member) = rollout.members.remove(agent) {
                trimmed.agents += 1;
                trimmed.late += u32::from(member.late);
                trimmed.sick += u32::from(member.sick);
            }
        }
        if surplus.left_out {
            trimmed.left_out = rollout.left_out_count();
            rollout.left_out = Arc::default();
        }
        reseat(rollout);
        self.index.tallies.remove(id);
        let kept: Vec<_> = self.members_of(id).collect();
        for agent in &kept {
            self.refresh_member(id, agent);
        }
        let after = self.numbers(id);
        let stages = before.0.iter().zip(&after.0);
        trimmed.stages = stages.map(|(was, is)| was.without(*is)).collect();
        trimmed.prefetch = before.1.without(after.1);
        if let Some(rollout) = self.rollouts.get_mut(id) {
            rollout.trimmed = Some(Arc::new(trimmed));
        }
    }

    fn members_of<'a>(&'a self, id: &RolloutId) -> impl Iterator<Item = AgentId> + use<'a> {
        let rollout = self.rollouts.get(id).into_iter();
        rollout.flat_map(|rollout| rollout.members.keys().cloned())
    }

    /// How many stand where, by stage and in the pass ahead of the stages.
    fn numbers(&self, id: &RolloutId) -> (Vec<Counts>, PrefetchCounts) {
        let stages = self.rollouts.get(id).map(|rollout| rollout.stages.len());
        let stages = 0..stages.unwrap_or_default();
        let stages = stages.map(|stage| self.counts(id, stage));
        let pulls = self.prefetch_counts(id);
        (stages.collect(), pulls.unwrap_or_default())
    }
}

/// What of an older rollout is not needed any more.
struct Surplus {
    members: Vec<AgentId>,
    left_out: bool,
}

/// What a rollout has asked there, or ahead of it, has no outcome yet, or what
/// the machine went back to by itself was not adopted.
fn is_open(placement: &Placement, rollout: &RolloutId) -> bool {
    let asked = placement.assignment.as_ref();
    let waits = placement.is_in_flight()
        || matches!(
            placement.phase,
            Some(AgentPhase::Soaking | AgentPhase::RolledBack)
        );
    let own = asked.and_then(|asked| asked.rollout()) == Some(rollout);
    let ahead = placement.ahead.as_ref().filter(|ahead| !ahead.is_over());
    own && waits || ahead.is_some_and(|ahead| ahead.assignment.rollout() == Some(rollout))
}

/// Those that are kept move up, each stage in its order.
fn reseat(rollout: &mut Rollout) {
    let members = &mut rollout.members;
    for (number, stage) in rollout.stages.iter_mut().enumerate() {
        let mut place = 0;
        let mut seat = |agent: &&AgentId| {
            let own = |member: &&mut Member| member.stage as usize == number;
            let Some(member) = members.get_mut(*agent).filter(own) else {
                return false;
            };
            member.place = place;
            place += 1;
            true
        };
        let order: Arc<[AgentId]> = stage.order.iter().filter(&mut seat).cloned().collect();
        stage.late = stage.late.iter().filter(&mut seat).cloned().collect();
        stage.order = order;
    }
}

/// Numbers of machines, by where they stand.
pub(super) trait Numbers: Sized {
    /// Field by field.
    fn each(self, other: Self, of: fn(u32, u32) -> u32) -> Self;

    /// Those and these.
    fn with(self, other: Self) -> Self {
        self.each(other, u32::saturating_add)
    }

    /// Those that are not among these.
    fn without(self, other: Self) -> Self {
        self.each(other, u32::saturating_sub)
    }
}

impl Numbers for Counts {
    fn each(self, other: Self, of: fn(u32, u32) -> u32) -> Self {
        Self {
            agents: of(self.agents, other.agents),
            pending: of(self.pending, other.pending),
            in_flight: of(self.in_flight, other.in_flight),
            soaking: of(self.soaking, other.soaking),
            settled: of(self.settled, other.settled),
            staged: of(self.staged, other.staged),
            failed: of(self.failed, other.failed),
            excused: of(self.excused, other.excused),
            skipped: of(self.skipped, other.skipped),
        }
    }
}

impl Numbers for PrefetchCounts {
    fn each(self, other: Self, of: fn(u32, u32) -> u32) -> Self {
        Self {
            agents: of(self.agents, other.agents),
            pending: of(self.pending, other.pending),
            in_flight: of(self.in_flight, other.in_flight),
            prefetched: of(self.prefetched, other.prefetched),
            failed: of(self.failed, other.failed),
            skipped: of(self.skipped, other.skipped),
        }
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
