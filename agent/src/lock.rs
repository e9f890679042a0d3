//! One state directory serves one agent: a lock that ends with its process.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::disk;

/// Name of the locked file in the state directory.
const FILE: &str = "lock";

/// Makes the state directory private and takes its lock; `None` if another
/// process holds it. The lock lasts until the file is dropped.
///
/// # Errors
///
/// What the file system says.
pub fn take(state_dir: &Path) -> io::Result<Option<File>> {
    disk::private_dir(state_dir)?;
    let path = state_dir.join(FILE);
    // On a disk that takes no write any more, one that is there will do.
    let file = File::create(&path).or_else(|error| File::open(&path).map_err(|_| error))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(source),
    }
}
