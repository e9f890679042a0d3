//! When a container counts as proven.

use std::time::Duration;

use pinion_model::{Failure, FailureKind, Timestamp};

use crate::probe::{Beat, Probe};
use crate::{Assignment, Container, ContainerState, Health, HealthTiming, Streak};

/// What is granted beyond the time in which a health check decides.
const CHECK_MARGIN: Duration = Duration::from_secs(30);
/// Before a probe is heard again that has passed, and not lately enough.
pub(crate) const BEAT_PAUSE: Duration = Duration::from_secs(1);
/// How long a proof or the end of a soak waits for a probe that is not heard,
/// as after the agent's own restart.
pub(crate) const HEARING: Duration = Duration::from_secs(30);

/// How long a container must and may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Healthy for so long without a break: proven.
    pub(crate) min_healthy: Duration,
    /// Not healthy by then: failed. The longer of what was asked for and what
    /// the container's own health check needs to decide.
    pub(crate) deadline: Duration,
    /// A restart by the engine is a failure.
    pub(crate) no_restarts: bool,
}

impl Terms {
    /// What an assignment asks of a container.
    pub(crate) fn of(
        assignment: &Assignment,
        container: Option<&Container>,
        no_restarts: bool,
    ) -> Self {
        let check = container
            .and_then(|c| c.health_timing)
            .map_or(Duration::ZERO, time_to_decide);
        Self {
            min_healthy: assignment.min_healthy,
            deadline: assignment.healthy_deadline.max(check),
            no_restarts,
        }
    }
}

/// `start_period + (interval + timeout) × (retries + 1) + 30 s`. A check that
/// began within the start period is followed by another only after the start
/// interval, which may be longer than the interval.
fn time_to_decide(timing: HealthTiming) -> Duration {
    let checks = timing.retries.saturating_add(1);
    let starting = match timing.start_period {
        Duration::ZERO => Duration::ZERO,
        period => period.saturating_add(timing.start_interval.saturating_sub(timing.interval)),
    };
    let one = timing.interval.saturating_add(timing.timeout);
    let all = one.saturating_mul(checks);
    starting.saturating_add(all).saturating_add(CHECK_MARGIN)
}

/// What is thought of a container that should get healthy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It was healthy for long enough.
    Proven,
    /// It is healthy, and this is the beginning of a streak.
    Begins(Streak),
    /// It is not healthy any more: the streak is over.
    Breaks,
    /// Ask again at this instant at the latest.
    Undecided(Timestamp),
    /// It will not be.
    Failed(Failure),
}

/// A container with what its probe says.
#[derive(Debug)]
pub(crate) struct Watched<'a> {
    pub(crate) name: &'a str,
    pub(crate) container: Option<&'a Container>,
    pub(crate) beat: Beat,
}

/// Judges a container that was started at `began`: its health check and its
/// probe must both pass for long enough without a break.
pub(crate) fn judge(
    watched: &Watched<'_>,
    streak: Option<&Streak>,
    began: Timestamp,
    terms: Terms,
    now: Timestamp,
) -> Verdict {
    let Watched {
        name,
        container,
        beat,
    } = watched;
    let Some(container) = container else {
        return Verdict::Failed(health(format!(
            "container {name:?} was removed while it was watched"
        )));
    };
    if let Some(failure) = regression(name, container, terms.no_restarts) {
        return Verdict::Failed(failure);
    }
    if !is_good(container) || !beat.is_good() {
        return match streak {
            Some(_) => Verdict::Breaks,
            None => wait_until_deadline(watched, container, began, terms, now),
        };
    }
    match streak {
        Some(streak) if streak.starts == [container.start_mark()] => {
            match lacks(streak.since, &[beat], terms.min_healthy, now) {
                None => Verdict::Proven,
                Some(Lack::Time(at)) => Verdict::Undecided(at),
                Some(Lack::Answer(end))
                    if now < end.max(began + terms.deadline)
                        || is_to_be_asked(container, beat, now) =>
                {
                    Verdict::Undecided(now + BEAT_PAUSE)
                }
                Some(Lack::Answer(_)) => Verdict::Failed(health(format!(
                    "container {name:?} was not proven within {} s: its probe passed, and then nobody could ask it any more",
                    terms.deadline.as_secs()
                ))),
            }
        }
        _ => Verdict::Begins(Streak {
            since: now,
            starts: vec![container.start_mark()],
        }),
    }
}

