//! The limits of a rollout, counted anew from its members and not from the
//! index that the gates look at.

use std::collections::BTreeMap;

use pinion_model::{AgentId, AgentPhase, FailureKind, RolloutId, RolloutPhase};

use super::bed::Bed;
use crate::{
    Amount, Budget, FailureGroup, Member, OfflinePolicy, Presence, Rollout, SickPolicy, Stage,
    Standing, World,
};

/// A budget of one stage: of one kind of failure, or of all.
#[derive(Debug, Clone, Copy)]
struct Limit {
    stage: usize,
    group: Option<FailureGroup>,
    budget: Budget,
    allowed: usize,
}

fn limits(rollout: &Rollout) -> Vec<Limit> {
    let stages = rollout.stages.iter().enumerate();
    stages
        .flat_map(|(number, stage)| of_stage(number, stage))
        .collect()
}

fn of_stage(number: usize, stage: &Stage) -> Vec<Limit> {
    let whole = (None, stage.rules.failure_budget, stage.failure_budget);
    let kinds = stage.rules.budgets.iter();
    let kinds = kinds.map(|(group, budget)| (Some(*group), *budget, stage.budgets[group]));
    let all = kinds.chain([whole]);
    all.map(|(group, budget, allowed)| Limit {
        stage: number,
        group,
        budget,
        allowed: allowed as usize,
    })
    .collect()
}

fn members(rollout: &Rollout, stage: usize) -> impl Iterator<Item = (&AgentId, &Member)> {
    let members = rollout.members.iter();
    members.filter(move |(_, member)| member.stage as usize == stage)
}

/// It failed, nobody knows it, and it was well before.
fn counts_as_failed(member: &Member, group: Option<FailureGroup>) -> bool {
    let kind = member.failure.as_ref().map(|failure| failure.kind);
    let fits = |wanted| kind.map(FailureGroup::of) == Some(wanted);
    member.standing() == Standing::Failed
        && !member.acknowledged
        && !member.sick
        && group.is_none_or(fits)
}

/// The same, and it is our doing: it was not merely away.
fn failed_by_us(member: &Member, group: Option<FailureGroup>) -> bool {
    let kind = member.failure.as_ref().map(|failure| failure.kind);
    counts_as_failed(member, group) && kind != Some(FailureKind::Offline)
}

fn failed(rollout: &Rollout, limit: &Limit) -> usize {
    let members = members(rollout, limit.stage);
    members
        .filter(|(_, member)| counts_as_failed(member, limit.group))
        .count()
}

fn by_us(rollout: &Rollout, limit: &Limit) -> usize {
    let members = members(rollout, limit.stage);
    members
        .filter(|(_, member)| failed_by_us(member, limit.group))
        .count()
}

/// More have failed than may, and enough have an outcome to tell, or no more will.
fn is_exceeded(world: &World, rollout: &Rollout, limit: &Limit) -> bool {
    if limit.budget.amount == Amount::Percent(100) || failed(rollout, limit) <= limit.allowed {
        return false;
    }
    let counts = world.counts(&rollout.id, limit.stage);
    let outcomes = counts.settled + counts.staged + counts.failed;
    let to_come = counts.pending + counts.in_flight + counts.soaking;
    rollout.spec.strict || outcomes >= limit.budget.min_sample || to_come == 0
}

/// Whether more machines of a stage have failed than one of its budgets allows.
pub(super) fn has_failed(rollout: &Rollout, stage: Option<usize>) -> bool {
    let limits = limits(rollout).into_iter();
    let mut limits = limits.filter(|limit| stage.is_none_or(|stage| stage == limit.stage));
    limits.any(|limit| {
        limit.budget.amount != Amount::Percent(100) && failed(rollout, &limit) > limit.allowed
    })
}

/// Machines that cannot do their work, as `max_unavailable` counts them.
fn unavailable(world: &World, rollout: &Rollout) -> usize {
    let members = rollout.members.iter();
    members
        .filter(|(id, member)| is_unavailable(world, rollout, id, member))
        .count()
}

fn is_unavailable(world: &World, rollout: &Rollout, id: &AgentId, member: &Member) -> bool {
    let agent = world.agents.get(id).filter(|agent| agent.revoked.is_none());
    let Some(agent) = agent else { return false };
    if member.standing() == Standing::InFlight {
        let stranded = member.withdrawing
            && !member.has_cut_over()
            && agent.presence == Presence::Offline
            && rollout.spec.offline == OfflinePolicy::Skip;
        return !stranded;
    }
    let Some(placement) = agent.placements.get(&rollout.workload) else {
        return false;
    };
    let sick = placement.is_sick()
        || member.phase == Some(AgentPhase::RollbackFailed) && placement.containers.is_empty();
    sick && (!member.sick || rollout.spec.count_baseline)
}

/// A machine gets its turn: it takes no limit beyond itself.
pub(super) fn check_turn(world: &World, rollout: &Rollout, agent: &AgentId) {
    let member = &rollout.members[agent];
    assert!(
        !(member.sick && rollout.spec.sick == SickPolicy::Skip),
        "machines that were sick before are gone round where the spec says so"
    );
    if let Some(limit) = rollout.max_unavailable {
        assert!(
            unavailable(world, rollout) < limit as usize,
            "unavailable ≤ max_unavailable whenever something is assigned"
        );
    }
}

/// How many failures each budget could come to, if all that may still fail did.
#[derive(Debug, Default)]
pub(super) struct Ceilings(BTreeMap<(RolloutId, usize, Option<FailureGroup>), usize>);

impl Ceilings {
    /// After every plan.
    pub(super) fn check(&mut self, bed: &Bed) {
        for rollout in bed.world.rollouts.values() {
            for limit in limits(rollout) {
                self.check_budget(&bed.world, rollout, &limit);
                check_strict(rollout, &limit);
            }
        }
    }

    fn check_budget(&mut self, world: &World, rollout: &Rollout, limit: &Limit) {
        let opened = rollout.stages[limit.stage].opened_at.is_some();
        assert!(
            rollout.phase != RolloutPhase::Running
                || !opened
                || !is_exceeded(world, rollout, limit),
            "failures ≤ the budget while it runs and its sample is there"
        );
        let failed = by_us(rollout, limit);
        let exposed = members(rollout, limit.stage).filter(|(_, member)| {
            let standing = member.standing();
            let may_regress = rollout.stages[limit.stage].passed_at.is_none();
            matches!(standing, Standing::InFlight | Standing::Soaking)
                || may_regress && standing == Standing::Settled
        });
        let now = failed + exposed.count();
        let key = (rollout.id.clone(), limit.stage, limit.group);
        if let Some(ceiling) = self.0.insert(key, now) {
            assert!(
                failed <= ceiling,
                "failures caused by us ≤ those before + what was on its way"
            );
        }
    }
}

fn check_strict(rollout: &Rollout, limit: &Limit) {
    let spec = &rollout.spec;
    let applies = spec.strict
        && limit.group != Some(FailureGroup::Offline)
        && limit.budget.amount != Amount::Percent(100)
        // One that was gone round may come back while others are in flight.
        && spec.offline != OfflinePolicy::Skip;
    let at_risk = members(rollout, limit.stage).filter(|(_, member)| match member.standing() {
        Standing::InFlight | Standing::Soaking => true,
        // A success that is taken back was none of those on their way.
        Standing::Failed => {
            failed_by_us(member, limit.group) && member.phase != Some(AgentPhase::Settled)
        }
        _ => false,
    });
    assert!(
        !applies || at_risk.count() <= limit.allowed + 1,
        "strict: failures ≤ budget + 1, whatever becomes of those on their way"
    );
}
