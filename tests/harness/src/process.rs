//! Programs as processes of their own, with a log each, gone when their value goes.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::wait::eventually;

/// A running program in a process group of its own. Killed, group and all, on drop.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where this run's output begins in a log that earlier runs wrote to.
    log_start: u64,
}

impl Process {
    /// Starts `command`, with its output appended to `log`.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or the log not be written.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let open = || File::options().create(true).append(true).open(log);
        let out = open().with_context(|| format!("open {}", log.display()))?;
        let log_start = out.metadata()?.len();
        let child = command
            .stdout(out)
            .stderr(open()?)
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {name}: {command:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            log_start,
        })
    }

    /// Process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that this run printed so far, on both outputs.
    #[must_use]
    pub fn printed(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        let start = usize::try_from(self.log_start).unwrap_or(usize::MAX);
        String::from_utf8_lossy(bytes.get(start..).unwrap_or_default()).into_owned()
    }

    /// Waits until `find` finds what it looks for in a line of the output.
    ///
    /// # Errors
    ///
    /// If the program ends before, or after `deadline`.
    pub async fn line<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        // The inner result is the answer: an end of the program needs no more waiting.
        let found = eventually(what, deadline, async || {
            let ended = self.child.try_wait()?;
            let printed = self.printed();
            match (printed.lines().find_map(&find), ended) {
                (Some(found), _) => Ok(Ok(found)),
                (None, Some(status)) => Ok(Err(anyhow!(
                    "{} ended with {status} before: {what}\n{printed}",
                    self.name
                ))),
                (None, None) => bail!("{} has printed:\n{printed}", self.name),
            }
        });
        found.await?
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: Signal) {
        // Its end is seen by whoever waits for it.
        let _ = kill_process(self.pid(), signal);
    }

    /// Kills the program and its group at once (`kill -9`), and waits for its end.
    ///
    /// # Errors
    ///
    /// If it cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        if self.child.try_wait()?.is_none() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
        }
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// If it still runs after `deadline`.
    pub async fn ended(&mut self, deadline: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        eventually(&what, deadline, async || {
            self.child.try_wait()?.context("it still runs")
        })
        .await
    }

    fn pid(&self) -> Pid {
        let id = i32::try_from(self.child.id()).expect("a process id is a positive i32");
        Pid::from_raw(id).expect("a child's process id is not 0")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("end {}: {error:#}", self.name);
        }
    }
}

/// The path of one of our own programs, as built beside the running test.
///
/// # Errors
///
/// If it was not built.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let directory = match std::env::var_os("PINION_BIN_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => beside_this_program()?,
    };
    let path = directory.join(name);
    if !path.is_file() {
        bail!(
            "{} is not there; build it with `cargo build --workspace --bins`",
            path.display()
        );
    }
    Ok(path)
}

/// `target/debug`, for a test in `target/debug/deps` and for a program in `target/debug`.
fn beside_this_program() -> anyhow::Result<PathBuf> {
    let me = std::env::current_exe().context("find the running program")?;
    let directory = me.parent().context("the running program has a directory")?;
    Ok(match directory.file_name() {
        Some(name) if name == "deps" => directory.parent().unwrap_or(directory).to_owned(),
        _ => directory.to_owned(),
    })
}
