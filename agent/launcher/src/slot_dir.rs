//! The two places and the file that says what is in them.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use pinion_workload::{Program, Slot, Slots};
use sha2::{Digest as _, Sha256};

use crate::disk::{Disk, Real};

/// Name of a program in its place.
const PROGRAM: &str = "pinion-agent";
/// The larger a program, the more of it is read at once.
const CHUNK: usize = 64 * 1024;

/// `<state dir>/slots`.
#[derive(Debug, Clone)]
pub struct SlotDir<D = Real> {
    root: PathBuf,
    disk: D,
}

/// Why a program was not laid.
#[derive(Debug, thiserror::Error)]
pub enum LayError {
    /// It could not be read or written.
    #[error(
        "cannot write the program {path}; see that the disk has room and that the agent may write there"
    )]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is on the disk is not what was written.
    #[error("the program {0} reads otherwise than it was written: look for faults of the disk")]
    Damaged(PathBuf),
    /// It was tried, and does not run here.
    #[error("the program does not run on this machine: {0}")]
    Unfit(String),
}

impl SlotDir {
    /// The places below a state directory.
    #[must_use]
    pub fn below(state_dir: &Path) -> Self {
        Self::on(Real, state_dir)
    }
}

impl<D: Disk> SlotDir<D> {
    /// The same, on another disk.
    pub fn on(disk: D, state_dir: &Path) -> Self {
        let root = state_dir.join("slots");
        Self { root, disk }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Where the program of a slot is.
    #[must_use]
    pub fn program(&self, slot: Slot) -> PathBuf {
        self.root.join(slot.word()).join(PROGRAM)
    }

    fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// What the file says; of one that is damaged, what it said before. None
    /// if it says nothing, or was never there.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn load(&self) -> io::Result<Option<Slots>> {
        for path in [self.state(), self.before()] {
            match fs::read(&path) {
                Ok(bytes) => match serde_json::from_slice(&bytes) {
                    Ok(slots) => return Ok(Some(slots)),
                    Err(error) => eprintln!(
                        "pinion-launcher: {} is damaged ({error}); going by what it said before",
                        path.display()
                    ),
                },
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    fn before(&self) -> PathBuf {
        self.root.join("state.before.json")
    }

    /// Replaces what the file says; on return it survives a loss of power.
    ///
    /// # Errors
    ///
    /// What the file system says; then the old one stands.
    pub fn store(&self, slots: &Slots) -> io::Result<()> {
        private(&self.root)?;
        let held = fs::read(self.state()).unwrap_or_default();
        if serde_json::from_slice::<Slots>(&held).is_ok_and(|held| held == *slots) {
            return Ok(());
        }
        if serde_json::from_slice::<Slots>(&held).is_ok() {
            self.replace(&self.before(), &held)?;
        }
        let bytes = serde_json::to_vec_pretty(slots).map_err(io::Error::other)?;
        self.replace(&self.state(), &bytes)
    }

    fn replace(&self, path: &Path, mut content: &[u8]) -> io::Result<()> {
        let next = path.with_extension("next");
        self.disk.write(&next, &mut content, 0o600)?;
        self.disk.sync(&next)?;
        self.disk.rename(&next, path)?;
        self.disk.sync_dir(&self.root)
    }

    /// Lays a program: written, read back, tried by `fits`, and only then in
    /// its place. Says nothing in the file.
    ///
    /// # Errors
    ///
    /// See [`LayError`]; then what was in its place is still there.
    pub fn lay(
        &self,
        slot: Slot,
        content: &mut dyn Read,
        fits: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Result<Program, LayError> {
        let (path, directory) = (self.program(slot), self.root.join(slot.word()));
        let next = path.with_extension("next");
        let fault = |source| LayError::Disk {
            path: next.clone(),
            source,
        };
        private(&directory).map_err(fault)?;
        let mut hashed = Hashed::new(content);
        self.disk.write(&next, &mut hashed, 0o755).map_err(fault)?;
        self.disk.sync(&next).map_err(fault)?;
        let program = hashed.program();
        if read(&next).map_err(fault)? != program {
            return Err(LayError::Damaged(next));
        }
        fits(&next).map_err(LayError::Unfit)?;
        self.disk.rename(&next, &path).map_err(fault)?;
        self.disk.sync_dir(&directory).map_err(fault)?;
        self.disk.sync_dir(&self.root).map_err(fault)?;
        Ok(program)
    }

    /// Whether a slot holds that program, whole.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn check(&self, slot: Slot, program: &Program) -> Result<(), String> {
        let path = self.program(slot);
        let found =
            read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        match found.sha256 == program.sha256 && found.size == program.size {
            true => Ok(()),
            false => Err(format!("{} is not what was laid there", path.display())),
        }
    }
}

/// SHA-256 and size of a file.
///
/// # Errors
///
/// If it cannot be read.
pub fn read(path: &Path) -> io::Result<Program> {
    let mut file = File::open(path)?;
    let mut hashed = Hashed::new(&mut file);
    io::copy(&mut hashed, &mut io::sink())?;
    Ok(hashed.program())
}

fn private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Takes the sum of what is read through it.
struct Hashed<'a> {
    content: &'a mut dyn Read,
    sum: Sha256,
    size: u64,
}

impl<'a> Hashed<'a> {
    fn new(content: &'a mut dyn Read) -> Self {
        Self {
            content,
            sum: Sha256::new(),
            size: 0,
        }
    }

    fn program(self) -> Program {
        let sum = self.sum.finalize();
        Program {
            image: None,
            sha256: sum.iter().map(|byte| format!("{byte:02x}")).collect(),
            size: self.size,
        }
    }
}

impl Read for Hashed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let limit = buffer.len().min(CHUNK);
        let read = self.content.read(&mut buffer[..limit])?;
        self.sum.update(&buffer[..read]);
        self.size += read as u64;
        Ok(read)
    }
}
