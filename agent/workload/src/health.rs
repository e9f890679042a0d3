//! When a container counts as proven.

use std::time::Duration;

use pinion_model::{Failure, FailureKind, Timestamp};

use crate::{Assignment, Container, ContainerState, Health, HealthTiming, Streak};

/// What is granted beyond the time in which a health check decides.
const CHECK_MARGIN: Duration = Duration::from_secs(30);

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

/// `start_period + (interval + timeout) × (retries + 1) + 30 s`.
fn time_to_decide(timing: HealthTiming) -> Duration {
    let checks = timing.retries.saturating_add(1);
    timing.start_period + (timing.interval + timing.timeout).saturating_mul(checks) + CHECK_MARGIN
}

/// What is thought of a container that should get healthy.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It was healthy for long enough.
    Proven,
    /// It is healthy, and this is the beginning of a streak.
    Begins(Streak),
    /// Ask again at this instant at the latest.
    Undecided(Timestamp),
    /// It will not be.
    Failed(Failure),
}

/// Judges a container that was started at `began`.
pub(crate) fn judge(
    name: &str,
    container: Option<&Container>,
    streak: Option<&Streak>,
    began: Timestamp,
    terms: Terms,
    now: Timestamp,
) -> Verdict {
    let Some(container) = container else {
        return Verdict::Failed(health(format!(
            "container {name:?} was removed while it was watched"
        )));
    };
    if let Some(failure) = regression(name, container, terms.no_restarts) {
        return Verdict::Failed(failure);
    }
    if !is_good(container) {
        return wait_until_deadline(name, container, began, terms, now);
    }
    match streak {
        Some(streak) if streak.starts == [container.start_mark()] => {
            let end = streak.since + terms.min_healthy;
            if now >= end {
                Verdict::Proven
            } else {
                Verdict::Undecided(end)
            }
        }
        _ => Verdict::Begins(Streak {
            since: now,
            starts: vec![container.start_mark()],
        }),
    }
}

fn wait_until_deadline(
    name: &str,
    container: &Container,
    began: Timestamp,
    terms: Terms,
    now: Timestamp,
) -> Verdict {
    let end = began + terms.deadline;
    if now < end {
        return Verdict::Undecided(end);
    }
    Verdict::Failed(health(format!(
        "container {name:?} was not healthy within {} s: its state is {}, its health check says {}",
        terms.deadline.as_secs(),
        state_word(container.state),
        container.health.word()
    )))
}

/// It runs, and its health check, if it has one, passes.
pub(crate) fn is_good(container: &Container) -> bool {
    container.state == ContainerState::Running
        && matches!(container.health, Health::None | Health::Healthy)
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
        ContainerState::Removing => "removing",
        ContainerState::Dead => "dead",
    }
}
