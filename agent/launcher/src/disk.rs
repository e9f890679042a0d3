//! The few things that are done to files, so that a test can lose power
//! between any two of them.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What is done to files.
pub trait Disk {
    /// Writes a file anew; it need not survive a loss of power yet.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn write(&self, path: &Path, content: &mut dyn Read, mode: u32) -> io::Result<()>;

    /// What was written survives.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name, in the place of what has it.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// The names in a directory survive.
    ///
    /// # Errors
    ///
    /// What the file system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Real;

impl Disk for Real {
    fn write(&self, path: &Path, content: &mut dyn Read, mode: u32) -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        io::copy(content, &mut file)?;
        file.flush()
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }
}
