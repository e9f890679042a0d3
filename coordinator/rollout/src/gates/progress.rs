use pinion_model::{AgentId, Failure, FailureKind, Timestamp};

use super::{Verdict, View};
use crate::spec::written;
use crate::world::Class;
use crate::{Member, OfflinePolicy, Presence};

/// When no machine of a stage has changed its phase for `progress_deadline`,
/// those in flight have failed. Offline machines are left out where the
/// strategy waits for them or goes round them, and those that were not seen
/// since the coordinator began always: they may be done, and had nobody to tell.
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
    counts.then(|| view.stage.progressed_at + view.rollout.spec.progress_deadline)
}

/// The machines of which progress is expected.
fn counted(view: View<'_>) -> impl Iterator<Item = (&AgentId, &Member)> {
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
