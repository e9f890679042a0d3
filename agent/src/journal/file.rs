//! Files that are whole after a power loss, or not there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk;

/// What a file of the journal holds.
pub(super) enum Loaded<T> {
    /// This.
    Whole(T),
    /// There is none.
    Absent,
    /// Nothing that can be read; it was set aside under this name.
    Damaged {
        /// Where it is now.
        aside: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
}

/// Reads a file; one that is damaged is renamed, so that it is neither lost
/// nor read again.
pub(super) fn load<T: DeserializeOwned>(path: &Path) -> io::Result<Loaded<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Absent),
        Err(error) => return Err(error),
    };
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Loaded::Whole(value)),
        Err(error) => {
            let aside = free_name(path);
            fs::rename(path, &aside)?;
            Ok(Loaded::Damaged {
                aside,
                reason: error.to_string(),
            })
        }
    }
}

fn free_name(path: &Path) -> PathBuf {
    let candidate = |n: u32| path.with_extension(format!("damaged-{n}"));
    (1..u32::MAX)
        .map(candidate)
        .find(|name| !name.exists())
        .unwrap_or_else(|| candidate(0))
}

/// Replaces a file in one step; on return the new one is what a reader finds
/// after a crash.
pub(super) fn store<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let bytes = serde_json::to_vec_pretty(value).map_err(io::Error::other)?;
    disk::replace(path, &bytes)
}
