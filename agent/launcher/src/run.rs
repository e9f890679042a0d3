//! The launcher's life.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pinion_workload::{Program, Slot, Slots, Start};

use crate::end::{self, Ended};
use crate::events::Events;
use crate::slot_dir::{self, LayError, SlotDir};

/// Between two starts of a candidate.
const CANDIDATE_PAUSE: Duration = Duration::from_secs(1);
/// Between two starts of a program that ends by itself: doubles up to here.
const PAUSE_LIMIT: Duration = Duration::from_secs(30);
/// A program that ran for that long begins with a short pause again.
const GOOD: Duration = Duration::from_secs(60);
/// Between two looks at whether another agent still has the state directory.
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// An agent's exit codes that another start does not change: done, and told
/// to do what it cannot.
const FINAL_CODES: [i32; 2] = [0, 2];

/// What a person asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The agent's state directory.
    pub state_dir: PathBuf,
    /// The package's program: what is run at first, and whenever it is another one.
    pub program: PathBuf,
    /// What the agent is started with.
    pub arguments: Vec<OsString>,
}

/// Why nothing is started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// The directory cannot be used.
    #[error("cannot use {path}; see that it can be written to")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another launcher runs.
    #[error("another launcher runs with {0}")]
    Locked(PathBuf),
    /// There is nothing to start.
    #[error("nothing is laid in {slots}, and the package's program {program} cannot be read")]
    Nothing {
        /// The places.
        slots: PathBuf,
        /// The package's program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The package's program cannot be laid.
    #[error("cannot lay the package's program")]
    Lay(#[from] LayError),
}

/// Runs the agent until it is told to stop; the exit code is the agent's.
///
/// # Errors
///
/// If there is nothing to run, or somebody else runs it.
pub fn run(options: &Options) -> Result<u8, LaunchError> {
    let mut events = Events::listen().map_err(LaunchError::Signals)?;
    let places = SlotDir::below(&options.state_dir);
    let _lock = only_one(&places)?;
    let packaged = slot_dir::read(&options.program);
    let mut pause = Duration::from_millis(500);
    loop {
        let slots = held(&places, options, packaged.as_ref())?;
        if !wait_for_agent(&mut events, &options.state_dir)? {
            return Ok(0);
        }
        let (slots, start) = noted(&places, slots);
        let began = Instant::now();
        let ended = one(&mut events, &places, options, &slots, &start);
        let after = note_end(&places, &start, &ended);
        if events.stop {
            return Ok(code(&ended));
        }
        let is_decided = after.is_some_and(|after| after.candidate.is_none());
        let is_current = start.tried_by.is_none();
        if is_decided && is_current && ended.code.is_some_and(|c| FINAL_CODES.contains(&c)) {
            return Ok(code(&ended));
        }
        if is_decided && is_current {
            pause = match began.elapsed() >= GOOD {
                true => Duration::from_secs(1),
                false => PAUSE_LIMIT.min(pause * 2),
            };
            events.pause(pause);
        } else if !is_current {
            events.pause(CANDIDATE_PAUSE);
        }
    }
}

fn code(ended: &Ended) -> u8 {
    ended
        .code
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1)
}

fn directory(path: &Path) -> impl FnOnce(io::Error) -> LaunchError + use<> {
    let path = path.to_owned();
    move |source| LaunchError::Directory { path, source }
}

