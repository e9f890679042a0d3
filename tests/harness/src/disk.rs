//! A disk of some megabytes in the place of a directory, to be filled.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::command::{command, run, run_command};

const MIB: u64 = 1024 * 1024;

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
    pub fn in_memory(point: &Path, mib: u64) -> anyhow::Result<Self> {
        let options = format!("-t tmpfs -o size={mib}m,mode=0700 tmpfs");
        Self::over(point, &options)
    }

    /// The same with an ext4 file system in a file beside it, which engines can lay overlays on.
    ///
    /// # Errors
    ///
    /// As [`in_memory`](Self::in_memory), or if the machine has no loop device left.
    pub fn in_a_file(point: &Path, mib: u64) -> anyhow::Result<Self> {
        let image = point.with_extension("img");
        File::create(&image)?.set_len(mib * MIB)?;
        run(&format!("mkfs.ext4 -q -m 0 {}", image.display()))?;
        Self::over(point, &format!("-o loop {}", image.display()))
    }

    fn over(point: &Path, options: &str) -> anyhow::Result<Self> {
        let before = point.with_extension("before");
        let (at, from) = (point.display(), before.display());
        fs::rename(point, &before).with_context(|| format!("set {at} aside"))?;
        fs::create_dir(point)?;
        run(&format!("mount {options} {at}")).context("mount a small disk")?;
        run(&format!("cp -a {from}/. {at}"))?;
        fs::remove_dir_all(&before)?;
        Ok(Self {
            point: point.to_owned(),
        })
    }

    /// Bytes that are free.
    ///
    /// # Errors
    ///
    /// If the file system does not say.
    pub fn free(&self) -> anyhow::Result<u64> {
        let disk = rustix::fs::statvfs(&self.point)?;
        Ok(disk.f_bavail * disk.f_frsize)
    }

    /// Takes all room but so many MiB, without writing there.
    ///
    /// # Errors
    ///
    /// If less is free already.
    pub fn leave(&self, mib: u64) -> anyhow::Result<()> {
        let taken = self.free()?.checked_sub(mib * MIB);
        let taken = taken.context("less is free already")?.to_string();
        run_command(
            command("fallocate")
                .args(["-l", &taken])
                .arg(self.filling()),
        )
        .map(drop)
    }

    /// Takes all room that there is, to the last byte.
    ///
    /// # Errors
    ///
    /// If a write fails for another reason.
    pub fn fill(&self) -> anyhow::Result<()> {
        let mut filling = File::options()
            .create(true)
            .append(true)
            .open(self.filling())?;
        for size in [1 << 20, 1 << 12, 1] {
            let bytes = vec![0x55; size];
            loop {
                let written = filling.write_all(&bytes).and_then(|()| filling.sync_data());
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
    /// If nothing was taken.
    pub fn make_room(&self) -> anyhow::Result<()> {
        fs::remove_file(self.filling()).context("remove what fills the disk")
    }

    fn filling(&self) -> PathBuf {
        self.point.join("filling")
    }
}
