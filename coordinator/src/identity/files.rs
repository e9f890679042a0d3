//! Keys and certificates on disk: written whole or not at all, and a key is
//! never readable by anybody else, not even for a moment.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// A file that could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Reading failed.
    #[error("read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Writing failed.
    #[error("write {}", path.display())]
    Write {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The text of a file; `None` if there is no such file.
///
/// # Errors
///
/// If it is there and cannot be read.
pub fn read(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Whether a directory holds one file alone, not counting one that a write
/// left half done.
///
/// # Errors
///
/// If it cannot be listed.
pub fn holds_nothing_but(dir: &Path, file: &Path) -> Result<bool, FileError> {
    let at = |source| FileError::Read {
        path: dir.to_owned(),
        source,
    };
    for entry in fs::read_dir(dir).map_err(at)? {
        let path = entry.map_err(at)?.path();
        if path != file && path.extension() != Some("tmp".as_ref()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Makes a directory, and those above it, that only its owner may enter.
///
/// # Errors
///
/// If it cannot be made.
pub fn private_dir(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| FileError::Write {
            path: path.to_owned(),
            source,
        })
}

/// Writes a secret: mode 0600 from its first byte.
///
/// # Errors
///
/// If it cannot be written; what was there before then stays as it was.
pub fn write_secret(path: &Path, text: &str) -> Result<(), FileError> {
    write(path, text, 0o600)
}

/// Writes what everybody may read: mode 0644.
///
/// # Errors
///
/// If it cannot be written; what was there before then stays as it was.
pub fn write_public(path: &Path, text: &str) -> Result<(), FileError> {
    write(path, text, 0o644)
}

/// Beside the file first, then in its place: power loss leaves the old or the
/// new, never a part.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), FileError> {
    let at = |source| FileError::Write {
        path: path.to_owned(),
        source,
    };
    let beside = path.with_extension("tmp");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)
        .map_err(at)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(at)?;
    fs::rename(&beside, path).map_err(at)?;
    let parent = path.parent().unwrap_or(Path::new("."));
    File::open(parent)
        .and_then(|dir| dir.sync_all())
        .map_err(at)
}
