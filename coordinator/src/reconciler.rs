//! Plans, commits and publishes, whenever something changed or is due.
//!
//! ```text
//!   revision, wake_at ──▶ plan(&World, now) ──▶ ledger.decide (again on conflict)
//!                                                     │ durable, applied
//!                                                     ▼
//!                                             sessions.publish
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use pinion_model::Timestamp;
use pinion_rollout::{Observation, Outcome};

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::ledger::{DecideError, Ledger};
use crate::sessions::Sessions;

/// How long to wait after a plan could not be committed.
const AGAIN: Duration = Duration::from_secs(1);

/// Reconciles until `shutdown`, or until the store has ended and only a
/// restart helps: notes the start (agents that have not come yet
/// are unknown, not offline), then plans and publishes on every change, and
/// watches which agents are silent.
pub async fn run(ledger: Arc<Ledger>, sessions: Arc<Sessions>, shutdown: CancellationToken) {
    let liveness = sessions.clone().watch_liveness();
    let work = async {
        note_start(&ledger).await;
        sessions.admit();
        tokio::select! {
            () = reconcile(&ledger, &sessions) => {}
            () = liveness => {}
        }
    };
    tokio::select! {
        () = work => {}
        () = shutdown.cancelled() => {}
    }
}

async fn note_start(ledger: &Ledger) {
    loop {
        match ledger
            .observe(vec![Observation::Started { at: ledger.clock() }])
            .await
        {
            Ok(_) => return,
            Err(error) if !ledger.is_following() => {
                return tracing::error!(%error, "the start could not be stored");
            }
            Err(error) => {
                tracing::error!(%error, "the start could not be stored; trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

async fn reconcile(ledger: &Ledger, sessions: &Sessions) {
    let mut revisions = ledger.revisions();
    let mut published = None;
    loop {
        let revision = *revisions.borrow_and_update();
        let span = tracing::debug_span!("reconcile", revision = revision.0);
        let wake_at = async {
            let planned = step(ledger).await;
            // Reports come by the thousand and change nothing that agents are told.
            let decided = Some(ledger.decided());
            if std::mem::replace(&mut published, decided) != decided {
                sessions.publish();
            }
            planned.unwrap_or_else(|error| {
                tracing::error!(%error, "the plan could not be committed; trying again");
                Some(ledger.clock() + AGAIN)
            })
        };
        let wake_at = wake_at.instrument(span).await;
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() {
                return tracing::error!("the store has ended; nothing is planned until a restart");
            },
            () = sleep_until(ledger, wake_at) => {}
        }
    }
}

/// Plans once and commits the plan. When to plan again, if nothing changes.
async fn step(ledger: &Ledger) -> Result<Option<Timestamp>, DecideError> {
    let planned = ledger
        .decide(|world, now| {
            let begun = Instant::now();
            let plan = pinion_rollout::plan(world, now);
            metrics::histogram!("pinion_plan_seconds").record(begun.elapsed());
            Ok(Outcome {
                changes: plan.changes,
                value: plan.wake_at,
            })
        })
        .await?;
    Ok(planned.value)
}

async fn sleep_until(ledger: &Ledger, at: Option<Timestamp>) {
    match at {
        // At least a millisecond: instants have no finer parts, and a plan
        // that is due again at once must not spin.
        Some(at) => {
            tokio::time::sleep(at.since(ledger.clock()).max(Duration::from_millis(1))).await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
