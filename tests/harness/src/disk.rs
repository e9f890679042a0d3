//! A disk of a few megabytes in the place of a directory, to be filled to its last byte.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::command::run;

/// A small disk. It is unmounted with its world.
#[derive(Debug)]
pub struct SmallDisk {
    point: PathBuf,
}

impl SmallDisk {
    /// Moves what is in `point` to a file system in memory of that size, and mounts it there.
    ///
    /// # Errors
    ///
    /// If it cannot be made or is too small.
    pub fn in_memory(point: &Path, megabytes: u32) -> anyhow::Result<Self> {
        let options = format!("-t tmpfs -o size={megabytes}m,mode=0700 tmpfs");
        Self::over(point, &options)
    }

    /// The same with an ext4 file system in a file beside it, which engines can lay overlays on.
    ///
    /// # Errors
    ///
    /// As [`in_memory`](Self::in_memory).
    pub fn in_a_file(point: &Path, megabytes: u32) -> anyhow::Result<Self> {
        let image = point.with_extension("img");
        run(&format!("truncate -s {megabytes}M {}", image.display()))?;
        run(&format!("mkfs.ext4 -q -m 0 {}", image.display()))?;
        Self::over(point, &format!("-o loop {}", image.display()))
    }

    fn over(point: &Path, options: &str) -> anyhow::Result<Self> {
        let before = point.with_extension("before");
        let (at, from) = (point.display(), before.display());
        fs::rename(point, &before).with_context(|| format!("set {at} aside"))?;
        fs::create_dir(point)?;
        run(&format!("mount {options} {at}"))?;
        run(&format!("cp -a {from}/. {at}"))?;
        fs::remove_dir_all(&before)?;
        Ok(Self {
            point: point.to_owned(),
        })
    }

    /// Takes all room that there is.
    ///
    /// # Errors
    ///
    /// If a write fails for another reason.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut filler = File::options()
            .create(true)
            .append(true)
            .open(self.filler())?;
        for size in [1 << 20, 1 << 12, 1] {
            let bytes = vec![0x55; size];
            loop {
                let written = filler.write_all(&bytes).and_then(|()| filler.sync_data());
                match written {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("fill the disk"),
                }
            }
        }
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    ///
    /// If it was not taken.
    pub fn make_room(&self) -> anyhow::Result<()> {
        fs::remove_file(self.filler()).context("make room on the disk")
    }

    fn filler(&self) -> PathBuf {
        self.point.join("filler")
    }
}
