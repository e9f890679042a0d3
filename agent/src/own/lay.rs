//! A program out of its image, into its place.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pinion_launcher::slot_dir::LayError;
use pinion_model::{Failure, FailureKind, ImageRef};
use pinion_workload::names::{Part, part_name};
use pinion_workload::{Answer, ContainerId, CreateSpec, ITSELF, OpId, Program, Slot};
use serde_json::json;

use super::{Own, PROGRAM, TRIAL_LIMIT, disk, labels};
use crate::driver::{Driver, EngineError};
use crate::tls;

/// A larger program is none of ours.
const SIZE_LIMIT: u64 = 1024 * 1024 * 1024;

impl Own {
    /// From a container of the image that is never started.
    pub(super) async fn lay<D: Driver>(
        &self,
        driver: &D,
        op: &OpId,
        image: &ImageRef,
        slot: Slot,
    ) -> Result<(), Answer> {
        self.change(|slots| slots.emptied(slot))?;
        let archive = self.slots.path().join(format!("{}.tar", slot.word()));
        let container = container_of(driver, op, image).await?;
        let taken = driver.archive(&container, PROGRAM, &archive).await;
        let removed = driver.remove(&container).await;
        taken.map_err(|error| not_taken(image, error))?;
        removed.map_err(engine)?;
        let (places, from) = (self.slots.clone(), archive.clone());
        let laid = tokio::task::spawn_blocking(move || {
            let program = unpack(&from, |content| places.lay(slot, content, runs_here));
            // It is written anew the next time.
            let _ = std::fs::remove_file(&from);
            program
        });
        let laid = laid.await.map_err(|error| disk(&error.to_string()))?;
        let program = laid.map_err(|error| unfit(image, &error))?;
        let program = Program {
            image: Some(image.digest.clone()),
            ..program
        };
        self.change(|mut slots| {
            slots.programs.insert(slot, program);
            slots
        })
    }
}

async fn container_of<D: Driver>(
    driver: &D,
    op: &OpId,
    image: &ImageRef,
) -> Result<ContainerId, Answer> {
    let name = part_name(ITSELF, Part::Next, op);
    let containers = driver.containers().await.map_err(engine)?;
    for left in containers.iter().filter(|c| c.name == name) {
        driver.remove(&left.id).await.map_err(engine)?;
    }
    let spec = CreateSpec {
        body: json!({
            "Image": image.to_string(),
            "Entrypoint": [PROGRAM],
            "Labels": labels(op),
            "HostConfig": { "NetworkMode": "none" },
        }),
        connect: Vec::new(),
        warnings: Vec::new(),
    };
    driver.create(&name, &spec).await.map_err(engine)
}

fn engine(error: EngineError) -> Answer {
    let failure = Failure::new(FailureKind::Engine, error.to_string());
    match error {
        EngineError::Refused { .. } => Answer::Refused(failure),
        _ => Answer::Failed(failure),
    }
}

fn not_taken(image: &ImageRef, error: EngineError) -> Answer {
    match error {
        EngineError::NotFound(_) => Answer::Refused(Failure::new(
            FailureKind::Create,
            format!(
                "{image} has no {PROGRAM}, so it is no image of the agent; nothing was touched. Roll out another one"
            ),
        )),
        error => engine(error),
    }
}

