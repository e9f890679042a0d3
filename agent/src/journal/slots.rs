//! A record in one of two slots of a file that has its size from the start.
//!
//! ```text
//!   ┌ slot A ──────────────────────┬ slot B ──────────────────────┐
//!   │ magic seq length checksum │ record … zeros │ …              │
//!   └───────────────────────────┴────────────────┴────────────────┘
//! ```
//!
//! The older slot is written over in place, and synced. A write that a crash
//! tore does not have its checksum, so the other slot counts, which was
//! acknowledged before. As every block is there already, a full disk stops no
//! write (on a file system that writes in place: ext4, xfs; not btrfs or zfs).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::disk;

const MAGIC: [u8; 8] = *b"pinionj1";
/// Magic, sequence, length, checksum.
const HEADER: usize = 8 + 8 + 8 + 32;
/// Slots are whole pages of any machine's memory, so that no block is of both.
const PAGE: usize = 64 * 1024;

/// What a file holds.
pub(super) enum Opened {
    /// This was written last.
    Whole(Slots, Vec<u8>),
    /// There is no such file.
    Absent,
    /// Neither slot is whole, which no crash does.
    Damaged,
}

/// The file, and which of its slots is the newer one.
#[derive(Debug)]
pub(super) struct Slots {
    path: PathBuf,
    file: File,
    /// Bytes of one slot.
    size: u64,
    sequence: u64,
    newer: u64,
}

impl Slots {
    /// Reads the newer slot that is whole.
    pub(super) fn open(path: &Path) -> io::Result<Opened> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Opened::Absent),
            // What it holds counts; a write will say why it cannot be done.
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => File::open(path)?,
            Err(error) => return Err(error),
        };
        let bytes = fs::read(path)?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let size = first.len() as u64;
        let whole = [(0, parse(first)), (1, parse(second))];
        let newest = whole
            .into_iter()
            .filter_map(|(index, slot)| slot.map(|(sequence, record)| (sequence, index, record)))
            .max_by_key(|(sequence, ..)| *sequence);
        Ok(match newest {
            None => Opened::Damaged,
            Some((sequence, newer, record)) => {
                let path = path.to_owned();
                let slots = Self {
                    path,
                    file,
                    size,
                    sequence,
                    newer,
                };
                Opened::Whole(slots, record.to_vec())
            }
        })
    }

    /// Makes the file with room for records of `room` bytes, the first in it;
    /// it takes the place of one of that name in one step.
    pub(super) fn create(path: &Path, room: usize, record: &[u8]) -> io::Result<Self> {
        let created = Self::begin(path, room, 0, record)?;
        disk::sync_parent(path)?;
        Ok(created)
    }

    fn begin(path: &Path, room: usize, sequence: u64, record: &[u8]) -> io::Result<Self> {
        let next = path.with_extension("next");
        let written = Self::fill(path, &next, room, sequence, record);
        if written.is_err() {
            // Half a file would take the room that others need.
            drop(fs::remove_file(&next));
        }
        written
    }

    /// Zeros, not a promise of blocks: what was written once needs no room again.
    fn fill(
        path: &Path,
        next: &Path,
        room: usize,
        sequence: u64,
        record: &[u8],
    ) -> io::Result<Self> {
        let size = (room.max(record.len()) + HEADER).next_multiple_of(PAGE);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(next)?;
        let zeros = vec![0; PAGE];
        for _ in 0..2 * size / PAGE {
            file.write_all(&zeros)?;
        }
        file.write_all_at(&frame(sequence, record), 0)?;
        file.sync_all()?;
        fs::rename(next, path)?;
        let path = path.to_owned();
        Ok(Self {
            path,
            file,
            size: size as u64,
            sequence,
            newer: 0,
        })
    }

    /// Bytes that a record may have.
    pub(super) fn room(&self) -> usize {
        usize::try_from(self.size)
            .unwrap_or(usize::MAX)
            .saturating_sub(HEADER)
    }

    /// Makes room for records of `room` bytes, with this one as the newest.
    pub(super) fn grow(&mut self, room: usize, record: &[u8]) -> io::Result<()> {
        // Whether or not its name survives loss of power, it is the file now.
        *self = Self::begin(&self.path, room, self.sequence + 1, record)?;
        disk::sync_parent(&self.path)
    }

    /// Writes over the older slot; the record is on disk when this returns.
    pub(super) fn write(&mut self, record: &[u8]) -> io::Result<()> {
        if record.len() > self.room() {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "the record is larger than the room that was kept for it",
            ));
        }
        let (sequence, older) = (self.sequence + 1, 1 - self.newer);
        self.file
            .write_all_at(&frame(sequence, record), older * self.size)?;
        self.file.sync_data()?;
        (self.sequence, self.newer) = (sequence, older);
        Ok(())
    }
}

fn frame(sequence: u64, record: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + record.len());
    bytes.extend(MAGIC);
    bytes.extend(sequence.to_le_bytes());
    bytes.extend((record.len() as u64).to_le_bytes());
    bytes.extend(checksum(sequence, record));
    bytes.extend(record);
    bytes
}

