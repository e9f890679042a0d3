use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, ready};
use pinion_model::{Actor, Revision};
use pinion_rollout::{Change, Decision};
use tokio::sync::watch;

use super::audit::REFUSED;
use super::{
    AuditCursor, AuditEntry, AuditKind, AuditQuery, Changes, Commit, CommitError, CutPolicy,
    RefusedCall, Snapshot, Store, StoreError, Tail, holds_decision,
};

/// A store that forgets everything with the process. For tests.
#[derive(Debug)]
pub struct MemoryStore {
    policy: CutPolicy,
    revisions: watch::Sender<Revision>,
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    revision: Revision,
    decisions: Revision,
    /// All commits up to the cut.
    snapshot: Snapshot,
    commits: Vec<Commit>,
    tail: Tail,
    /// In order of commit.
    audit: Vec<AuditEntry>,
    refused: BTreeMap<(u64, Option<Actor>, String, String), AuditEntry>,
}

impl MemoryStore {
    /// An empty store that cuts its log as `policy` says.
    #[must_use]
    pub fn new(policy: CutPolicy) -> Self {
        Self {
            policy,
            revisions: watch::Sender::new(Revision(0)),
            log: Mutex::default(),
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(CutPolicy::default())
    }
}

impl Store for MemoryStore {
    fn load(&self) -> BoxFuture<'_, Result<Snapshot, StoreError>> {
        let log = self.log();
        let mut snapshot = log.snapshot.clone();
        log.commits.iter().for_each(|commit| snapshot.apply(commit));
        ready(Ok(snapshot)).boxed()
    }

    fn commit(
        &self,
        expected: Option<Revision>,
        changes: Vec<Change>,
    ) -> BoxFuture<'_, Result<Revision, CommitError>> {
        async move {
            let mut log = self.log();
            let revision = log.commit(expected, changes)?;
            if log.tail.is_due(&self.policy) {
                log.cut();
            }
            self.revisions
                .send_if_modified(|last| std::mem::replace(last, revision) != revision);
            Ok(revision)
        }
        .boxed()
    }

    fn changes_since(&self, revision: Revision) -> BoxFuture<'_, Result<Changes, StoreError>> {
        let log = self.log();
        let changes = if revision < log.snapshot.revision {
            Changes::Compacted
        } else {
            let after = log
                .commits
                .iter()
                .filter(|commit| commit.revision > revision);
            Changes::Commits(after.cloned().collect())
        };
        ready(Ok(changes)).boxed()
    }

    fn revisions(&self) -> watch::Receiver<Revision> {
        self.revisions.subscribe()
    }

    fn audit(&self, query: AuditQuery) -> BoxFuture<'_, Result<Vec<AuditEntry>, StoreError>> {
        let log = self.log();
        let decisions = log.audit.iter();
        let decisions = decisions.filter(|_| query.wants(AuditKind::Decision));
        let refusals = log.refused.values();
        let refusals = refusals.filter(|_| query.wants(AuditKind::Refusal));
        let mut entries: Vec<_> = decisions
            .chain(refusals)
            .filter(|entry| query.before.is_none_or(|before| entry.cursor < before))
            .cloned()
            .collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.cursor));
        entries.truncate(query.limit as usize);
        ready(Ok(entries)).boxed()
    }

    fn add_refused(&self, calls: Vec<RefusedCall>) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut log = self.log();
        calls.into_iter().for_each(|call| log.add_refused(call));
        ready(Ok(())).boxed()
    }
}

impl Log {
    fn commit(
        &mut self,
        expected: Option<Revision>,
        changes: Vec<Change>,
    ) -> Result<Revision, CommitError> {
        if expected.is_some_and(|expected| expected != self.decisions) {
            return Err(CommitError::Conflict {
                current: self.decisions,
            });
        }
        if changes.is_empty() {
            return Ok(self.revision);
        }
        self.revision = self.revision.next();
        if holds_decision(&changes) {
            self.decisions = self.revision;
        }
        for change in &changes {
            self.tail.add(matches!(change, Change::Decision(_)), 0);
            if let Change::Decision(decision) = change {
                self.audit_decision(decision);
            }
        }
        let changes = Arc::from(changes);
        self.commits.push(Commit {
            revision: self.revision,
            changes,
        });
        Ok(self.revision)
    }

    fn audit_decision(&mut self, decision: &Decision) {
        let id = self.audit.len() as u64 + 1;
        self.audit.push(AuditEntry {
            cursor: AuditCursor::decision(decision.at, id),
            revision: Some(self.revision),
            at: decision.at,
            actor: Some(decision.actor.clone()),
            action: decision.action().to_owned(),
            subject: decision.subject(),
            detail: decision.detail(),
            count: 1,
        });
    }

    fn cut(&mut self) {
        for commit in std::mem::take(&mut self.commits) {
            self.snapshot.apply(&commit);
        }
        self.tail = Tail::default();
    }

    fn add_refused(&mut self, call: RefusedCall) {
        let id = self.refused.len() as u64 + 1;
        let hour = call.hour();
        let key = (
            hour,
            call.actor.clone(),
            call.subject.clone(),
            call.detail.clone(),
        );
        let entry = self.refused.entry(key).or_insert_with(|| AuditEntry {
            cursor: AuditCursor::refused(call.at, id),
            revision: None,
            at: call.at,
            actor: call.actor,
            action: REFUSED.to_owned(),
            subject: call.subject,
            detail: call.detail,
            count: 0,
        });
        entry.count += call.count;
        entry.at = call.at;
        entry.cursor = entry.cursor.moved_to(call.at);
    }
}
