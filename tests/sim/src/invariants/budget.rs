//! How many machines of a stage may be in flight, and how many may fail.

use std::collections::BTreeSet;

use pinion_model::{AgentId, Generation, Revision, RolloutId, RolloutPhase};
use pinion_rollout::{
    Act, Amount, Change, Decision, FailureGroup, Member, Observation, OfflinePolicy, Presence,
    Purpose, Rollout, Standing, World, apply,
};

use super::decisions::one_workload_at_a_time;
use super::turns::nobody_is_left_half_way;
use super::{Held, holds};
use crate::sim::Sim;

/// A stage of a rollout.
type Place = (RolloutId, u32);

impl Sim {
    /// A decision, before it is committed, on the World that it was made from.
    pub(crate) fn check_decision(
        &mut self,
        coordinator: usize,
        changes: &[Change],
        seen: Revision,
    ) -> Held {
        let world = &self.coordinators[coordinator].view.world;
        nobody_is_left_half_way(world, changes)?;
        one_workload_at_a_time(world, changes)?;
        let mut turns = turns(world, changes);
        let size = |id: &RolloutId| {
            world
                .rollouts
                .get(id)
                .map_or(0, |known| known.members.len())
        };
        let watch = &mut self.watch;
        turns.retain(|(id, _)| watch.looks_at(size(id)));
        if turns.is_empty() {
            return Ok(());
        }
        debug_assert_eq!(self.coordinators[coordinator].view.revision, seen);
        let mut world = self.coordinators[coordinator].view.world.clone();
        for change in changes {
            apply(&mut world, change);
        }
        for place in &turns {
            in_flight_within_the_cap(&world, place)?;
            failures_within_the_budget(&world, place)?;
            unavailable_within_the_limit(&world, &place.0)?;
            a_strict_stage_risks_one_beyond_its_budget(&world, place)?;
        }
        Ok(())
    }

    /// What a change did to the failures of a stage.
    pub(crate) fn after_change(&mut self, change: &Change) -> Held {
        let Some((rollout, agent)) = self.may_have_failed(change) else {
            return Ok(());
        };
        let world = &self.store.truth.world;
        let Some(rollout) = world
            .rollouts
            .get(&rollout)
            .filter(|rollout| rollout.phase == RolloutPhase::Running)
        else {
            return Ok(());
        };
        let Some(stage) = rollout.members.get(&agent).map(|member| member.stage) else {
            return Ok(());
        };
        self.failures_end_with_what_was_in_flight((rollout.id.clone(), stage))
    }

    /// The member that a change may have made a failure.
    fn may_have_failed(&self, change: &Change) -> Option<(RolloutId, AgentId)> {
        match change {
            Change::Decision(Decision {
                act: Act::MemberFailed { rollout, agent, .. },
                ..
            }) => Some((rollout.clone(), agent.clone())),
            Change::Observation(Observation::Reported { agent, report, .. })
                if report.phase.is_failure() =>
            {
                let placement = self
                    .store
                    .truth
                    .world
                    .agents
                    .get(agent)?
                    .placements
                    .get(&report.workload)?;
                let rollout = placement.assignment.as_ref()?.rollout()?;
                Some((rollout.clone(), agent.clone()))
            }
            _ => None,
        }
    }

    /// Once more have failed than may, at most those fail too that were asked
    /// by then: in flight, soaking, or settled and still watched, when the
    /// budget was exceeded.
    fn failures_end_with_what_was_in_flight(&mut self, place: Place) -> Held {
        const NAME: &str = "failures ≤ budget + what was in flight when it tripped";
        let Some(rollout) = self.store.truth.world.rollouts.get(&place.0) else {
            return Ok(());
        };
        let Some(stage) = rollout.stages.get(place.1 as usize) else {
            return Ok(());
        };
        if !self.watch.looks_at(rollout.members.len()) {
            return Ok(());
        }
        let failed = count(rollout, place.1, is_our_failure);
        let budget = stage.rules.failure_budget;
        let is_judged = budget.min_sample <= 1 && budget.amount != Amount::Percent(100);
        if failed <= stage.failure_budget || !is_judged {
            return Ok(());
        }
        let limit = *self.watch.tripped.entry(place.clone()).or_insert_with(|| {
            failed
                + count(rollout, place.1, |member| {
                    matches!(
                        member.standing(),
                        Standing::InFlight | Standing::Soaking | Standing::Settled
                    )
                })
        });
        holds(NAME, failed <= limit, || {
            format!(
                "{} stage {}: {failed} failed, and at most {limit} could",
                place.0,
                place.1 + 1
            )
        })
    }

    /// A person went on in knowledge of what had failed.
    pub(super) fn forget_trips(&mut self, rollout: &RolloutId) {
        self.watch.tripped.retain(|(id, _), _| id != rollout);
    }
}

/// The stages of which a plan gives machines their turn.
fn turns(world: &World, changes: &[Change]) -> BTreeSet<Place> {
    let turn = |change: &Change| {
        let Change::Decision(Decision {
            act: Act::Assigned {
                agent, assignment, ..
            },
            ..
        }) = change
        else {
            return None;
        };
        let Purpose::Rollout { rollout, .. } = &assignment.purpose else {
            return None;
        };
        let member = world.rollouts.get(rollout)?.members.get(agent)?;
        Some((rollout.clone(), member.stage))
    };
    changes.iter().filter_map(turn).collect()
}