fn checksum(sequence: u64, record: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(sequence.to_le_bytes());
    hash.update((record.len() as u64).to_le_bytes());
    hash.update(record);
    hash.finalize().into()
}

/// The sequence and the record of a slot that is whole.
fn parse(slot: &[u8]) -> Option<(u64, &[u8])> {
    let rest = slot.strip_prefix(&MAGIC)?;
    let (sequence, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk::<32>()?;
    let sequence = u64::from_le_bytes(*sequence);
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let record = rest.get(..length)?;
    (checksum(sequence, record) == *sum).then_some((sequence, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest(path: &Path) -> Option<Vec<u8>> {
        match Slots::open(path).expect("readable") {
            Opened::Whole(_, record) => Some(record),
            Opened::Absent | Opened::Damaged => None,
        }
    }

    fn record(n: u8, length: usize) -> Vec<u8> {
        (0..length)
            .map(|i| n.wrapping_mul(31) ^ (i % 251) as u8)
            .collect()
    }

    /// The file after records 1 to `n`, of different lengths.
    fn after(path: &Path, n: u8) -> Vec<u8> {
        let mut slots = Slots::create(path, 200, &record(1, 90)).expect("room");
        for each in 2..=n {
            slots
                .write(&record(each, 60 + 7 * usize::from(each)))
                .expect("room");
        }
        fs::read(path).expect("read")
    }

    #[test]
    fn a_write_that_was_torn_at_any_byte_leaves_the_old_record_or_the_new_one() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("web.slots");
        for n in 2..6 {
            let (before, old) = (after(&path, n - 1), newest(&path).expect("whole"));
            let (done, new) = (after(&path, n), newest(&path).expect("whole"));
            let changed: Vec<usize> = (0..done.len()).filter(|i| done[*i] != before[*i]).collect();
            let (first, last) = (changed[0], changed[changed.len() - 1]);
            for torn in first..=last + 1 {
                // What came to the disk first is the beginning, or the end.
                let head = [&done[..torn], &before[torn..]].concat();
                let tail = [&before[..torn], &done[torn..]].concat();
                for (bytes, is_whole) in [(head, torn > last), (tail, torn == first)] {
                    fs::write(&path, &bytes).expect("written");
                    let found = newest(&path).expect("one of the two");
                    let expected = if is_whole || bytes == done {
                        &new
                    } else {
                        &old
                    };
                    assert_eq!(&found, expected, "record {n} torn at {torn}");
                }
            }
        }
    }

    #[test]
    fn a_bit_that_flips_anywhere_in_the_newer_slot_leaves_the_older() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("web.slots");
        let whole = after(&path, 3);
        let newer = newest(&path).expect("whole");
        for at in 0..HEADER + newer.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << bit;
                fs::write(&path, &bytes).expect("written");
                assert_eq!(newest(&path), Some(record(2, 74)), "bit {bit} of byte {at}");
            }
        }
    }

    #[test]
    fn a_file_that_ends_anywhere_holds_a_record_that_was_acknowledged_or_is_damaged() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("web.slots");
        let whole = after(&path, 3);
        let known = [record(2, 74), record(3, 81)];
        for end in (0..whole.len()).step_by(509).chain(0..400) {
            fs::write(&path, &whole[..end]).expect("written");
            let found = newest(&path);
            assert!(
                found.is_none_or(|found| known.contains(&found)),
                "cut at {end}"
            );
        }
    }

    #[test]
    fn what_goes_on_after_a_torn_write_writes_over_the_torn_slot() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("web.slots");
        let mut bytes = after(&path, 2);
        let half = bytes.len() / 2;
        bytes[half + HEADER] ^= 1;
        fs::write(&path, &bytes).expect("written");
        let Opened::Whole(mut slots, found) = Slots::open(&path).expect("readable") else {
            panic!("the first slot is whole");
        };
        assert_eq!(found, record(1, 90));
        slots.write(&record(9, 20)).expect("room");
        assert_eq!(newest(&path), Some(record(9, 20)));
        bytes = fs::read(&path).expect("read");
        assert_eq!(parse(&bytes[..half]), Some((0, record(1, 90).as_slice())));
    }

    #[test]
    fn a_record_that_outgrows_its_room_is_refused_until_there_is_more() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("web.slots");
        let mut slots = Slots::create(&path, 100, b"small").expect("room");
        let large = record(7, slots.room() + 1);
        let error = slots.write(&large).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(newest(&path), Some(b"small".to_vec()));
        slots.grow(large.len() + 10, &large).expect("there is room");
        assert_eq!(newest(&path), Some(large.clone()));
        slots.write(b"after").expect("room");
        assert_eq!(newest(&path), Some(b"after".to_vec()));
        let files = fs::read_dir(dir.path()).expect("list").count();
        assert_eq!(files, 1, "nothing is left beside it");
    }
}
