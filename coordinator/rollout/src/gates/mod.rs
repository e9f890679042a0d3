//! The checks that must pass before the next step of a rollout, one file each.
//!
//! A gate looks at one stage and answers what holds it: nothing, something to
//! wait for, machines that failed by the coordinator's own judgement, or a
//! reason to stop the rollout. It changes nothing.

pub(crate) mod approval;
pub(crate) mod bake;
pub(crate) mod budget;
pub(crate) mod in_flight;
pub(crate) mod metric;
pub(crate) mod min_proven;
pub(crate) mod nobody;
pub(crate) mod others;
pub(crate) mod prefetch;
pub(crate) mod presence;
pub(crate) mod progress;
pub(crate) mod quarantine;
pub(crate) mod regression;
pub(crate) mod restore;
pub(crate) mod room;
pub(crate) mod strict;
pub(crate) mod unavailable;
pub(crate) mod window;

use pinion_model::{AgentId, Failure, Timestamp};

use crate::world::{Class, EMPTY, Tally};
use crate::{Gate, Member, Rollout, Stage, World};

/// One stage at one instant: what a gate looks at.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) world: &'a World,
    pub(crate) rollout: &'a Rollout,
    pub(crate) stage: &'a Stage,
    /// 0-based place of the stage.
    pub(crate) number: usize,
    pub(crate) tally: &'a Tally,
    pub(crate) now: Timestamp,
}

/// What a gate answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing holds the stage here.
    Pass,
    /// The stage waits.
    Wait(Wait),
    /// These machines failed.
    Fail(Vec<(AgentId, Failure)>),
    /// The rollout must not go on by itself.
    Stop(Stop),
}

/// What a stage waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wait {
    /// In words.
    pub(crate) detail: String,
    /// It ends then by itself. None: something must happen.
    pub(crate) until: Option<Timestamp>,
}

/// Why a rollout must stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) gate: Gate,
    pub(crate) reason: String,
    /// Nobody knows whether it is good or bad: a person must look, whatever a
    /// failure would do.
    pub(crate) inconclusive: bool,
}

impl Verdict {
    pub(crate) fn wait(detail: impl Into<String>, until: Option<Timestamp>) -> Self {
        Self::Wait(Wait {
            detail: detail.into(),
            until,
        })
    }

    pub(crate) fn stop(gate: Gate, reason: impl Into<String>) -> Self {
        Self::Stop(Stop {
            gate,
            reason: reason.into(),
            inconclusive: false,
        })
    }

    pub(crate) fn inconclusive(gate: Gate, reason: impl Into<String>) -> Self {
        Self::Stop(Stop {
            gate,
            reason: reason.into(),
            inconclusive: true,
        })
    }
}

/// Whether a stage waits for machines of it that are not done.
pub(crate) fn awaits_machines(view: View<'_>) -> bool {
    let gates = [
        in_flight::check,
        others::check,
        presence::check,
        window::check,
    ];
    gates.into_iter().any(|gate| gate(view) != Verdict::Pass)
}

/// What holds an open stage before it is measured: machines that are not done,
/// nobody to prove anything, too little proof, the bake.
pub(crate) fn settled(view: View<'_>) -> Verdict {
    let gates = [
        in_flight::check,
        others::check,
        presence::check,
        nobody::check,
        window::check,
        min_proven::check,
        bake::check,
    ];
    let mut verdicts = gates.into_iter().map(|gate| gate(view));
    verdicts
        .find(|verdict| *verdict != Verdict::Pass)
        .unwrap_or(Verdict::Pass)
}

impl<'a> View<'a> {
    /// Every stage of a rollout, in order.
    pub(crate) fn all(
        world: &'a World,
        rollout: &'a Rollout,
        now: Timestamp,
    ) -> impl Iterator<Item = Self> {
        let tallies = world
            .index
            .tallies
            .get(&rollout.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let stages = rollout.stages.iter().enumerate();
        stages.map(move |(number, stage)| {
            let tally = tallies.get(number).unwrap_or(&EMPTY);
            Self {
                world,
                rollout,
                stage,
                number,
                tally,
                now,
            }
        })
    }

    /// The machines of a class, in the stage's order.
    pub(crate) fn members(self, class: Class) -> impl Iterator<Item = (&'a AgentId, &'a Member)> {
        self.at(self.tally.places(class))
    }

    /// The machines at these places.
    pub(crate) fn at(
        self,
        places: impl Iterator<Item = usize>,
    ) -> impl Iterator<Item = (&'a AgentId, &'a Member)> {
        places.filter_map(move |place| {
            let agent = self.stage.agent(place)?;
            Some((agent, self.rollout.members.get(agent)?))
        })
    }
}
