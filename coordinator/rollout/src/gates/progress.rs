use pinion_model::{AgentId, Failure, FailureKind, Timestamp};

use super::{Verdict, View};
use crate::spec::written;
use crate::world::Class;
use crate::{Member, OfflinePolicy, Presence};

/// When no machine of a stage has changed its phase for `progress_deadline`,
/// those in flight have failed. Offline machines are left out where the
/// strategy waits for them or goes round them, and those that were not seen
/// since the coordinator began always: they may be done, and had nobody to tell.
/// One that puts off its cut-over because it is in use has `defer_within` beside.
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
    let deadline = written(view.rollout.spec.progress_deadline);
    let late = counted(view).map(|(agent, member)| {
        let phase = member.phase.map_or("not reported yet", pinion_model::AgentPhase::word);
        let message = format!(
            "no machine of stage {} made progress for {deadline} (here: {phase}); look at the agent's log, then retry it",
            view.stage.rules.name
        );
        (agent.clone(), Failure::new(FailureKind::Timeout, message))
    });
    Verdict::Fail(late.collect())
}

/// When the deadline passes; none while nothing in flight counts.
pub(crate) fn due(view: View<'_>) -> Option<Timestamp> {
    let counts = counted(view).next().is_some();
    let due = counts.then(|| view.stage.progressed_at + view.rollout.spec.progress_deadline);
    let deferred = watched(view).filter(|(_, member)| is_deferred(view, member));
    let deferred = deferred.map(|(_, member)| deferred_until(view, member));
    due.into_iter().chain(deferred).min()
}

fn is_deferred(view: View<'_>, member: &Member) -> bool {
    member.deferred && view.now < deferred_until(view, member)
}

/// It says what became of it by then, or it is late like any other.
fn deferred_until(view: View<'_>, member: &Member) -> Timestamp {
    let spec = &view.rollout.spec;
    member.since + spec.timing.defer_within + spec.progress_deadline
}

/// The machines of which progress is expected now.
fn counted(view: View<'_>) -> impl Iterator<Item = (&AgentId, &Member)> {
    watched(view).filter(move |(_, member)| !is_deferred(view, member))
}

/// The machines of which progress is expected, sooner or later.
fn watched(view: View<'_>) -> impl Iterator<Item = (&AgentId, &Member)> {
    let members = classes(view.rollout.spec.offline)
        .iter()
        .flat_map(move |class| view.members(*class));
    members.filter(move |(id, _)| {
        let agent = view.world.agents.get(*id);
        agent.is_some_and(|agent| agent.presence != Presence::Unknown)
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
