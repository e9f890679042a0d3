//! Hooks: programs of this machine that are run around a cut-over.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use pinion_model::{Failure, FailureKind, Holder, HolderKind, WorkloadName, last_lines, written};
use pinion_workload::{Answer, Hook, HookPoint};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};

use crate::words::Tail;

/// The exit code that puts a cut-over off.
const NOT_NOW: i32 = 75;
/// Bytes that are kept of each of its two outputs, the last ones.
const OUTPUT_LIMIT: usize = 4 * 1024;
/// Bytes of them that a failure tells: less than it may hold, so that it keeps the end.
const SAID_LIMIT: usize = Failure::MESSAGE_LIMIT - 1024;
/// How long what a hook left behind may still write once it has ended.
const AFTERMATH: Duration = Duration::from_millis(200);
/// Where a hook finds its programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to run, and how long it may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCommand {
    /// The program, as an absolute path, and its arguments.
    pub command: Vec<String>,
    /// Then it is killed, with all that it has started.
    pub timeout: Duration,
}

impl HookCommand {
    /// How long a hook may take unless the configuration says another.
    pub const USUAL_TIMEOUT: Duration = Duration::from_secs(60);

    /// Runs it to its end, and reads its exit code.
    pub(super) async fn run(&self, workload: &WorkloadName, hook: &Hook) -> Answer {
        let program = self.command.first().map_or("", String::as_str);
        tracing::info!(%workload, hook = hook.point.word(), program, container = hook.name, "running a hook");
        let child = match self.spawn(workload, hook) {
            Ok(child) => child,
            Err(error) => {
                return self.forbids(
                    hook,
                    FailureKind::Policy,
                    &format!("cannot be run: {error}"),
                    "",
                );
            }
        };
        match end(child, self.timeout).await {
            Ended::Exited(status, said) => self.exited(hook, status, &said),
            Ended::Killed(said) => {
                let why = format!(
                    "was not done after {} (hook_timeout) and was killed with all that it had started",
                    written(self.timeout)
                );
                self.forbids(hook, FailureKind::Timeout, &why, &said)
            }
            Ended::Lost(error) => self.forbids(
                hook,
                FailureKind::Internal,
                &format!("was lost: {error}"),
                "",
            ),
        }
    }

    /// With an environment of its own: nothing of the agent's, whose
    /// environment may hold credentials.
    fn spawn(&self, workload: &WorkloadName, hook: &Hook) -> std::io::Result<Child> {
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| std::io::Error::other("it is empty"))?;
        let text = |digest: Option<&pinion_model::Digest>| {
            digest.map(ToString::to_string).unwrap_or_default()
        };
        let from = hook.from.iter().map(|from| ("PINION_FROM_ID", &from.0));
        Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("PINION_HOOK", hook.point.word())
            .env("PINION_WORKLOAD", workload.as_str())
            .env("PINION_CONTAINER", &hook.name)
            .env("PINION_CONTAINER_ID", &hook.container.0)
            .envs(from)
            .env("PINION_OLD_DIGEST", text(hook.old.as_ref()))
            .env("PINION_NEW_DIGEST", text(hook.new.as_ref()))
            .env("PINION_OPERATION", hook.operation.as_str())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    fn exited(&self, hook: &Hook, status: ExitStatus, said: &str) -> Answer {
        match (status.code(), hook.point) {
            (Some(0), _) => Answer::Done,
            (Some(NOT_NOW), _) => {
                let reason = match last_line(said) {
                    "" => "it puts the cut-over off (exit code 75)",
                    line => line,
                };
                let program = self.command.first().cloned().unwrap_or_default();
                Answer::Deferred(Holder::new(HolderKind::Hook, program, reason, None))
            }
            (_, HookPoint::PreCut) => self.forbids(
                hook,
                FailureKind::Policy,
                &format!("ended with {status}"),
                said,
            ),
            (_, HookPoint::PostStart | HookPoint::Switch) => self.forbids(
                hook,
                FailureKind::Start,
                &format!("ended with {status}"),
                said,
            ),
        }
    }

    fn forbids(&self, hook: &Hook, kind: FailureKind, how: &str, said: &str) -> Answer {
        let program = self.command.first().map_or("", String::as_str);
        let then = match hook.point {
            HookPoint::PreCut => "nothing was touched",
            HookPoint::PostStart => "it is taken back",
            HookPoint::Switch => "nobody knows where the proxy points",
        };
        let said = match last_lines(said.trim(), SAID_LIMIT) {
            "" => String::new(),
            said => format!(". It said: {said}"),
        };
        let message = format!(
            "the {} hook {program} of container {:?} {how}; {then}{said}",
            hook.point.word(),
            hook.name
        );
        tracing::warn!(hook = hook.point.word(), program, how, "a hook forbids");
        Answer::Refused(Failure::new(kind, message))
    }
}

enum Ended {
    Exited(ExitStatus, String),
    Killed(String),
    Lost(std::io::Error),
}

/// Waits for its end, not for the end of its output: what it has started may
/// hold that open for ever.
async fn end(mut child: Child, timeout: Duration) -> Ended {
    // The group's number is the leader's, which is not reaped before `wait`
    // below: until then no other process can have it.
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let group = Group(group.and_then(Pid::from_raw));
    let (mut out, mut err) = (Tail::of(OUTPUT_LIMIT), Tail::of(OUTPUT_LIMIT));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let status = {
        let reading = async {
            tokio::join!(read(&mut out, stdout), read(&mut err, stderr));
            std::future::pending().await
        };
        let waiting = async {
            let status = tokio::time::timeout(timeout, child.wait()).await;
            if status.is_ok() {
                tokio::time::sleep(AFTERMATH).await;
            }
            status
        };
        tokio::select! {
            status = waiting => status,
            status = reading => status,
        }
    };
    let said = said(&out, &err);
    match status {
        Ok(Ok(status)) => {
            group.spare();
            Ended::Exited(status, said)
        }
        Ok(Err(error)) => Ended::Lost(error),
        Err(_) => {
            drop(group);
            // It is killed: this only takes its remains away.
            let _ = tokio::time::timeout(AFTERMATH, child.wait()).await;
            Ended::Killed(said)
        }
    }
}

/// Kills all that a hook has started, unless it has ended by itself.
struct Group(Option<Pid>);

impl Group {
    fn spare(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error means that the group is gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Reads it to its end.
async fn read(tail: &mut Tail, from: Option<impl AsyncRead + Unpin>) {
    let Some(mut from) = from else { return };
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        tail.push(&buffer[..read]);
    }
}

/// Both outputs, without control characters and known secrets.
fn said(out: &Tail, err: &Tail) -> String {
    let both = format!("{}\n{}", out.text().trim(), err.text().trim());
    let shown = |c: &char| *c == '\n' || !c.is_control();
    let both: String = both.trim().chars().filter(shown).collect();
    super::secrets::without(&both)
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or("").trim()
}

#[cfg(test)]
mod tests;
