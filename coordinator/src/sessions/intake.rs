use std::sync::Arc;
use std::time::Duration;

use pinion_rollout::Observation;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::ledger::Ledger;
use crate::store::StoreError;

/// Askers that may wait; one beyond that waits to ask.
const QUEUE: usize = 1024;
/// Askers in one commit.
const BATCH: usize = 256;
/// How long the first of a batch waits for others.
const PATIENCE: Duration = Duration::from_millis(5);

type Answer = oneshot::Sender<Result<(), StoreError>>;

/// Gathers what all sessions observe into few commits.
#[derive(Debug)]
pub(super) struct Intake(mpsc::Sender<(Vec<Observation>, Answer)>);

impl Intake {
    pub(super) fn start(ledger: Arc<Ledger>) -> Self {
        let (observed, queue) = mpsc::channel(QUEUE);
        tokio::spawn(commit(ledger, queue));
        Self(observed)
    }

    /// Returns once the observations are durable and applied.
    pub(super) async fn observe(&self, observations: Vec<Observation>) -> Result<(), StoreError> {
        let (answer, answered) = oneshot::channel();
        self.0
            .send((observations, answer))
            .await
            .map_err(|_| StoreError::Stopped)?;
        answered.await.map_err(|_| StoreError::Stopped)?
    }
}

async fn commit(ledger: Arc<Ledger>, mut queue: mpsc::Receiver<(Vec<Observation>, Answer)>) {
    while let Some((mut observations, answer)) = queue.recv().await {
        let mut answers = vec![answer];
        let until = Instant::now() + PATIENCE;
        while answers.len() < BATCH {
            let Ok(Some((more, answer))) = timeout_at(until, queue.recv()).await else {
                break;
            };
            observations.extend(more);
            answers.push(answer);
        }
        metrics::histogram!("pinion_observations_per_commit").record(observations.len() as f64);
        let outcome = ledger.observe(observations).await.map(|_| ());
        for answer in answers {
            // A session that has gone does not want to know.
            let _ = answer.send(outcome.clone());
        }
    }
}
