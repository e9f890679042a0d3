//! A disk that fails where a test tells it to.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Shared by the journals of a machine, so that it counts over the agent's lives.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<Faults>>);

#[derive(Debug, Default)]
struct Faults {
    writes: usize,
    full: Range<usize>,
}

impl Disk {
    /// The writes of these numbers (from 0) find the disk full.
    pub(crate) fn is_full(&self, writes: Range<usize>) {
        self.locked().full = writes;
    }

    /// Writes so far, also those that failed.
    pub(crate) fn writes(&self) -> usize {
        self.locked().writes
    }

    pub(super) fn next_write(&self) -> io::Result<()> {
        let mut faults = self.locked();
        let number = faults.writes;
        faults.writes += 1;
        match faults.full.contains(&number) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl super::Journal {
    /// The same on that disk.
    pub(crate) fn on(mut self, disk: &Disk) -> Self {
        self.faults = disk.clone();
        self
    }
}
