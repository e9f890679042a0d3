//! A small disk of its own for an engine's data, so that it can be filled.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::command::{command, run_command};

/// A file system in a sparse file, mounted until it is dropped.
#[derive(Debug)]
pub struct LoopDisk {
    mounted_at: PathBuf,
}

impl LoopDisk {
    /// Makes a file system of `mib` MiB in `file` and mounts it on `directory`.
    ///
    /// # Errors
    ///
    /// If the machine has no loop devices, or they are all in use.
    pub fn mount(file: &Path, directory: &Path, mib: u64) -> anyhow::Result<Self> {
        File::create(file)?.set_len(mib * 1024 * 1024)?;
        run_command(command("mkfs.ext4").args(["-q", "-m", "0"]).arg(file))?;
        std::fs::create_dir_all(directory)?;
        run_command(
            command("mount")
                .args(["-o", "loop"])
                .arg(file)
                .arg(directory),
        )
        .context("mount a file as a disk")?;
        Ok(Self {
            mounted_at: directory.to_owned(),
        })
    }

    /// Bytes that are free.
    ///
    /// # Errors
    ///
    /// If the file system does not say.
    pub fn free(&self) -> anyhow::Result<u64> {
        let disk = rustix::fs::statvfs(&self.mounted_at)?;
        Ok(disk.f_bavail * disk.f_frsize)
    }

    /// Takes so much of it that `free` MiB are left; without writing them.
    ///
    /// # Errors
    ///
    /// If less is free already.
    pub fn fill(&self, free: u64) -> anyhow::Result<()> {
        let taken = self.free()?.checked_sub(free * 1024 * 1024);
        let taken = taken.context("less is free already")?;
        run_command(
            command("fallocate")
                .args(["-l", &taken.to_string()])
                .arg(self.filling()),
        )
        .map(drop)
    }

    /// Gives back what [`fill`](Self::fill) took.
    ///
    /// # Errors
    ///
    /// If nothing was taken.
    pub fn clear(&self) -> anyhow::Result<()> {
        std::fs::remove_file(self.filling()).context("remove what fills the disk")
    }

    fn filling(&self) -> PathBuf {
        self.mounted_at.join("filling")
    }
}

impl Drop for LoopDisk {
    fn drop(&mut self) {
        // An engine that still ends may hold it.
        if let Err(error) = run_command(command("umount").arg("-l").arg(&self.mounted_at)) {
            eprintln!("{} stays mounted: {error:#}", self.mounted_at.display());
        }
    }
}
