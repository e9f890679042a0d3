//! Every change, right before it is applied.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{AgentId, AgentPhase, RolloutPhase};
use pinion_rollout::{
    Act, Approval, Assignment, Change, Decision, Observation, Purpose, Report, World,
};

use super::turns::nobody_is_reached_who_must_wait;
use super::{Held, holds, violated};
use crate::machine::number_of;
use crate::sim::Sim;

impl Sim {
    pub(crate) fn before_change(&mut self, change: &Change) -> Held {
        match change {
            Change::Decision(decision) => self.before_decision(decision),
            Change::Observation(Observation::Reported { agent, report, .. }) => {
                self.note_withdrawal(agent, report);
                Ok(())
            }
            Change::Observation(_) => Ok(()),
        }
    }

    fn before_decision(&mut self, decision: &Decision) -> Held {
        let world = &self.store.truth.world;
        match &decision.act {
            Act::Assigned {
                agent, assignment, ..
            } => {
                generations_rise(world, agent, assignment, &self.watch.raised)?;
                self.every_digest_has_an_origin(agent, assignment)?;
                no_quarantined_digest_is_issued(world, assignment)?;
                paused_issues_nothing(world, agent, assignment)?;
                nobody_is_reached_who_must_wait(world, agent, assignment, decision.at)?;
                self.watch.raised.insert(number_of(agent));
                Ok(())
            }
            Act::StageOpened { rollout, stage } => no_stage_is_skipped(world, rollout, *stage),
            Act::RollbackStarted { rollout, .. } => no_rollback_of_a_rollback(world, rollout),
            Act::RolloutStarted { .. } => {
                self.totals.rollouts += 1;
                Ok(())
            }
            Act::RolloutResumed { rollout, .. } | Act::AgentsRetried { rollout, .. } => {
                self.forget_trips(rollout);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A commit begins.
    pub(crate) fn before_commit(&mut self) {
        self.watch.raised.clear();
    }

    /// The coordinator learns that an assignment was withdrawn: from now on
    /// the machine must not cut over to it.
    fn note_withdrawal(&mut self, agent: &AgentId, report: &Report) {
        if report.phase == AgentPhase::Withdrawn {
            let key = (number_of(agent), report.workload.clone());
            let work = self.watch.works.entry(key).or_default();
            work.withdrawn = work.withdrawn.max(report.generation);
        }
    }

    /// Every digest that is issued was pinned, or is what ran on that machine
    /// before (its baseline); and it is not what the rollout takes back.
    fn every_digest_has_an_origin(&self, agent: &AgentId, assignment: &Assignment) -> Held {
        const NAME: &str = "every digest was pinned or is the machine's baseline";
        let Some(digest) = assignment.digest() else {
            return Ok(());
        };
        let world = &self.store.truth.world;
        let pins = world
            .workloads
            .get(&assignment.workload)
            .map(|workload| &workload.pins);
        let is_pinned = pins.is_some_and(|pins| pins.iter().any(|pin| pin.digest == *digest));
        let ran = self.machines[number_of(agent)].engine.ran.contains(digest);
        holds(NAME, is_pinned || ran, || {
            format!("{digest} of {} on {agent}", assignment.workload)
        })?;
        if let Purpose::Restore { rollout } = &assignment.purpose {
            let taken_back = world.rollouts.get(rollout).map(|rollout| rollout.digest());
            return holds(
                "a roll-back never goes to what it takes back",
                taken_back != Some(digest),
                || format!("{rollout} sends {agent} back to its own {digest}"),
            );
        }
        Ok(())
    }
}

/// An agent's generations only rise, from one commit to the next: what one
/// commit asks of several of its workloads is told at once. One that the agent
/// claimed after the plan was made is raised by the next plan.
fn generations_rise(
    world: &World,
    id: &AgentId,
    assignment: &Assignment,
    raised: &BTreeSet<usize>,
) -> Held {
    let Some(agent) = world.agents.get(id) else {
        return violated("only machines that are known are assigned", id.to_string());
    };
    let (new, old) = (assignment.generation, agent.generation);
    let together = raised.contains(&number_of(id)) && new == old;
    let own = agent.placements.get(&assignment.workload);
    let own = own.map(pinion_rollout::Placement::generation);
    let rises = (new > old || together) && own.is_none_or(|own| new > own);
    holds("generations rise", rises, || {
        format!("{id} gets {new} and has {old} ({} claimed)", agent.claimed)
    })
}

/// A quarantined digest goes to no more machines. What a machine has restored
/// by itself is made its desired state all the same.
fn no_quarantined_digest_is_issued(world: &World, assignment: &Assignment) -> Held {
    let ahead = assignment.prefetch.as_ref().map(|run| &run.digest);
    let issued = assignment.digest().or(ahead);
    let is_bad = issued.is_some_and(|digest| world.is_quarantined(digest));
    let is_adopted = matches!(assignment.purpose, Purpose::Adopt { .. });
    holds(
        "no quarantined digest is issued",
        !is_bad || is_adopted,
        || format!("{assignment:?}"),
    )
}

/// Nothing is to cut over on a machine while another workload is in flight
/// there, as far as the planner could know; the machine's own rule covers what
/// was heard since.
pub(super) fn one_workload_at_a_time(world: &World, changes: &[Change]) -> Held {
    let mut given = BTreeMap::new();
    for change in changes {
        let Change::Decision(Decision {
            act: Act::Assigned {
                agent, assignment, ..
            },
            ..
        }) = change
        else {
            continue;
        };
        if assignment.run.is_none() || matches!(assignment.purpose, Purpose::Adopt { .. }) {
            continue;
        }
        let known = world.agents.get(agent);
        let busy = known.and_then(|known| known.busy_with(&assignment.workload));
        let first = *given.entry(agent).or_insert(&assignment.workload);
        holds(
            "one workload is in flight on a machine at a time",
            busy.is_none() && *first == assignment.workload,
            || {
                let busy = busy.map_or(first, |(name, _)| name);
                format!(
                    "{agent} gets {} while it is busy with {busy}",
                    assignment.workload
                )
            },
        )?;
    }
    Ok(())
}

/// A rollout that does not run gives no machine its turn, and one that runs
/// only those of its open stage.
fn paused_issues_nothing(world: &World, id: &AgentId, assignment: &Assignment) -> Held {
    let Purpose::Rollout { rollout, .. } = &assignment.purpose else {
        return Ok(());
    };
    let Some(rollout) = world.rollouts.get(rollout) else {
        return violated(
            "a rollout that is not there issues nothing",
            rollout.to_string(),
        );
    };
    holds(
        "paused issues nothing",
        rollout.phase == RolloutPhase::Running,
        || format!("{} is {} and assigns {id}", rollout.id, rollout.phase),
    )?;
    let stage = rollout.members.get(id).map(|member| member.stage as usize);
    holds(
        "only the open stage is assigned",
        stage.is_some_and(|stage| rollout.is_open(stage)),
        || {
            format!(
                "{} assigns {id} of stage {stage:?}; stage {} is open",
                rollout.id, rollout.open_stage
            )
        },
    )
}

/// A stage opens when all before it have passed, and who must approve it has.
fn no_stage_is_skipped(world: &World, id: &pinion_model::RolloutId, stage: usize) -> Held {
    let Some(rollout) = world.rollouts.get(id) else {
        return violated("a rollout that is not there issues nothing", id.to_string());
    };
    let before = rollout.stages.iter().take(stage);
    let passed = before.clone().all(|stage| stage.passed_at.is_some());
    holds("no stage is skipped", passed, || {
        format!("{id} opens stage {}", stage + 1)
    })?;
    let opened = rollout.stages.get(stage);
    let approved = opened.is_some_and(|stage| {
        stage.rules.approval == Approval::Automatic || stage.approved.is_some()
    });
    holds("a stage opens with its approval", approved, || {
        format!("{id} opens stage {}", stage + 1)
    })
}

/// What is taken back is not taken back again.
fn no_rollback_of_a_rollback(world: &World, id: &pinion_model::RolloutId) -> Held {
    let is_back = world
        .rollouts
        .get(id)
        .is_some_and(|rollout| rollout.rolled_back);
    holds("no rollback of a rollback", !is_back, || id.to_string())
}
