//! One value of the journal, in a file of its own with room to grow.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::slots::{Opened, Slots};

/// Bytes that a value may grow by while its operation is under way, when the
/// disk may be full: three times 32 KiB of last words, as JSON, and a
/// container's settings.
const HEADROOM: usize = 256 * 1024;

/// Whether the headroom must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reserve {
    /// What begins now must be able to end on a full disk.
    Needed,
    /// What is under way takes what there is.
    IfThereIs,
}

/// Where a value is kept.
#[derive(Debug)]
pub(super) struct Shelf {
    path: PathBuf,
    slots: Option<Slots>,
}

impl Shelf {
    /// A shelf on which nothing is yet; its file is made with the first value.
    pub(super) fn empty(path: PathBuf) -> Self {
        Self { path, slots: None }
    }

    /// Reads the file. One that is damaged is renamed, so that it is neither
    /// lost nor read again.
    pub(super) fn load<T: DeserializeOwned>(path: &Path) -> io::Result<(Self, Option<T>)> {
        let mut shelf = Self::empty(path.to_owned());
        let reason = match Slots::open(path)? {
            Opened::Absent => return Ok((shelf, None)),
            Opened::Damaged => "neither of its slots is whole".to_owned(),
            Opened::Whole(slots, bytes) => match serde_json::from_slice(&bytes) {
                Ok(value) => {
                    shelf.slots = Some(slots);
                    return Ok((shelf, Some(value)));
                }
                Err(error) => error.to_string(),
            },
        };
        let aside = free_name(path);
        fs::rename(path, &aside)?;
        tracing::error!(file = %path.display(), aside = %aside.display(), reason, "journal file is damaged, set aside");
        Ok((shelf, None))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Replaces the value; on return it is what a reader finds after a crash.
    pub(super) fn store<T: Serialize>(&mut self, value: &T, reserve: Reserve) -> io::Result<()> {
        let bytes = serde_json::to_vec(value).map_err(io::Error::other)?;
        let wanted = bytes.len() + HEADROOM;
        let Some(slots) = &mut self.slots else {
            self.slots = Some(Slots::create(&self.path, wanted, &bytes)?);
            return Ok(());
        };
        let fits = bytes.len() <= slots.room();
        let is_ample = wanted <= slots.room();
        if is_ample || (fits && reserve == Reserve::IfThereIs) {
            return slots.write(&bytes);
        }
        slots.grow(wanted + HEADROOM, &bytes)
    }
}

fn free_name(path: &Path) -> PathBuf {
    let candidate = |n: u32| path.with_extension(format!("damaged-{n}"));
    (1..u32::MAX)
        .map(candidate)
        .find(|name| !name.exists())
        .unwrap_or_else(|| candidate(0))
}
