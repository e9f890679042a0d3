//! One machine: a launcher on a state directory, and scripts that note their starts.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use pinion_launcher::slot_dir::SlotDir;
use pinion_model::{Attempt, Generation};
use pinion_workload::{Candidate, OpId, Slot, Slots, TRIES};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A state directory with a launcher. Killed on drop, with what it started.
pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) launcher: Option<Child>,
}

impl World {
    /// With a package whose program does so, after noting its start.
    pub(crate) fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let world = Self {
            dir,
            launcher: None,
        };
        fs::create_dir(world.state_dir()).expect("made");
        world.write(&world.packaged(), "old", script);
        world
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn packaged(&self) -> PathBuf {
        self.dir.path().join("pinion-agent")
    }

    pub(crate) fn places(&self) -> SlotDir {
        SlotDir::below(&self.state_dir())
    }

    /// A program that appends `NAME PID` to the list of starts.
    pub(crate) fn write(&self, path: &Path, name: &str, script: &str) {
        let starts = self.dir.path().join("starts");
        let text = format!(
            "#!/bin/sh\ntrap 'exit 0' TERM\necho {name} $$ >> {}\n{script}\n",
            starts.display()
        );
        fs::write(path, text).expect("written");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("mode");
    }

    pub(crate) fn start(&mut self) {
        let log = File::create(self.dir.path().join("log")).expect("a log");
        let launcher = Command::new(env!("CARGO_BIN_EXE_pinion-launcher"))
            .arg("--state-dir")
            .arg(self.state_dir())
            .arg("--program")
            .arg(self.packaged())
            .stderr(log)
            .stdout(Stdio::null())
            .spawn();
        self.launcher = Some(launcher.expect("started"));
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> ExitStatus {
        let mut launcher = self.launcher.take().expect("it runs");
        let id = Pid::from_raw(i32::try_from(launcher.id()).expect("an id")).expect("an id");
        kill_process(id, signal).expect("sent");
        launcher.wait().expect("ended")
    }

    /// Lays a new program that does so, and hands over to it as an agent does:
    /// written down first, then it ends.
    pub(crate) fn hand_over(&self, script: &str, deadline: Duration, addresses: Vec<String>) {
        let next = self.dir.path().join("next");
        self.write(&next, "new", script);
        let places = self.places();
        let program = places
            .lay(Slot::B, &mut File::open(next).expect("open"), |_| Ok(()))
            .expect("laid");
        let mut slots = self.slots();
        slots.programs.insert(Slot::B, program);
        let candidate = Candidate {
            op: op(),
            slot: Slot::B,
            tries_left: TRIES,
            crashes: 0,
            deadline,
            confirmed: false,
            addresses,
        };
        places.store(&slots.handed_over(candidate)).expect("stored");
        let (_, old) = self.starts().pop().expect("the old one runs");
        end(old, Signal::TERM);
    }

    pub(crate) fn slots(&self) -> Slots {
        self.places().load().expect("read").expect("written")
    }

    /// Names and processes in the order of their starts.
    pub(crate) fn starts(&self) -> Vec<(String, Pid)> {
        let text = fs::read_to_string(self.dir.path().join("starts")).unwrap_or_default();
        let read = |line: &str| {
            let (name, id) = line.split_once(' ').expect("two words");
            let id = Pid::from_raw(id.parse().expect("a number")).expect("an id");
            (name.to_owned(), id)
        };
        text.lines().map(read).collect()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.starts().into_iter().map(|(name, _)| name).collect()
    }

    /// Those that run.
    pub(crate) fn alive(&self) -> Vec<String> {
        let starts = self.starts().into_iter();
        let alive = starts.filter(|(_, id)| is_alive(*id));
        alive.map(|(name, _)| name).collect()
    }

    /// What the launcher and its agents have written.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Waits for that; never are there two agents meanwhile.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + SOON;
        while !holds(self) {
            assert!(self.alive().len() < 2, "two agents: {:?}", self.starts());
            assert!(
                Instant::now() < end,
                "not within {SOON:?}: {what}; {:?}; {}",
                self.starts(),
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn confirms(&self) {
        self.until("it confirms", |world| {
            world.slots().candidate.is_some_and(|c| c.confirmed)
        });
    }

    /// What an agent does once its soak has ended.
    pub(crate) fn keeps(&self) {
        let kept = self.slots().kept(&op());
        self.places().store(&kept).expect("kept");
    }

    pub(crate) fn runs(&self, name: &str) {
        self.until(&format!("{name} runs alone"), |world| {
            world.alive() == [name]
        });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut launcher) = self.launcher.take() {
            drop(launcher.kill());
            drop(launcher.wait());
        }
        for (_, id) in self.starts() {
            if is_alive(id) {
                let _ = kill_process(id, Signal::KILL);
            }
        }
    }
}

pub(crate) fn op() -> OpId {
    OpId::new(Generation(5), Attempt(1), 0)
}

fn is_alive(id: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero()));
    let is_zombie = stat.is_ok_and(|stat| stat.contains(") Z "));
    test_kill_process(id).is_ok() && !is_zombie
}

pub(crate) fn end(id: Pid, signal: Signal) {
    kill_process(id, signal).expect("it ran");
}
