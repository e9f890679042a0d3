//! The memory store of the coordinator, and the truth: what was committed, applied in order.

use std::sync::Arc;

use futures_util::FutureExt as _;
use pinion_coordinator::store::{
    Changes, Commit, CommitError, CutPolicy, MemoryStore, Snapshot, Store as _,
};
use pinion_model::Revision;
use pinion_rollout::Change;

/// The store, beside what it should hold.
pub(crate) struct Store {
    memory: MemoryStore,
    policy: CutPolicy,
    /// All commits, applied in order; a commit moves it after it was checked.
    pub(crate) truth: Snapshot,
    /// Every commit since the beginning.
    pub(crate) history: Vec<Arc<[Change]>>,
    /// Commits before the first coordinator began: the fleet's identities.
    pub(crate) begun: usize,
}

impl Store {
    pub(crate) fn new(cut_after: u64) -> Self {
        let policy = CutPolicy {
            changes: cut_after,
            decisions: u64::MAX,
            bytes: u64::MAX,
        };
        Self {
            memory: MemoryStore::new(policy),
            policy,
            truth: Snapshot::default(),
            history: Vec::new(),
            begun: 0,
        }
    }

    pub(crate) fn commit(
        &mut self,
        expected: Option<Revision>,
        changes: &[Change],
    ) -> Result<Revision, CommitError> {
        let committed = self.memory.commit(expected, changes.to_vec());
        let revision = committed
            .now_or_never()
            .expect("the memory store never waits")?;
        if !changes.is_empty() {
            self.history.push(Arc::from(changes));
        }
        Ok(revision)
    }

    pub(crate) fn load(&self) -> Snapshot {
        let loaded = self
            .memory
            .load()
            .now_or_never()
            .expect("the memory store never waits");
        loaded.expect("the memory store can always be read")
    }

    pub(crate) fn changes_since(&self, revision: Revision) -> Changes {
        let changes = self
            .memory
            .changes_since(revision)
            .now_or_never()
            .expect("the memory store never waits");
        changes.expect("the memory store can always be read")
    }

    /// Everything after the first `commits` is lost: a backup takes the
    /// store's place.
    pub(crate) fn restore(&mut self, commits: usize) {
        self.history.truncate(commits);
        self.memory = MemoryStore::new(self.policy);
        self.truth = Snapshot::default();
        for (number, changes) in self.history.iter().enumerate() {
            let again = self.memory.commit(None, changes.to_vec());
            again
                .now_or_never()
                .expect("the memory store never waits")
                .expect("what expects nothing cannot conflict");
            self.truth.apply(&Commit {
                revision: Revision(number as u64 + 1),
                changes: Arc::clone(changes),
            });
        }
    }
}
