//! What was about to happen, on disk before it happens.
//!
//! Owns the desired state that this agent accepted and, per workload, the
//! record of what is being done and how it ended. Each file has its size before
//! an operation begins, so that a full disk never stops one from going back; a
//! write that a crash tore leaves what was written before it. A file that is
//! damaged all the same is set aside, and the names and labels of the containers
//! say what it would have said.
//!
//! ```text
//!   <state dir>/journal/clock.json             what this boot's instants count from
//!                       desired.slots          the accepted desired state
//!                       workloads/<name>.slots one record each
//! ```

#[cfg(test)]
pub(crate) mod faults;
mod shelf;
mod slots;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pinion_model::{Generation, Timestamp, WorkloadName};
use pinion_workload::{Desired, Record, Stage};

use crate::clock::{Base, Clock};
use crate::disk;
use shelf::{Reserve, Shelf};

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
    #[cfg(test)]
    faults: faults::Disk,
}

#[derive(Debug)]
struct Held {
    desired: Desired,
    desired_shelf: Shelf,
    /// Copied only where one is changed that somebody still reads.
    records: Arc<BTreeMap<WorkloadName, Record>>,
    shelves: BTreeMap<WorkloadName, Shelf>,
    /// Whose record is newer in memory than on disk.
    unwritten: BTreeSet<WorkloadName>,
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
        let base = base(&directory.join("clock.json"), held.latest());
        Ok(Self::of(directory, Clock::boot(&base), held))
    }

    /// The same with a clock of the caller's.
    ///
    /// # Errors
    ///
    /// If the directory cannot be read or written.
    pub fn open_with_clock(state_dir: &Path, clock: Clock) -> Result<Self, JournalError> {
        let directory = state_dir.join("journal");
        let held = read(&directory)?;
        Ok(Self::of(directory, clock, held))
    }

    fn of(directory: PathBuf, clock: Clock, held: Held) -> Self {
        Self {
            directory,
            clock,
            held: Mutex::new(held),
            #[cfg(test)]
            faults: faults::Disk::default(),
        }
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
            let shelf = &mut held.desired_shelf;
            self.reach_the_disk()
                .and_then(|()| shelf.store(&desired, Reserve::IfThereIs))
                .map_err(fault("write", shelf.path()))?;
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

    /// Every record, as they are now.
    #[must_use]
    pub fn records(&self) -> Arc<BTreeMap<WorkloadName, Record>> {
        Arc::clone(&self.lock().records)
    }

    /// Writes a workload's record; it is on disk when this returns. Where
    /// something begins by it, there is room left for how it may end.
    ///
    /// # Errors
    ///
    /// If it cannot be written; then the old one stands, also in memory.
    pub fn write(&self, workload: &WorkloadName, record: Record) -> Result<(), JournalError> {
        let mut held = self.lock();
        self.store(&mut held, workload, &record)?;
        held.unwritten.remove(workload);
        Arc::make_mut(&mut held.records).insert(workload.clone(), record);
        Ok(())
    }

    /// Keeps a record that could not be written in memory alone: only what can
    /// be found out again if it is lost
    /// ([`can_be_found_again`](pinion_workload::can_be_found_again)).
    pub fn hold(&self, workload: &WorkloadName, record: Record) {
        let mut held = self.lock();
        held.unwritten.insert(workload.clone());
        Arc::make_mut(&mut held.records).insert(workload.clone(), record);
    }

    /// Writes what is in memory alone, as far as that can be done now; whether
    /// all is on disk then.
    pub fn flush(&self) -> bool {
        let mut held = self.lock();
        for workload in held.unwritten.clone() {
            let record = held.records.get(&workload).cloned().unwrap_or_default();
            if self.store(&mut held, &workload, &record).is_ok() {
                held.unwritten.remove(&workload);
            }
        }
        held.unwritten.is_empty()
    }

    fn store(
        &self,
        held: &mut Held,
        workload: &WorkloadName,
        record: &Record,
    ) -> Result<(), JournalError> {
        let path = || path_of(&self.directory, workload);
        let shelves = held.shelves.entry(workload.clone());
        let shelf = shelves.or_insert_with(|| Shelf::empty(path()));
        self.reach_the_disk()
            .and_then(|()| shelf.store(record, reserve(record)))
            .map_err(fault("write", shelf.path()))
    }

    #[cfg(test)]
    fn reach_the_disk(&self) -> io::Result<()> {
        self.faults.next_write()
    }

    #[cfg(not(test))]
    fn reach_the_disk(&self) -> io::Result<()> {
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

/// Before an old container is touched, what may come is provided for.
fn reserve(record: &Record) -> Reserve {
    let begins = |stage: &Stage| !stage.has_cut_over() && !matches!(stage, Stage::Abandon { .. });
    match &record.operation {
        Some(operation) if begins(&operation.stage) => Reserve::Needed,
        _ => Reserve::IfThereIs,
    }
}

/// What this boot's instants count from. A disk that takes nothing does not
/// stop the clock: the next process would begin with its wall clock.
fn base(path: &Path, latest: Timestamp) -> Base {
    let held = std::fs::read(path).ok();
    let held: Option<Base> = held.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let base = Base::of_this_boot(held.clone(), latest);
    if held.as_ref() != Some(&base) {
        let bytes = serde_json::to_vec(&base).expect("a boot id and a number");
        if let Err(error) = disk::replace(path, &bytes) {
            tracing::error!(path = %path.display(), %error, "the clock's base could not be kept");
        }
    }
    base
}

fn read(directory: &Path) -> Result<Held, JournalError> {
    let workloads = directory.join("workloads");
    make(directory)?;
    make(&workloads)?;
    let desired = directory.join("desired.slots");
    let (desired_shelf, desired) = Shelf::load(&desired).map_err(fault("read", &desired))?;
    let mut held = Held {
        desired: desired.unwrap_or_default(),
        desired_shelf,
        records: Arc::default(),
        shelves: BTreeMap::new(),
        unwritten: BTreeSet::new(),
    };
    let entries = match std::fs::read_dir(&workloads) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(held),
        entries => entries.map_err(fault("read", &workloads))?,
    };
    for entry in entries {
        let path = entry.map_err(fault("read", &workloads))?.path();
        let Some(name) = named(&path) else {
            continue;
        };
        let (shelf, record) = Shelf::load(&path).map_err(fault("read", &path))?;
        held.shelves.insert(name.clone(), shelf);
        Arc::make_mut(&mut held.records).extend(record.map(|record| (name, record)));
    }
    Ok(held)
}

/// Without room for a directory nothing was ever written there: containers
/// tell what is under way, and memory keeps it.
fn make(directory: &Path) -> Result<(), JournalError> {
    match disk::private_dir(directory) {
        Err(error) if is_full(&error) => {
            tracing::error!(directory = %directory.display(), %error, "no room for the journal");
            Ok(())
        }
        made => made.map_err(fault("create", directory)),
    }
}

fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    matches!(
        error.kind(),
        StorageFull | QuotaExceeded | ReadOnlyFilesystem
    )
}

fn path_of(directory: &Path, workload: &WorkloadName) -> PathBuf {
    directory
        .join("workloads")
        .join(format!("{workload}.slots"))
}

/// The workload whose record a file is.
fn named(path: &Path) -> Option<WorkloadName> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".slots")?.parse().ok()
}

fn fault(call: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError + use<> {
    let path = path.to_owned();
    move |source| JournalError { call, path, source }
}

#[cfg(test)]
mod tests;
