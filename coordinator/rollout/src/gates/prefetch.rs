use pinion_model::{AgentId, Failure, FailureKind, Timestamp};

use super::{Verdict, View};
use crate::naming::few_failed;
use crate::world::Pull;
use crate::{Gate, Member, Prefetch, PrefetchRules, Presence, Rollout, World};

/// The pass ahead of the stages at one instant, while it is not over.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub(crate) world: &'a World,
    pub(crate) rollout: &'a Rollout,
    pub(crate) known: &'a Prefetch,
    pub(crate) rules: &'a PrefetchRules,
    pub(crate) now: Timestamp,
}

impl<'a> Pass<'a> {
    /// None: the rollout has none, or it is over.
    pub(crate) fn of(world: &'a World, rollout: &'a Rollout, now: Timestamp) -> Option<Self> {
        let known = rollout.prefetch.as_ref()?;
        let rules = rollout.spec.prefetch.as_ref()?;
        known.passed_at.is_none().then_some(Self {
            world,
            rollout,
            known,
            rules,
            now,
        })
    }

    /// How many stand there.
    pub(crate) fn count(self, pulls: &[Pull]) -> usize {
        let stages = View::all(self.world, self.rollout, self.now);
        let counts = stages.flat_map(|view| pulls.iter().map(move |pull| view.tally.pulls(*pull)));
        counts.sum()
    }

    /// Those that stand there, in the order of the stages.
    pub(crate) fn members(self, pull: Pull) -> impl Iterator<Item = (&'a AgentId, &'a Member)> {
        View::all(self.world, self.rollout, self.now)
            .flat_map(move |view| view.at(view.tally.places_in(pull)))
    }

    /// How many more machines may be asked now.
    pub(crate) fn room(self) -> usize {
        let asked = self.count(&[Pull::Asked, Pull::Withdrawing]);
        (self.known.max_in_flight as usize).saturating_sub(asked)
    }

    fn deadline(self) -> Timestamp {
        self.known.progressed_at + self.rollout.spec.progress_deadline
    }
}

/// No more machines may fail to pull than the pass's own budget, counting
/// those that nobody has acknowledged.
pub(crate) fn budget(pass: Pass<'_>) -> Verdict {
    let failed = pass.count(&[Pull::Failed]);
    let outcomes = pass.count(&[Pull::Done, Pull::Failed, Pull::Acknowledged]);
    let open = pass.count(&[
        Pull::Ready,
        Pull::Busy,
        Pull::Unknown,
        Pull::Asked,
        Pull::Withdrawing,
    ]);
    let judged = outcomes >= pass.rules.failure_budget.min_sample as usize || open == 0;
    if failed <= pass.known.failure_budget as usize || !judged {
        return Verdict::Pass;
    }
    let reason = format!(
        "{failed} of {} machine(s) could not get the image and {} may: {}; no container was touched",
        pass.rollout.members.len(),
        pass.known.failure_budget,
        named(pass)
    );
    Verdict::stop(Gate::Prefetch, reason)
}

fn named(pass: Pass<'_>) -> String {
    let failed = pass.members(Pull::Failed).map(|(agent, member)| {
        let pull = member.prefetch.as_ref();
        (agent, pull.and_then(|pull| pull.failure.as_deref()))
    });
    few_failed(failed)
}

/// The pass waits for machines that are to be asked, or that pull. What a
/// machine does of the same workload before is waited for no longer than for
/// any progress: then it is gone round.
pub(crate) fn wait(pass: Pass<'_>) -> Verdict {
    let overdue = pass.now >= pass.deadline();
    let parts = [
        (pass.count(&[Pull::Ready]), "to be asked"),
        (pass.count(&[Pull::Asked]), "pulling"),
        (pass.count(&[Pull::Withdrawing]), "told to stop"),
        (
            pass.count(&[Pull::Unknown]),
            "not seen since the coordinator started",
        ),
        (
            if overdue {
                0
            } else {
                pass.count(&[Pull::Busy])
            },
            "at work on what was asked before",
        ),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if parts.is_empty() {
        return Verdict::Pass;
    }
    let done = pass.count(&[Pull::Done]);
    let detail = format!(
        "the image on the machines (prefetch): {done} of {} have it, {} (at most {} at once)",
        pass.rollout.members.len(),
        parts.join(", "),
        pass.known.max_in_flight
    );
    Verdict::wait(detail, due(pass))
}

/// When no pull has come to an outcome for `progress_deadline`, those under way
/// have failed; not those that have got further or come back since, and not
/// those of which nobody could have heard.
pub(crate) fn progress(pass: Pass<'_>) -> Verdict {
    let deadline = pass.rollout.spec.progress_deadline;
    if pass.now < pass.deadline() {
        return Verdict::Pass;
    }
    let late = counted(pass).filter(|(_, _, moved)| pass.now >= *moved + deadline);
    let deadline = deadline.as_secs();
    let late = late.map(|(agent, member, _)| {
        let phase = member.prefetch.as_ref().and_then(|pull| pull.phase);
        let phase = phase.map_or("not reported yet", pinion_model::AgentPhase::word);
        let message = format!(
            "no machine got further with the prefetch for {deadline} s (here: {phase}); look at the agent's log, then retry it"
        );
        (agent.clone(), Failure::new(FailureKind::Timeout, message))
    });
    let late: Vec<_> = late.collect();
    if late.is_empty() {
        return Verdict::Pass;
    }
    Verdict::Fail(late)
}

/// When the next of them may be late; none while nothing that the deadline is
/// for is under way. Before the pass's own time is over nobody is.
pub(crate) fn due(pass: Pass<'_>) -> Option<Timestamp> {
    let mut counted = counted(pass);
    if pass.now < pass.deadline() {
        let waits = counted.next().is_some() || pass.count(&[Pull::Busy]) > 0;
        return waits.then(|| pass.deadline());
    }
    let deadline = pass.rollout.spec.progress_deadline;
    counted.map(|(_, _, moved)| moved + deadline).min()
}

/// The machines of which progress is expected, and since when.
fn counted(pass: Pass<'_>) -> impl Iterator<Item = (&AgentId, &Member, Timestamp)> {
    let asked = pass.members(Pull::Asked);
    let asked = asked.chain(pass.members(Pull::Withdrawing));
    asked.filter_map(move |(id, member)| {
        let agent = pass.world.agents.get(id);
        let agent = agent.filter(|agent| agent.presence != Presence::Unknown)?;
        let placement = agent.placements.get(&pass.rollout.workload);
        let ahead = placement.and_then(|placement| placement.ahead.as_ref());
        let since = ahead.map_or(agent.presence_since, |ahead| ahead.since);
        let moved = agent.presence_since.max(since);
        Some((id, member, moved.max(pass.known.progressed_at)))
    })
}
