//! The file system on which the engine keeps its images.

use std::path::{Path, PathBuf};

use pinion_workload::Room;

const GIB: u64 = 1024 * 1024 * 1024;

/// Where images go, and how much of it stays free.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Disk {
    /// A directory on it; none if that is not known.
    pub directory: Option<PathBuf>,
    /// Bytes that stay free; none: the greater of 2 GiB and a tenth.
    pub floor: Option<u64>,
}

impl Disk {
    /// The room that is there now; none if it cannot be seen from here, as
    /// where the agent is itself in a container.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        room(self.directory.as_deref()?, self.floor)
    }
}

fn room(directory: &Path, floor: Option<u64>) -> Option<Room> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let size = disk.f_blocks.saturating_mul(disk.f_frsize);
    let floor = floor.unwrap_or_else(|| usual_floor(size));
    Some(Room { free, floor })
}

fn usual_floor(size: u64) -> u64 {
    (size / 10).max(2 * GIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_stays_free_and_two_gib_at_least() {
        for (size, floor) in [(0, 2), (8, 2), (20, 2), (21, 2), (100, 10), (1000, 100)] {
            assert_eq!(usual_floor(size * GIB) / GIB, floor, "of {size} GiB");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_has_no_room_that_could_be_known() {
        let nowhere = Disk {
            directory: Some("/nowhere/at/all".into()),
            floor: Some(1),
        };
        assert_eq!((nowhere.room(), Disk::default().room()), (None, None));
        let somewhere = Disk {
            directory: Some(std::env::temp_dir()),
            floor: Some(1),
        };
        assert_eq!(somewhere.room().map(|room| room.floor), Some(1));
    }
}
