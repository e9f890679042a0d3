use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use pinion_model::Revision;
use tokio::sync::watch;

use crate::store::{Changes, Snapshot, Store, StoreError};

/// How long to wait after the log could not be read.
const AGAIN: Duration = Duration::from_secs(1);

/// Applies what was committed, in order, whoever committed it.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) store: Arc<dyn Store>,
    pub(super) revisions: watch::Receiver<Revision>,
    pub(super) view: Arc<RwLock<Snapshot>>,
    pub(super) applied: watch::Sender<Revision>,
}

impl Follower {
    /// Until the store ends.
    pub(super) async fn run(mut self) {
        loop {
            self.revisions.mark_unchanged();
            let caught_up = self.catch_up().await;
            if let Err(error) = &caught_up {
                tracing::error!(%error, "the log could not be followed; trying again");
            }
            let store_ended = tokio::select! {
                changed = self.revisions.changed() => changed.is_err(),
                () = tokio::time::sleep(AGAIN), if caught_up.is_err() => false,
            };
            if store_ended {
                return;
            }
        }
    }

    async fn catch_up(&self) -> Result<(), StoreError> {
        let applied = *self.applied.borrow();
        match self.store.changes_since(applied).await? {
            Changes::Commits(commits) => {
                let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
                for commit in commits.iter().filter(|commit| commit.revision > applied) {
                    view.apply(commit);
                }
                let revision = view.revision;
                drop(view);
                self.publish(revision);
            }
            Changes::Compacted => {
                let snapshot = self.store.load().await?;
                let revision = snapshot.revision;
                *self.view.write().unwrap_or_else(PoisonError::into_inner) = snapshot;
                self.publish(revision);
            }
        }
        Ok(())
    }

    fn publish(&self, revision: Revision) {
        self.applied
            .send_if_modified(|last| std::mem::replace(last, revision) != revision);
    }
}
