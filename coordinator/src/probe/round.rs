use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use pinion_model::{CheckName, RolloutId, StageName, Timestamp};
use pinion_rollout::{DueProbe, Judgement, Observation, Sample, due_probes};
use tokio_util::sync::CancellationToken;

use super::Prober;
use crate::ledger::Ledger;

/// Most probes under way at once.
pub(super) const AT_ONCE: usize = 16;

/// How long a check is left alone after its sample could not be stored.
const AGAIN: Duration = Duration::from_secs(1);

/// Which check: it is asked by one at a time.
type Key = (RolloutId, StageName, CheckName);

/// Takes every sample that is due, side by side, until `shutdown`, or until
/// the store has ended and only a restart helps.
pub async fn run(ledger: Arc<Ledger>, prober: Prober, shutdown: CancellationToken) {
    tokio::select! {
        () = measure(&ledger, &prober) => {}
        () = shutdown.cancelled() => {}
    }
}

async fn measure(ledger: &Ledger, prober: &Prober) {
    let mut revisions = ledger.revisions();
    let mut asked = FuturesUnordered::new();
    let mut busy = BTreeSet::new();
    loop {
        revisions.mark_unchanged();
        let now = ledger.clock();
        let probes = ledger.read(|world| due_probes(world, now));
        for due in probes.due {
            if busy.len() < AT_ONCE && busy.insert(key(&due)) {
                asked.push(take(ledger, prober, due, now));
            }
        }
        tokio::select! {
            changed = revisions.changed() => if changed.is_err() {
                return tracing::error!("the store has ended; nothing is measured until a restart");
            },
            Some(done) = asked.next() => {
                busy.remove(&done);
            }
            () = sleep_until(ledger, probes.next) => {}
        }
    }
}

fn key(due: &DueProbe) -> Key {
    (due.rollout.clone(), due.stage.clone(), due.check.clone())
}

/// One sample, from the question to the store.
async fn take(ledger: &Ledger, prober: &Prober, due: DueProbe, asked_at: Timestamp) -> Key {
    let key = key(&due);
    let sample = prober.ask(&due.probe).await;
    note(&due, &sample);
    let observation = Observation::Probed {
        rollout: due.rollout,
        stage: due.stage,
        check: due.check,
        asked_at,
        sample,
        at: ledger.clock(),
    };
    if let Err(error) = ledger.observe(vec![observation]).await {
        tracing::error!(%error, "a sample could not be stored; it is taken again");
        tokio::time::sleep(AGAIN).await;
    }
    key
}

fn note(due: &DueProbe, sample: &Sample) {
    let outcome = match sample.outcome {
        Judgement::Success => "success",
        Judgement::Inconclusive => "inconclusive",
        Judgement::Failure => "failure",
    };
    metrics::counter!("pinion_check_samples_total", "outcome" => outcome).increment(1);
    tracing::debug!(
        rollout = %due.rollout,
        stage = %due.stage,
        check = %due.check,
        outcome,
        detail = sample.detail,
        "a check was measured"
    );
}

async fn sleep_until(ledger: &Ledger, at: Option<Timestamp>) {
    match at {
        Some(at) => {
            tokio::time::sleep(at.since(ledger.clock()).max(Duration::from_millis(1))).await;
        }
        None => std::future::pending().await,
    }
}
