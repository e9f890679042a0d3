//! Writes that are whole or not there, and private to this user.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Makes a directory (0700) with those above it; one that is there is made
/// private.
///
/// # Errors
///
/// What the file system says.
pub fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    match std::fs::metadata(path)?.permissions().mode() & 0o777 {
        // A disk that takes no write any more can be used for what it holds.
        0o700 => Ok(()),
        _ => std::fs::set_permissions(path, Permissions::from_mode(0o700)),
    }
}

/// Replaces a file (0600) in one step: after a crash it is the old or the new
/// one, and after success it survives loss of power.
///
/// # Errors
///
/// What the file system says.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let dir = path
        .parent()
        .ok_or_else(|| io::Error::other("a file needs a directory"))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".next");
    let next = dir.join(name);
    match std::fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&next)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&next, path)?;
    sync_dir(dir)
}

/// Removes a file for good; one that is not there is removed already.
///
/// # Errors
///
/// What the file system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_parent(path),
    }
}

/// Makes a file's name survive loss of power.
///
/// # Errors
///
/// What the file system says.
pub fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_dir)
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_whole_private_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("a/b/file");
        private_dir(path.parent().expect("parent")).expect("directory");
        std::fs::write(dir.path().join("a/b/file.next"), "torn").expect("leftover of a crash");
        replace(&path, b"one").expect("first");
        replace(&path, b"two").expect("second");
        assert_eq!(std::fs::read(&path).expect("read"), b"two");
        let mode = |path: &Path| {
            std::fs::metadata(path)
                .expect("metadata")
                .permissions()
                .mode()
                & 0o777
        };
        assert_eq!(
            (mode(&path), mode(path.parent().expect("parent"))),
            (0o600, 0o700)
        );
        assert_eq!(
            std::fs::read_dir(dir.path().join("a/b"))
                .expect("list")
                .count(),
            1
        );
        remove(&path).expect("there");
        remove(&path).expect("gone already");
    }
}
