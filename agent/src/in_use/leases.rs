//! Update locks that are taken through the agent's own socket: they end by
//! themselves, and outlive the agent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pinion_model::{Holder, Timestamp, WorkloadName};
use pinion_workload::in_use::Lease;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::files;
use crate::clock::Clock;
use crate::disk;

/// Name of the file in the state directory.
const FILE: &str = "locks.json";
/// Locks that are held at the same time.
const LIMIT: usize = 64;

/// One lock, as the socket tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// What renews and releases it.
    pub id: String,
    /// Which workload must not be touched; none: the whole machine.
    pub workload: Option<WorkloadName>,
    /// Who holds it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// For how long it is taken and renewed.
    pub ttl: Duration,
    /// When it was taken, by the agent's clock.
    pub taken_at: Timestamp,
    /// When it was last taken or renewed.
    pub renewed_at: Timestamp,
    /// From then on it is no lock.
    pub expires_at: Timestamp,
}

/// A lock that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which workload must not be touched; none: the whole machine.
    pub workload: Option<WorkloadName>,
    /// Who wants it: 1 to 128 bytes.
    pub owner: String,
    /// Why: at most 512 bytes.
    pub reason: String,
    /// 1 s to 24 h.
    pub ttl: Duration,
}

/// Why a lock is not taken, renewed or released.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// What was asked for is not allowed.
    #[error("{field}: {message}")]
    Invalid {
        /// Which part of it.
        field: &'static str,
        /// What is allowed.
        message: String,
    },
    /// It has ended, or never was.
    #[error("there is no lock {0}: it has ended, was released, or never was; take it again")]
    Unknown(String),
    /// There are too many.
    #[error("{LIMIT} locks are held already: release some, or wait until they end")]
    Full,
    /// It could not be kept.
    #[error("cannot write {path}, so the lock is as it was before")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The locks of one machine.
#[derive(Debug)]
pub struct Leases {
    path: PathBuf,
    /// Where others lie as files, if anywhere.
    dir: Option<PathBuf>,
    clock: Clock,
    held: Mutex<BTreeMap<String, Lock>>,
    changed: Notify,
}

impl Leases {
    /// How long a lock lasts for which nobody says how long.
    pub const USUAL_TTL: Duration = Duration::from_secs(600);
    /// The longest that a lock lasts without being renewed.
    pub const LONGEST_TTL: Duration = Duration::from_secs(24 * 3600);
    const SHORTEST_TTL: Duration = Duration::from_secs(1);

    /// The locks that are kept in the state directory. If those cannot be
    /// read, whether one is held is not known: one that says so stands for
    /// them until it ends or is released.
    #[must_use]
    pub fn open(state_dir: &Path, clock: Clock) -> Self {
        let path = state_dir.join(FILE);
        let held = match std::fs::read(&path) {
            Ok(content) => serde_json::from_slice(&content).map_err(|error| error.to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error.to_string()),
        };
        let held = held.unwrap_or_else(|error| {
            tracing::error!(path = %path.display(), error, "the locks cannot be read; one stands for all of them");
            BTreeMap::from([("unknown".to_owned(), unreadable(&path, &error, clock.now()))])
        });
        Self {
            path,
            dir: None,
            clock,
            held: Mutex::new(held),
            changed: Notify::new(),
        }
    }

    /// Beside those that lie as files in a directory.
    #[must_use]
    pub fn with_dir(self, dir: Option<PathBuf>) -> Self {
        Self { dir, ..self }
    }

    /// Those that lie as files and have not ended.
    #[must_use]
    pub fn files(&self) -> Vec<Lease> {
        let dir = self.dir.as_deref();
        dir.map_or_else(Vec::new, |dir| files::read(dir, self.clock.now()))
    }

    /// Those that have not ended, the one that was taken first before all.
    #[must_use]
    pub fn list(&self) -> Vec<Lock> {
        let now = self.clock.now();
        let held = self.held();
        let mut locks: Vec<_> = held
            .values()
            .filter(|l| now < l.expires_at)
            .cloned()
            .collect();
        locks.sort_by(|a, b| (a.taken_at, &a.id).cmp(&(b.taken_at, &b.id)));
        locks
    }

    /// Takes a lock. One of the same owner for the same workload is the same
    /// lock: it is renewed, with the new reason.
    ///
    /// # Errors
    ///
    /// If it is not allowed, there are too many, or it cannot be written.
    pub fn take(&self, wanted: Wanted) -> Result<Lock, LeaseError> {
        check(&wanted)?;
        let now = self.clock.now();
        let mut held = self.held();
        let mut next = living(&held, now);
        let same = |lock: &&Lock| lock.owner == wanted.owner && lock.workload == wanted.workload;
        let before = next.values().find(same).cloned();
        if before.is_none() && next.len() >= LIMIT {
            return Err(LeaseError::Full);
        }
        let lock = Lock {
            id: before.as_ref().map_or_else(
                || format!("{:016x}", rand::random::<u64>()),
                |b| b.id.clone(),
            ),
            taken_at: before.map_or(now, |before| before.taken_at),
            renewed_at: now,
            expires_at: now + wanted.ttl,
            workload: wanted.workload,
            owner: wanted.owner,
            reason: wanted.reason,
            ttl: wanted.ttl,
        };
        next.insert(lock.id.clone(), lock.clone());
        self.replace(&mut held, next)?;
        tracing::info!(id = lock.id, owner = lock.owner, reason = lock.reason, until = %lock.expires_at, "an update lock was taken");
        Ok(lock)
    }