/// No more machines of a stage are in flight than its cap. Where the strategy
/// goes round offline machines, those that were withdrawn there are not counted.
fn in_flight_within_the_cap(world: &World, (id, stage): &Place) -> Held {
    let Some(rollout) = world.rollouts.get(id) else {
        return Ok(());
    };
    let members = rollout.members.iter();
    let counted = members.filter(|(agent, member)| {
        member.stage == *stage && is_in_flight(world, rollout, agent, member)
    });
    let counted = counted.count();
    let cap = rollout
        .stages
        .get(*stage as usize)
        .map_or(0, |stage| stage.max_in_flight as usize);
    holds("in flight ≤ cap", counted <= cap, || {
        format!(
            "{id} stage {}: {counted} are in flight, and {cap} may be",
            stage + 1
        )
    })
}

/// One that was withdrawn where the strategy goes round offline machines does not count there.
fn is_in_flight(world: &World, rollout: &Rollout, agent: &AgentId, member: &Member) -> bool {
    let goes_round = rollout.spec.offline == OfflinePolicy::Skip;
    let agent = world.agents.get(agent);
    let agent = agent.filter(|agent| agent.revoked.is_none());
    let is_away = agent.is_some_and(|agent| agent.presence == Presence::Offline);
    let is_let_go = goes_round && is_away && member.withdrawing && !member.has_cut_over();
    agent.is_some() && member.standing() == Standing::InFlight && !is_let_go
}

/// No more machines are in flight, over all stages, than may be unavailable.
fn unavailable_within_the_limit(world: &World, id: &RolloutId) -> Held {
    let rollout = world.rollouts.get(id);
    let limit = rollout.and_then(|rollout| Some((rollout, rollout.max_unavailable? as usize)));
    let Some((rollout, limit)) = limit else {
        return Ok(());
    };
    let members = rollout.members.iter();
    let counted = members.filter(|(agent, member)| is_in_flight(world, rollout, agent, member));
    let counted = counted.count();
    holds("in flight ≤ max_unavailable", counted <= limit, || {
        format!("{id}: {counted} are in flight, and {limit} may be unavailable")
    })
}

/// If all that are on their way when a machine gets its turn fail, a strict
/// stage has lost one more than it may. Those that went offline and are gone
/// round are not on their way, nor are those that have settled.
fn a_strict_stage_risks_one_beyond_its_budget(world: &World, (id, stage): &Place) -> Held {
    let rollout = world.rollouts.get(id).filter(|rollout| rollout.spec.strict);
    let known = rollout.and_then(|rollout| Some((rollout, rollout.stages.get(*stage as usize)?)));
    let Some((rollout, known)) = known else {
        return Ok(());
    };
    if known.rules.failure_budget.amount == Amount::Percent(100) {
        return Ok(());
    }
    let members = rollout.members.iter();
    let at_risk = members.filter(|(agent, member)| {
        let is_on_its_way =
            member.standing() == Standing::Soaking || is_in_flight(world, rollout, agent, member);
        member.stage == *stage && (is_on_its_way || is_blamed(member))
    });
    let (at_risk, allowed) = (at_risk.count(), known.failure_budget as usize);
    holds(
        "strict: failures ≤ budget + 1",
        at_risk <= allowed + 1,
        || {
            format!(
                "{id} stage {}: {at_risk} have failed or may, and {allowed} may fail",
                stage + 1
            )
        },
    )
}

/// Nothing is assigned in a stage that has lost more than it may, of any kind
/// or of one, as far as the sample is large enough to say so.
fn failures_within_the_budget(world: &World, (id, stage): &Place) -> Held {
    let Some(rollout) = world.rollouts.get(id) else {
        return Ok(());
    };
    let Some(known) = rollout.stages.get(*stage as usize) else {
        return Ok(());
    };
    let kinds = known
        .rules
        .budgets
        .iter()
        .map(|(group, budget)| (Some(*group), *budget, known.budgets.get(group).copied()));
    let whole = (None, known.rules.failure_budget, Some(known.failure_budget));
    for (group, budget, allowed) in kinds.chain([whole]) {
        let is_judged = budget.min_sample <= 1 && budget.amount != Amount::Percent(100);
        let failed = count(rollout, *stage, |member| {
            let kind = member
                .failure
                .as_ref()
                .map(|failure| FailureGroup::of(failure.kind));
            is_blamed(member) && (group.is_none() || kind == group)
        });
        let allowed = allowed.unwrap_or_default();
        holds(
            "nothing is assigned beyond the failure budget",
            !is_judged || failed <= allowed,
            || {
                format!(
                    "{id} stage {}: {failed} failed ({group:?}), and {allowed} may",
                    stage + 1
                )
            },
        )?;
    }
    Ok(())
}

/// Failed, nobody went on knowing it, it was well before, and it was not gone
/// round because it was in use.
fn is_blamed(member: &Member) -> bool {
    let excused = member.sick || member.in_use;
    member.standing() == Standing::Failed && !member.acknowledged && !excused
}

/// Failed after it was asked, and nobody went on knowing it. Any number may be
/// found to be offline when their turn comes, also those that were asked and
/// withdrawn before: that is nothing that a rollout does to them.
fn is_our_failure(member: &Member) -> bool {
    let kind = member.failure.as_ref().map(|failure| failure.kind);
    let away = kind.map(FailureGroup::of) == Some(FailureGroup::Offline);
    is_blamed(member) && member.generation > Generation(0) && !away
}

fn count(rollout: &Rollout, stage: u32, which: impl Fn(&Member) -> bool) -> u32 {
    let members = rollout
        .members
        .values()
        .filter(|member| member.stage == stage);
    u32::try_from(members.filter(|member| which(member)).count()).unwrap_or(u32::MAX)
}