fn only_one(places: &SlotDir) -> Result<File, LaunchError> {
    let path = places.path();
    std::fs::create_dir_all(path).map_err(directory(path))?;
    let file = File::create(path.join("launcher.lock")).map_err(directory(path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LaunchError::Locked(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(directory(path)(source)),
    }
}

/// What is laid, with the package's program where it is a new one.
fn held(
    places: &SlotDir,
    options: &Options,
    packaged: Result<&Program, &io::Error>,
) -> Result<Slots, LaunchError> {
    let slots = places.load().map_err(directory(places.path()))?;
    match (slots, packaged) {
        (Some(slots), Ok(packaged)) => match slots.place_for(&packaged.sha256) {
            Some(slot) => {
                let emptied = slots.emptied(slot);
                places.store(&emptied).map_err(directory(places.path()))?;
                let program = lay(places, slot, &options.program)?;
                let slots = emptied.with_package(slot, program);
                places.store(&slots).map_err(directory(places.path()))?;
                Ok(slots)
            }
            None => Ok(slots),
        },
        (Some(slots), Err(_)) => Ok(slots),
        (None, Ok(_)) => {
            let slots = Slots::first(lay(places, Slot::A, &options.program)?);
            places.store(&slots).map_err(directory(places.path()))?;
            Ok(slots)
        }
        (None, Err(source)) => Err(LaunchError::Nothing {
            slots: places.path().to_owned(),
            program: options.program.clone(),
            source: io::Error::new(source.kind(), source.to_string()),
        }),
    }
}

fn lay(places: &SlotDir, slot: Slot, program: &Path) -> Result<Program, LaunchError> {
    let mut file = File::open(program).map_err(directory(program))?;
    Ok(places.lay(slot, &mut file, |_| Ok(()))?)
}

/// Waits until no agent has the state directory; false if told to stop.
fn wait_for_agent(events: &mut Events, state_dir: &Path) -> Result<bool, LaunchError> {
    let path = state_dir.join("lock");
    let mut told = false;
    while !events.stop {
        let file = File::create(&path).map_err(directory(&path))?;
        if file.try_lock().is_ok() {
            return Ok(true);
        }
        if !told {
            eprintln!(
                "pinion-launcher: an agent runs with {}; waiting for its end",
                state_dir.display()
            );
            told = true;
        }
        events.pause(LOCK_PAUSE);
    }
    Ok(false)
}

/// The start is on the disk before it happens. Where it cannot be, what was
/// proven is started: a candidate would be started for ever.
fn noted(places: &SlotDir, slots: Slots) -> (Slots, Start) {
    let (noted, start) = slots.clone().starting();
    match places.store(&noted) {
        Ok(()) => (noted, start),
        Err(error) => {
            eprintln!("pinion-launcher: cannot note the start of a candidate: {error}");
            let start = Start {
                slot: slots.current,
                tried_by: None,
                deadline: None,
            };
            (slots, start)
        }
    }
}

fn one(
    events: &mut Events,
    places: &SlotDir,
    options: &Options,
    slots: &Slots,
    start: &Start,
) -> Ended {
    let sound = |slot: Slot| match slots.programs.get(&slot) {
        Some(program) => places.check(slot, program),
        None => Err("nothing is laid there".to_owned()),
    };
    let mut start = start.clone();
    if let Err(why) = sound(start.slot) {
        if start.tried_by.is_some() {
            return Ended::unusable(why);
        }
        eprintln!("pinion-launcher: {why}");
        match sound(start.slot.other()) {
            Ok(()) => start.slot = start.slot.other(),
            Err(_) => match lay(places, start.slot, &options.program) {
                Ok(_) => eprintln!("pinion-launcher: the package's program takes its place"),
                Err(error) => eprintln!("pinion-launcher: {error}; trying it as it is"),
            },
        }
    }
    let confirmed = || {
        let held = places.load().ok().flatten();
        held.is_some_and(|held| held.candidate.is_none_or(|c| c.confirmed))
    };
    end::run(
        events,
        &places.program(start.slot),
        &options.arguments,
        &start,
        slots.candidate.as_ref(),
        &confirmed,
    )
}

/// What stands after an end; none if that cannot be read.
fn note_end(places: &SlotDir, start: &Start, ended: &Ended) -> Option<Slots> {
    let slots = places.load().ok().flatten()?;
    let slots = slots.ended(start, &ended.end, &ended.words);
    if let Some(verdict) = slots
        .verdict
        .as_ref()
        .filter(|v| Some(&v.op) == start.tried_by.as_ref())
    {
        eprintln!(
            "pinion-launcher: the new agent is taken back: {:?}",
            verdict.cause
        );
    }
    if let Err(error) = places.store(&slots) {
        eprintln!("pinion-launcher: cannot note how the agent ended: {error}");
    }
    Some(slots)
}
