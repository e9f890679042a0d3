//! The end: the faults have stopped, and nothing moves any more.

use pinion_model::{AgentPhase, RolloutPhase, Timestamp};
use pinion_rollout::{
    Assignment, OfflinePolicy, Placement, Presence, Rollout, Standing, World, apply, explain_all,
    waiting_for,
};

use pinion_workload::{Container, ContainerState, Health};

use super::{Held, holds};
use crate::machine::Machine;
use crate::sim::Sim;

impl Sim {
    pub(crate) fn at_rest(&mut self) -> Held {
        if self.replays_its_log() {
            self.the_log_alone_gives_the_world()?;
        }
        self.the_index_follows_from_the_facts()?;
        let world = &self.store.truth.world;
        for rollout in world.active_rollouts() {
            self.waits_for_a_reason(rollout)?;
        }
        for machine in 0..self.machines.len() {
            self.everybody_runs_what_is_desired(machine)?;
        }
        Ok(())
    }

    /// Of many small fleets one in eight: it costs an eighth of a run.
    fn replays_its_log(&self) -> bool {
        self.machines.len() >= 100 || self.scenario.seed.is_multiple_of(8)
    }

    fn the_log_alone_gives_the_world(&self) -> Held {
        let mut world = World::default();
        for change in self.store.history.iter().flat_map(|commit| commit.iter()) {
            apply(&mut world, change);
        }
        holds(
            "the log alone gives the World",
            world == self.store.truth.world,
            String::new,
        )?;
        let loaded = self.store.load();
        holds(
            "the store holds what was committed",
            loaded.world == self.store.truth.world,
            String::new,
        )
    }

    /// A rollout is over, or waits for a person or for a machine that is away.
    fn waits_for_a_reason(&self, rollout: &Rollout) -> Held {
        let world = &self.store.truth.world;
        let by_person = matches!(
            rollout.phase,
            RolloutPhase::Paused | RolloutPhase::Halted | RolloutPhase::AwaitingApproval
        );
        let has_reason = !rollout.reason.is_empty();
        let is_right = if by_person {
            has_reason
        } else {
            self.waits_for_somebody_away(rollout)
                || self.waits_for_a_person_elsewhere(world, rollout, self.now)
                || self.waits_so_in_its_next_window(rollout)
        };
        holds(
            "every rollout ends, or waits with a reason",
            is_right,
            || {
                let waits: Vec<_> = (0..rollout.stages.len())
                    .flat_map(|stage| waiting_for(world, &rollout.id, stage, self.now))
                    .collect();
                format!(
                    "{} is {} ({}), waits for {waits:?}: {:?}",
                    rollout.id,
                    rollout.phase,
                    rollout.reason,
                    explain_all(world, &rollout.id, self.now)
                )
            },
        )
    }

    /// Somebody of it is away for good, or held, and its strategy waits for that.
    fn waits_for_somebody_away(&self, rollout: &Rollout) -> bool {
        let world = &self.store.truth.world;
        let mut members = rollout.members.iter();
        members.any(|(id, member)| {
            let Some(agent) = world.agents.get(id).filter(|agent| agent.revoked.is_none()) else {
                return false;
            };
            let waits = match member.standing() {
                Standing::Pending => {
                    rollout.spec.offline == OfflinePolicy::Wait || rollout.rolled_back
                }
                Standing::InFlight | Standing::Soaking => true,
                _ => rollout.rolled_back,
            };
            agent.presence == Presence::Offline && waits
        })
    }

    /// It says so of a machine, and it is so: those that are sick must be
    /// healed, or the rollout that goes first waits itself.
    fn waits_for_a_person_elsewhere(
        &self,
        world: &World,
        rollout: &Rollout,
        now: Timestamp,
    ) -> bool {
        let is_sick = |machine: &Machine| machine.engine.containers.iter().any(is_not_well);
        let goes_first = |first: &&Rollout| rollout.spec.after.contains(&first.workload);
        let reasons = explain_all(world, &rollout.id, now);
        reasons.iter().any(|(_, reason)| match reason.word {
            "limit_unavailable" => self.machines.iter().any(is_sick),
            "after" => {
                let mut first = world.active_rollouts().filter(goes_first);
                first.any(|first| self.waits_for_a_reason(first).is_ok())
            }
            _ => false,
        })
    }

    /// What it would wait for if its window were open, or its freeze over.
    fn waits_so_in_its_next_window(&self, rollout: &Rollout) -> bool {
        let mut world = self.store.truth.world.clone();
        let Some(at) = rollout.openings.next else {
            return false;
        };
        for change in (self.planner)(&world, at).changes {
            apply(&mut world, &change);
        }
        let then = world.rollouts.get(&rollout.id);
        then.is_some_and(|then| self.waits_for_a_person_elsewhere(&world, then, at))
    }

    /// A machine runs what is desired of it, or it is explained why not.
    fn everybody_runs_what_is_desired(&self, machine: usize) -> Held {
        let known = &self.machines[machine];
        let Some(agent) = self.store.truth.world.agents.get(&known.name) else {
            return Ok(());
        };
        if known.has_vanished || !known.is_enrolled || agent.revoked.is_some() {
            return Ok(());
        }
        holds(
            "everybody who is there is online",
            agent.presence == Presence::Online,
            || format!("m{machine}"),
        )?;
        holds(
            "everybody has the newest generation",
            known.generation() == agent.generation,
            || {
                format!(
                    "m{machine} has {}, and {} is desired",
                    known.generation(),
                    agent.generation
                )
            },
        )?;
        holds("everything was reported", known.reports.is_empty(), || {
            format!("m{machine}: {:?}", known.reports)
        })?;
        for placement in agent.placements.values() {
            if let Some(assignment) = &placement.assignment {
                self.is_run_or_explained(machine, placement, assignment)?;
            }
        }
        Ok(())
    }

    fn is_run_or_explained(
        &self,
        machine: usize,
        placement: &Placement,
        assignment: &Assignment,
    ) -> Held {
        let workload = &assignment.workload;
        let Some(digest) = assignment.digest() else {
            return Ok(());
        };
        let is_over = placement.phase.is_some_and(AgentPhase::is_terminal);
        holds("every assignment has an outcome", is_over, || {
            format!(
                "m{machine} {workload}: generation {} is {:?}",
                assignment.generation, placement.phase
            )
        })?;
        let has_settled =
            placement.phase == Some(AgentPhase::Settled) && placement.failure.is_none();
        let inventory = self.machines[machine].inventory.as_ref();
        let containers = inventory.and_then(|inventory| inventory.get(workload));
        let mut running = containers
            .into_iter()
            .flatten()
            .filter(|container| container.running);
        let runs_it = running.all(|container| container.digest.as_ref() == Some(digest));
        holds(
            "everybody who settled runs what is desired, or has drifted",
            !has_settled || runs_it || placement.drifted,
            || format!("m{machine} {workload}: {digest} is desired, and it runs {containers:?}"),
        )
    }
}

fn is_not_well(container: &Container) -> bool {
    container.state != ContainerState::Running || container.health == Health::Unhealthy
}