/// Why a program is not in its place.
#[derive(Debug, thiserror::Error)]
enum UnpackError {
    #[error("the archive that the engine sent cannot be read")]
    Archive(#[source] io::Error),
    #[error("its {PROGRAM} is no regular file of at most 1 GiB")]
    NoProgram,
    #[error(transparent)]
    Lay(#[from] LayError),
}

fn unfit(image: &ImageRef, error: &UnpackError) -> Answer {
    let message = format!("the agent of {image}: {}", tls::chain(error));
    match error {
        UnpackError::NoProgram => Answer::Refused(Failure::new(FailureKind::Create, message)),
        UnpackError::Lay(LayError::Unfit(_)) => {
            Answer::Refused(Failure::new(FailureKind::Platform, message))
        }
        UnpackError::Lay(_) => Answer::Failed(Failure::new(FailureKind::Disk, message)),
        UnpackError::Archive(_) => Answer::Failed(Failure::new(FailureKind::Engine, message)),
    }
}

/// The one file of an archive.
fn unpack(
    archive: &Path,
    lay: impl FnOnce(&mut dyn io::Read) -> Result<Program, LayError>,
) -> Result<Program, UnpackError> {
    let file = File::open(archive).map_err(UnpackError::Archive)?;
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries().map_err(UnpackError::Archive)? {
        let mut entry = entry.map_err(UnpackError::Archive)?;
        if entry.header().entry_type().is_file() && entry.size() <= SIZE_LIMIT {
            let size = entry.size();
            let program = lay(&mut entry)?;
            // An archive that was cut off reads as a shorter file.
            return match program.size == size {
                true => Ok(program),
                false => Err(UnpackError::Archive(io::ErrorKind::UnexpectedEof.into())),
            };
        }
    }
    Err(UnpackError::NoProgram)
}

/// It says its version: it is a program of the agent, for this machine.
fn runs_here(program: &Path) -> Result<(), String> {
    let mut child = spawn(program).map_err(|error| error.to_string())?;
    let end = Instant::now() + TRIAL_LIMIT;
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                break Err(format!(
                    "it did not say its version within {} s",
                    TRIAL_LIMIT.as_secs()
                ));
            }
            Err(error) => break Err(error.to_string()),
        }
    };
    if ended.is_err() {
        // It is left to the system if it cannot be ended.
        let _ = child.kill();
    }
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout);
    match ended? {
        status if !status.success() => {
            Err(format!("asked for its version, it ended with {status}"))
        }
        _ if !said.starts_with("pinion-agent ") => {
            Err(format!("asked for its version, it said {:?}", said.trim()))
        }
        _ => Ok(()),
    }
}

/// A file that was just written may be open in a child of another thread that
/// has not begun yet: it is free in a moment.
fn spawn(program: &Path) -> io::Result<std::process::Child> {
    let path: PathBuf = program.to_owned();
    let mut tries = 0;
    loop {
        let spawned = Command::new(&path)
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        tries += 1;
        match spawned {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < 20 => {
                std::thread::sleep(Duration::from_millis(50));
            }
            spawned => return spawned,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_may_be_laid() {
        let dir = tempfile::tempdir().expect("a directory");
        let table = [
            ("#!/bin/sh\necho pinion-agent 1.2.3", Ok(())),
            ("#!/bin/sh\necho another 1.2.3", Err("it said")),
            ("#!/bin/sh\nexit 3", Err("exit status: 3")),
            ("\u{7f}ELF of another machine", Err("format error")),
        ];
        for (index, (content, expected)) in table.into_iter().enumerate() {
            let path = dir.path().join(index.to_string());
            std::fs::write(&path, content).expect("written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
            match (runs_here(&path), expected) {
                (Ok(()), Ok(())) => {}
                (Err(why), Err(part)) => assert!(why.contains(part), "{why}"),
                other => panic!("{content:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_archive_that_was_cut_off_or_has_no_program_lays_nothing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("a.tar");
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2000);
        header.set_mode(0o755);
        header.set_cksum();
        let content = vec![7_u8; 2000];
        builder
            .append_data(&mut header, "pinion-agent", content.as_slice())
            .expect("appended");
        let whole = builder.into_inner().expect("whole");
        let laid = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            unpack(&path, |content| {
                let mut size = Vec::new();
                let read = io::Read::read_to_end(content, &mut size);
                Ok(Program {
                    image: None,
                    sha256: String::new(),
                    size: read.unwrap_or(size.len()) as u64,
                })
            })
        };
        assert_eq!(laid(&whole).expect("laid").size, 2000);
        assert!(matches!(laid(&whole[..1500]), Err(UnpackError::Archive(_))));
        assert!(laid(&[0; 1024]).is_err());
    }
}
