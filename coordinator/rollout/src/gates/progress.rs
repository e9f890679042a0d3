use pinion_model::{AgentId, Failure, FailureKind, Timestamp};

use super::{Verdict, View};
use crate::spec::written;
use crate::world::Class;
use crate::{Member, OfflinePolicy, Presence};

/// When no machine of a stage has cut over or come to an outcome for
/// `progress_deadline`, those in flight have failed; not those that have
/// changed their phase since, or have come or gone: they have that time from
/// then on, and give none to the others, or one whose link drops again and
/// again would keep them all. Offline machines are left out where the strategy
/// waits for them or goes round them, and those that were not seen since the
/// coordinator began always: they may be done, and had nobody to tell. One that
/// puts off its cut-over because it is in use has `defer_within` beside.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let Some(due) = due(view) else {
        return Verdict::Pass;
    };
    if view.now < due {
        return Verdict::wait(
            format!("progress in stage {} until {due}", view.stage.rules.name),
            Some(due),
        );
    }
    let deadline = view.rollout.spec.progress_deadline;
    let late = counted(view).filter(|(_, _, moved)| view.now >= *moved + deadline);
    let deadline = written(deadline);
    let late = late.map(|(agent, member, _)| {
        let phase = member.phase.map_or("not reported yet", pinion_model::AgentPhase::word);
        let message = format!(
            "no machine of stage {} made progress for {deadline} (here: {phase}); look at the agent's log, then retry it",
            view.stage.rules.name
        );
        (agent.clone(), Failure::new(FailureKind::Timeout, message))
    });
    Verdict::Fail(late.collect())
}

/// When the next of them may be late; none while nothing in flight counts.
/// Before the stage's own time is over nobody is, so nobody is looked at.
pub(crate) fn due(view: View<'_>) -> Option<Timestamp> {
    let deadline = view.rollout.spec.progress_deadline;
    let due = view.stage.progressed_at + deadline;
    let mut counted = counted(view);
    if view.now < due {
        return counted.next().map(|_| due);
    }
    counted.map(|(_, _, moved)| moved + deadline).min()
}

/// The machines of which progress is expected, and since when.
fn counted(view: View<'_>) -> impl Iterator<Item = (&AgentId, &Member, Timestamp)> {
    let members = classes(view.rollout.spec.offline)
        .iter()
        .flat_map(move |class| view.members(*class));
    members.filter_map(move |(id, member)| {
        let agent = view.world.agents.get(id);
        let agent = agent.filter(|agent| agent.presence != Presence::Unknown)?;
        let deferred = member
            .deferred
            .then_some(view.rollout.spec.timing.defer_within);
        let since = member.since + deferred.unwrap_or_default();
        let moved = agent.presence_since.max(since);
        Some((id, member, moved.max(view.stage.progressed_at)))
    })
}

fn classes(offline: OfflinePolicy) -> &'static [Class] {
    match offline {
        OfflinePolicy::Wait => &[Class::Asked, Class::Withdrawing, Class::CutOver],
        OfflinePolicy::Skip => &[
            Class::Asked,
            Class::Withdrawing,
            Class::CutOver,
            Class::CutOverOffline,
        ],
        OfflinePolicy::Fail => &Class::IN_FLIGHT,
    }
}
