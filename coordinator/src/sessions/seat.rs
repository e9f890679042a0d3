use std::sync::Arc;
use std::time::Duration;

use pinion_model::{AgentId, Generation, SessionEpoch};
use pinion_proto::v1;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;

use super::Sessions;

/// Why a session is ended from this side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// A newer one of the same agent.
    Superseded,
    /// The agent may not be here, and why.
    Denied(String),
    /// It said nothing for too long.
    Silent,
    /// The coordinator ends.
    ShuttingDown,
}

impl Ending {
    /// What the agent is told, with a code that it can act on.
    pub(super) fn status(&self) -> Status {
        match self {
            Self::Superseded => Status::aborted("superseded by a newer session of this agent"),
            Self::Denied(reason) => Status::permission_denied(reason.clone()),
            Self::Silent => Status::deadline_exceeded("no heartbeat came in time"),
            Self::ShuttingDown => Status::unavailable("the coordinator is shutting down"),
        }
    }
}

/// What a session is told to do. A later one takes the place of an earlier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Control {
    Stay,
    Drain(Duration),
    End(Ending),
}

/// An agent's place among the sessions, seen from outside the stream.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) epoch: SessionEpoch,
    /// When it last said something.
    pub(super) seen: Instant,
    /// When its stream went.
    pub(super) left: Option<Instant>,
    desired: watch::Sender<Arc<v1::DesiredState>>,
    control: watch::Sender<Control>,
}

/// The same, seen from the stream.
#[derive(Debug)]
pub(super) struct Inbox {
    /// The latest desired state; earlier ones are never seen.
    pub(super) desired: watch::Receiver<Arc<v1::DesiredState>>,
    pub(super) control: watch::Receiver<Control>,
}

impl Place {
    pub(super) fn new(epoch: SessionEpoch, now: Instant) -> (Self, Inbox) {
        let (desired, latest) = watch::channel(Arc::default());
        let (control, told) = watch::channel(Control::Stay);
        let place = Self {
            epoch,
            seen: now,
            left: None,
            desired,
            control,
        };
        (
            place,
            Inbox {
                desired: latest,
                control: told,
            },
        )
    }

    pub(super) fn generation(&self) -> Generation {
        Generation(self.desired.borrow().generation)
    }

    pub(super) fn tell(&self, desired: v1::DesiredState) {
        self.desired.send_replace(Arc::new(desired));
    }

    /// Once it was told to end, nothing else counts.
    pub(super) fn control(&self, control: Control) {
        self.control.send_if_modified(|told| {
            let ends = matches!(told, Control::End(_));
            if !ends {
                *told = control;
            }
            !ends
        });
    }

    pub(super) fn end(&self, ending: Ending) {
        self.control(Control::End(ending));
    }
}

/// Held by a session's stream; given up when that is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    sessions: Arc<Sessions>,
    pub(super) agent: AgentId,
    pub(super) epoch: SessionEpoch,
}

impl Seat {
    pub(super) fn new(sessions: Arc<Sessions>, agent: AgentId, epoch: SessionEpoch) -> Self {
        Self {
            sessions,
            agent,
            epoch,
        }
    }

    pub(super) fn sessions(&self) -> &Arc<Sessions> {
        &self.sessions
    }

    pub(super) fn touch(&self) {
        self.sessions.touch(&self.agent, self.epoch);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.sessions.leave(&self.agent, self.epoch);
    }
}
