//! What was about to happen, on disk before it happens.
//!
//! Owns the desired state that this agent accepted and, per workload, the
//! record of what is being done and how it ended. Each file is whole or not
//! there; one that is damaged is set aside, and the names and labels of the
//! containers say what it would have said.
//!
//! ```text
//!   <state dir>/journal/clock.json            what this boot's instants count from
//!                       desired.json          the accepted desired state
//!                       workloads/<name>.json one record each
//! ```

mod file;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pinion_model::{Generation, Timestamp, WorkloadName};
use pinion_workload::{Desired, Record};

use crate::clock::{Base, Clock};
use crate::disk;
use file::{Loaded, load, store};

/// The journal cannot be read or written: nothing may be done without it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {call} the journal's {}; check that the disk has room and that the agent may write there", path.display())]
pub struct JournalError {
    call: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Why a desired state was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// It is older than the one that is held.
    #[error("generation {offered} is older than {held}, which this agent has accepted")]
    Stale {
        /// What is held.
        held: Generation,
        /// What was offered.
        offered: Generation,
    },
    /// It could not be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The journal of one agent. Shared: each call is short, and on disk when it returns.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    clock: Clock,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    desired: Desired,
    records: BTreeMap<WorkloadName, Record>,
}

impl Journal {
    /// Opens the journal in a state directory, or begins one. Its instants
    /// are those of the machine's boot clock.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or written.
    pub fn open(state_dir: &Path) -> Result<Self, JournalError> {
        let directory = state_dir.join("journal");
        let held = read(&directory)?;
        let path = directory.join("clock.json");
        let base = Base::of_this_boot(whole(&path)?, held.latest());
        store(&path, &base).map_err(fault("write", &path))?;
        Ok(Self {
            directory,
            clock: Clock::boot(&base),
            held: Mutex::new(held),
        })
    }

    /// The same with a clock of the caller's.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or written.
    pub fn open_with_clock(state_dir: &Path, clock: Clock) -> Result<Self, JournalError> {
        let directory = state_dir.join("journal");
        let held = Mutex::new(read(&directory)?);
        Ok(Self {
            directory,
            clock,
            held,
        })
    }

    /// The clock that its instants are of.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Takes a desired state, with the instant at which each assignment of it
    /// came first; it is on disk when this returns. The same
    /// generation again is taken too: the catalog that comes with it may be newer.
    ///
    /// # Errors
    ///
    /// If a higher generation is held, or it cannot be written.
    pub fn accept(&self, desired: Desired) -> Result<Generation, AcceptError> {
        let mut held = self.lock();
        let (offered, highest) = (desired.generation, held.desired.generation);
        if offered < highest {
            return Err(AcceptError::Stale {
                held: highest,
                offered,
            });
        }
        let desired = desired.received(&held.desired, self.clock.now());
        if held.desired != desired {
            let path = self.directory.join("desired.json");
            store(&path, &desired).map_err(fault("write", &path))?;
            held.desired = desired;
        }
        Ok(offered)
    }

    /// What was accepted last.
    #[must_use]
    pub fn desired(&self) -> Desired {
        self.lock().desired.clone()
    }

    /// The highest generation that was accepted.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.lock().desired.generation
    }

    /// The record of a workload; an empty one if there is none.
    #[must_use]
    pub fn record(&self, workload: &WorkloadName) -> Record {
        self.lock()
            .records
            .get(workload)
            .cloned()
            .unwrap_or_default()
    }

    /// Every record.
    #[must_use]
    pub fn records(&self) -> BTreeMap<WorkloadName, Record> {
        self.lock().records.clone()
    }

    /// Writes a workload's record; it is on disk when this returns.
    ///
    /// # Errors
    ///
    /// If it cannot be written; then the old one stands, also in memory.
    pub fn write(&self, workload: &WorkloadName, record: Record) -> Result<(), JournalError> {
        let mut held = self.lock();
        let path = self
            .directory
            .join("workloads")
            .join(format!("{workload}.json"));
        store(&path, &record).map_err(fault("write", &path))?;
        held.records.insert(workload.clone(), record);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The latest instant on record: the clock never goes behind it.
    fn latest(&self) -> Timestamp {
        let of = |record: &Record| {
            let accepted = record.accepted.as_ref().map(|a| a.at);
            let since = record.operation.as_ref().map(|o| o.since);
            accepted
                .max(since)
                .max(record.outcome.as_ref().map(|o| o.at))
        };
        self.records
            .values()
            .filter_map(of)
            .chain(self.desired.assignments.values().map(|a| a.received_at))
            .max()
            .unwrap_or_default()
    }
}

fn read(directory: &Path) -> Result<Held, JournalError> {
    let workloads = directory.join("workloads");
    disk::private_dir(directory).map_err(fault("create", directory))?;
    disk::private_dir(&workloads).map_err(fault("create", &workloads))?;
    let desired = whole(&directory.join("desired.json"))?.unwrap_or_default();
    let mut records = BTreeMap::new();
    for entry in std::fs::read_dir(&workloads).map_err(fault("read", &workloads))? {
        let path = entry.map_err(fault("read", &workloads))?.path();
        if let Some((name, record)) =
            named(&path).zip(if is_json(&path) { whole(&path)? } else { None })
        {
            records.insert(name, record);
        }
    }
    Ok(Held { desired, records })
}

fn is_json(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "json")
}

/// The workload whose record a file is.
fn named(path: &Path) -> Option<WorkloadName> {
    path.file_name()?
        .to_str()?
        .strip_suffix(".json")?
        .parse()
        .ok()
}

/// What a file holds; none if there is none, or it was damaged.
fn whole<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, JournalError> {
    match load(path).map_err(fault("read", path))? {
        Loaded::Whole(value) => Ok(Some(value)),
        Loaded::Absent => Ok(None),
        Loaded::Damaged { aside, reason } => {
            tracing::error!(file = %path.display(), aside = %aside.display(), reason, "journal file is damaged, set aside");
            Ok(None)
        }
    }
}

fn fault(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError + use<> {
    let path = path.to_owned();
    move |source| JournalError { call, path, source }
}

#[cfg(test)]
mod tests;
