//! What is waited for where the agent itself cannot run: that what was under
//! way on the machine comes to its end.

use std::time::Duration;

use pinion_model::{AgentPhase, WorkloadName};
use pinion_workload::is_itself;
use tokio_util::sync::CancellationToken;

use crate::journal::Journal;
use crate::reconcile::Handle;
use crate::status::WorkloadView;

/// How long recovery may take when the agent cannot run anyway: a cut-over or
/// a roll-back ends within its own deadline, 5 minutes unless assigned otherwise.
const RECOVERY_LIMIT: Duration = Duration::from_secs(10 * 60);
/// How long it then waits for an engine that does not answer, if the journal
/// says that something was under way.
const RECOVERY_ENGINE_LIMIT: Duration = Duration::from_secs(30);
/// The same, if the journal says that nothing was.
const GLANCE: Duration = Duration::from_secs(2);
/// How long the first look at the engine may take where nothing is known.
const FIRST_LOOK: Duration = Duration::from_secs(5);

/// How long recovery waits for an engine.
pub(super) fn patience(journal: &Journal) -> Duration {
    let is_under_way = journal
        .records()
        .values()
        .any(|record| record.operation.is_some());
    if is_under_way {
        RECOVERY_ENGINE_LIMIT
    } else {
        GLANCE
    }
}

/// Waits until nothing is between an old container and a new one.
pub(super) async fn recovered(handle: &Handle, stop: &CancellationToken) {
    let mut views = handle.status();
    let knows_any = !handle.desired().catalog.is_empty() || !handle.reports().is_empty();
    // The first change is the first look at the engine; where nothing is known
    // it comes only if containers tell of an operation that no journal holds.
    let first_look = if knows_any {
        RECOVERY_LIMIT
    } else {
        FIRST_LOOK
    };
    let calm = async {
        if tokio::time::timeout(first_look, views.changed())
            .await
            .is_err()
        {
            return;
        }
        while views.borrow_and_update().iter().any(is_between) && views.changed().await.is_ok() {}
    };
    tokio::select! {
        () = calm => tracing::info!("nothing is under way any more"),
        () = tokio::time::sleep(RECOVERY_LIMIT) => tracing::warn!("recovery took too long and is left to the next start"),
        () = stop.cancelled() => {}
    }
}

/// The agent's own program is between two for as long as it runs.
fn is_between((workload, view): (&WorkloadName, &WorkloadView)) -> bool {
    let is_other = !is_itself(workload);
    is_other
        && matches!(
            view.phase,
            Some(AgentPhase::CuttingOver | AgentPhase::Verifying | AgentPhase::RollingBack)
        )
}
