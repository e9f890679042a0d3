//! One program from its start to its end.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pinion_workload::{Candidate, End, Start};
use rustix::process::{Pid, Signal, kill_process};

use crate::events::{Event, Events};
use crate::probe::Probe;
use crate::tail::Tail;
use crate::{LAUNCHER_VARIABLE, SLOT_VARIABLE};

/// How long a program that was told to stop may take. An agent takes less.
const STOP_LIMIT: Duration = Duration::from_secs(25);
/// A signal of an end that was missed costs this much.
const NET: Duration = Duration::from_secs(60);

/// How a program ended.
pub(crate) struct Ended {
    pub(crate) end: End,
    /// Its exit code, if it had one.
    pub(crate) code: Option<i32>,
    /// Its last lines, if it was a candidate.
    pub(crate) words: String,
}

impl Ended {
    pub(crate) fn unusable(why: String) -> Self {
        Self {
            end: End::Unusable(why),
            code: None,
            words: String::new(),
        }
    }
}

/// Runs a program until it ends, is late, or the launcher is told to stop.
/// `confirmed` is asked before one that is late is killed.
pub(crate) fn run(
    events: &mut Events,
    program: &Path,
    arguments: &[std::ffi::OsString],
    start: &Start,
    candidate: Option<&Candidate>,
    confirmed: &dyn Fn() -> bool,
) -> Ended {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env(LAUNCHER_VARIABLE, std::process::id().to_string())
        .env(SLOT_VARIABLE, start.slot.word());
    if start.tried_by.is_some() {
        command.stderr(Stdio::piped());
    }
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ended::unusable(error.to_string()),
    };
    let words = child.stderr.take();
    let words = words.map(|written| Tail::follow(written, std::io::stderr()));
    let (end, code) = watch(events, &mut child, start, candidate, confirmed);
    let words = words.map(Tail::words).unwrap_or_default();
    Ended { end, code, words }
}

fn watch(
    events: &mut Events,
    child: &mut Child,
    start: &Start,
    candidate: Option<&Candidate>,
    confirmed: &dyn Fn() -> bool,
) -> (End, Option<i32>) {
    let began = Instant::now();
    let mut deadline = start.deadline.map(|span| began + span);
    let addresses = candidate.map(|c| c.addresses.clone()).unwrap_or_default();
    let mut probe = start
        .deadline
        .map(|span| Probe::new(addresses, span, began));
    let mut kill_at = None;
    let mut late = None;
    if events.stop {
        kill_at = Some(ask_to_stop(child));
    }
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            let end = match late {
                Some(reachable) => End::Late { reachable },
                None if events.stop => End::Asked,
                None => End::ByItself(status.to_string()),
            };
            return (end, status.code());
        }
        let due = probe
            .as_ref()
            .map(Probe::due)
            .filter(|_| deadline.is_some());
        let wake = [deadline, due, kill_at, Some(Instant::now() + NET)];
        match events.until(wake.into_iter().flatten().min()) {
            Some(Event::Stop) if kill_at.is_none() => kill_at = Some(ask_to_stop(child)),
            Some(Event::Looked(seen)) => {
                probe.iter_mut().for_each(|probe| probe.looked(seen));
            }
            Some(Event::Stop | Event::Ended) | None => {}
        }
        let now = Instant::now();
        if let Some(probe) = probe.as_mut().filter(|_| deadline.is_some()) {
            probe.look(now, &events.sender);
        }
        if kill_at.is_some_and(|at| now >= at) {
            signal(child, Signal::KILL);
        }
        if deadline.is_some_and(|at| now >= at) {
            deadline = None;
            if !confirmed() && !events.stop {
                late = Some(probe.as_ref().is_some_and(Probe::is_reachable));
                signal(child, Signal::KILL);
            }
        }
    }
}

fn ask_to_stop(child: &Child) -> Instant {
    signal(child, Signal::TERM);
    Instant::now() + STOP_LIMIT
}

/// It has not been waited for, so its id is its own.
fn signal(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(id) = id {
        // One that has ended is waited for next.
        let _ = kill_process(id, signal);
    }
}