/// What a proof lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Nothing but time, until then.
    Time(Timestamp),
    /// It was long enough, and a probe was not heard after that. When that has
    /// taken too long.
    Answer(Timestamp),
}

/// What it lacks to be proven that is healthy since an instant; none if it was
/// for long enough, and each probe was asked after that and passed.
pub(crate) fn lacks(
    since: Timestamp,
    beats: &[&Beat],
    min_healthy: Duration,
    now: Timestamp,
) -> Option<Lack> {
    let passes = || {
        beats.iter().filter_map(|beat| match beat {
            Beat::Passes(passes) => Some(passes),
            _ => None,
        })
    };
    let since = passes().map(|p| p.since).fold(since, Timestamp::max);
    let end = since + min_healthy;
    if now < end {
        return Some(Lack::Time(end));
    }
    let heard = passes().all(|passes| passes.asked >= end);
    (!heard).then(|| Lack::Answer(end + HEARING))
}

fn wait_until_deadline(
    watched: &Watched<'_>,
    container: &Container,
    began: Timestamp,
    terms: Terms,
    now: Timestamp,
) -> Verdict {
    let end = began + terms.deadline;
    if now < end {
        return Verdict::Undecided(end);
    }
    if is_to_be_asked(container, &watched.beat, now) {
        return Verdict::Undecided(now + BEAT_PAUSE);
    }
    Verdict::Failed(health(format!(
        "container {:?} was not healthy within {} s: its state is {}, its health check says {}{}",
        watched.name,
        terms.deadline.as_secs(),
        state_word(container.state),
        container.health.word(),
        watched.beat.words()
    )))
}

/// Whether a probe is to be asked first: one that said nothing lately, as after
/// the agent's own restart or while the engine hung, says nothing of now. What
/// runs is asked in the same turn, so that its answer comes.
pub(crate) fn is_to_be_asked(container: &Container, beat: &Beat, now: Timestamp) -> bool {
    let is_late = match beat {
        Beat::Unasked(_) => true,
        Beat::Fails { asked, .. } => *asked + HEARING < now,
        Beat::Passes(passes) => passes.heard + HEARING < now,
        Beat::NoProbe | Beat::Unheard(_) => false,
    };
    is_late && container.state == ContainerState::Running
}

/// Why one that was proven must go back for its probe's sake: it failed as
/// often in a row as a health check's must.
pub(crate) fn silence(name: &str, beat: &Beat) -> Option<Failure> {
    match beat {
        Beat::Fails { times, why, .. } if *times >= Probe::RETRIES => Some(health(format!(
            "container {name:?} does not serve any more: {why} ({times} times in a row)"
        ))),
        _ => None,
    }
}

/// It runs, and its health check, if it has one, passes. One that has a check
/// of which the engine says nothing was not checked yet.
pub(crate) fn is_good(container: &Container) -> bool {
    let passes = match container.health {
        Health::Healthy => true,
        Health::None => container.health_timing.is_none(),
        Health::Starting | Health::Unhealthy => false,
    };
    container.state == ContainerState::Running && passes
}

/// Why a container that was started is not what it should be, beyond waiting.
pub(crate) fn regression(name: &str, container: &Container, no_restarts: bool) -> Option<Failure> {
    let code = container.exit_code;
    let why = match container.state {
        _ if container.oom_killed && container.state != ContainerState::Running => {
            format!(
                "container {name:?} was killed for its memory (exit code {code}); raise its limit or mend the image"
            )
        }
        ContainerState::Exited | ContainerState::Dead | ContainerState::Removing => {
            format!("container {name:?} exited with code {code} while it was watched")
        }
        ContainerState::Restarting => {
            format!("container {name:?} exits with code {code} and is started again and again")
        }
        _ if no_restarts && container.restart_count > 0 => {
            let count = container.restart_count;
            format!("container {name:?} exited, and the engine restarted it {count} times")
        }
        _ if container.health == Health::Unhealthy => {
            format!("the health check of container {name:?} fails")
        }
        _ => return None,
    };
    Some(health(why))
}

fn health(message: String) -> Failure {
    Failure::new(FailureKind::Health, message)
}

/// A container's state, in a word.
pub(crate) fn state_word(state: ContainerState) -> &'static str {
    match state {
        ContainerState::Created => "created",
        ContainerState::Running => "running",
        ContainerState::Paused => "paused",
        ContainerState::Restarting => "restarting",
        ContainerState::Exited => "exited",
        ContainerState::Interrupted => "stopped by its engine's end",
        ContainerState::Removing => "removing",
        ContainerState::Dead => "dead",
    }
}
