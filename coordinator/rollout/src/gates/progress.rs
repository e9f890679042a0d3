use pinion_model::{Failure, FailureKind, Timestamp};

use super::{Verdict, View};
use crate::OfflinePolicy;
use crate::world::Class;

/// When no machine of a stage has changed its phase for `progress_deadline`,
/// those in flight have failed. Offline machines are left out where the
/// strategy waits for them or goes round them.
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
    let deadline = view.rollout.spec.progress_deadline.as_secs();
    let late = counted(view).iter().flat_map(|class| view.members(*class)).map(|(agent, member)| {
        let phase = member.phase.map_or("not reported yet", pinion_model::AgentPhase::word);
        let message = format!(
            "no machine of stage {} made progress for {deadline} s (here: {phase}); look at the agent's log, then retry it",
            view.stage.rules.name
        );
        (agent.clone(), Failure::new(FailureKind::Timeout, message))
    });
    Verdict::Fail(late.collect())
}

/// When the deadline passes; none while nothing in flight counts.
pub(crate) fn due(view: View<'_>) -> Option<Timestamp> {
    let counts = view.tally.count_of(counted(view)) > 0;
    counts.then(|| view.stage.progressed_at + view.rollout.spec.progress_deadline)
}

fn counted(view: View<'_>) -> &'static [Class] {
    match view.rollout.spec.offline {
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
