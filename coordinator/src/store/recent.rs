use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use pinion_model::Revision;

use super::Commit;

/// Commits kept in memory, so that following the log costs no read.
const KEPT: usize = 1024;

/// The last commits, in order.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<Commit>>);

impl Recent {
    pub(super) fn push(&self, commit: Commit) {
        let mut commits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if commits.len() == KEPT {
            commits.pop_front();
        }
        commits.push_back(commit);
    }

    /// The log was cut there.
    pub(super) fn forget(&self, cut: Revision) {
        let mut commits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        commits.retain(|commit| commit.revision > cut);
    }

    /// Every commit after `revision`, or `None` if the first of them is not
    /// kept any more.
    pub(super) fn since(&self, revision: Revision) -> Option<Vec<Commit>> {
        let commits = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = commits.front()?.revision;
        (first <= revision.next()).then(|| {
            commits
                .iter()
                .filter(|commit| commit.revision > revision)
                .cloned()
                .collect()
        })
    }
}