    /// The heartbeat: it lasts from now on as long as it was taken for, or as
    /// long as is said.
    ///
    /// # Errors
    ///
    /// If it has ended, or cannot be written.
    pub fn renew(&self, id: &str, ttl: Option<Duration>) -> Result<Lock, LeaseError> {
        check_ttl(ttl.unwrap_or(Self::USUAL_TTL))?;
        let now = self.clock.now();
        let mut held = self.held();
        let mut next = living(&held, now);
        let lock = next
            .get_mut(id)
            .ok_or_else(|| LeaseError::Unknown(shown(id)))?;
        lock.ttl = ttl.unwrap_or(lock.ttl);
        lock.renewed_at = now;
        lock.expires_at = now + lock.ttl;
        let lock = lock.clone();
        self.replace(&mut held, next)?;
        Ok(lock)
    }

    /// Ends a lock.
    ///
    /// # Errors
    ///
    /// If it has ended already, or that cannot be written.
    pub fn release(&self, id: &str) -> Result<Lock, LeaseError> {
        let mut held = self.held();
        let mut next = living(&held, self.clock.now());
        let lock = next
            .remove(id)
            .ok_or_else(|| LeaseError::Unknown(shown(id)))?;
        self.replace(&mut held, next)?;
        tracing::info!(
            id = lock.id,
            owner = lock.owner,
            "an update lock was released"
        );
        Ok(lock)
    }

    /// The time that they are told in.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Completes when one was taken, renewed or released.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// As the planner reads them.
    pub(crate) fn all(&self, now: Timestamp) -> Vec<Lease> {
        let held = self.held();
        let living = held.values().filter(|lock| now < lock.expires_at);
        let lease = |lock: &Lock| Lease {
            workload: lock.workload.clone(),
            owner: lock.owner.clone(),
            reason: lock.reason.clone(),
            expires_at: Some(lock.expires_at),
        };
        living.map(lease).chain(self.files()).collect()
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Lock>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// First on disk, then in force.
    fn replace(
        &self,
        held: &mut BTreeMap<String, Lock>,
        next: BTreeMap<String, Lock>,
    ) -> Result<(), LeaseError> {
        let content = serde_json::to_vec_pretty(&next).map_err(std::io::Error::other);
        let written = content.and_then(|content| disk::replace(&self.path, &content));
        written.map_err(|source| LeaseError::Write {
            path: self.path.clone(),
            source,
        })?;
        *held = next;
        self.changed.notify_one();
        Ok(())
    }
}

fn living(held: &BTreeMap<String, Lock>, now: Timestamp) -> BTreeMap<String, Lock> {
    let mut living = held.clone();
    living.retain(|_, lock| now < lock.expires_at);
    living
}

fn unreadable(path: &Path, error: &str, now: Timestamp) -> Lock {
    Lock {
        id: "unknown".to_owned(),
        workload: None,
        owner: "unknown".to_owned(),
        reason: format!(
            "{} cannot be read ({error}), so nobody knows who holds a lock; release it when nobody does",
            path.display()
        ),
        ttl: Leases::LONGEST_TTL,
        taken_at: now,
        renewed_at: now,
        expires_at: now + Leases::LONGEST_TTL,
    }
}

fn check(wanted: &Wanted) -> Result<(), LeaseError> {
    let invalid = |field, message: String| Err(LeaseError::Invalid { field, message });
    let has_control = |text: &str| text.chars().any(char::is_control);
    if wanted.owner.trim().is_empty()
        || wanted.owner.len() > Holder::OWNER_LIMIT
        || has_control(&wanted.owner)
    {
        let limit = Holder::OWNER_LIMIT;
        return invalid(
            "owner",
            format!("who holds the lock, in 1 to {limit} bytes on one line, such as \"backup\""),
        );
    }
    if wanted.reason.len() > Holder::REASON_LIMIT || has_control(&wanted.reason) {
        let limit = Holder::REASON_LIMIT;
        return invalid("reason", format!("at most {limit} bytes on one line"));
    }
    check_ttl(wanted.ttl)
}

fn check_ttl(ttl: Duration) -> Result<(), LeaseError> {
    if ttl < Leases::SHORTEST_TTL || ttl > Leases::LONGEST_TTL {
        let message = "1s to 24h, such as \"10m\"; renew it to hold it longer".to_owned();
        return Err(LeaseError::Invalid {
            field: "ttl",
            message,
        });
    }
    Ok(())
}

fn shown(id: &str) -> String {
    format!("{:?}", id.chars().take(80).collect::<String>())
}

#[cfg(test)]
mod tests;
