use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use pinion_model::{AgentId, Generation};
use pinion_proto::convert::duration;
use pinion_proto::v1::{self, session_request, session_response};
use pinion_rollout::Observation;
use tonic::Status;
use tracing::{Instrument as _, Span};

use super::seat::{Control, Inbox, Seat};
use super::{Sessions, convert, limits};
use crate::store::StoreError;

/// Why a session did not begin or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The coordinator is about to end.
    #[error("the coordinator is shutting down: come back later")]
    Draining,
    /// Nobody of that name is enrolled.
    #[error("agent {agent} is not known here: enrol the machine anew")]
    Unknown {
        /// Who.
        agent: AgentId,
    },
    /// An operator took its access away.
    #[error("agent {agent} was revoked: enrol the machine anew")]
    Revoked {
        /// Who.
        agent: AgentId,
    },
    /// Nothing was said at first.
    #[error("no Hello came within {0:?}")]
    HelloDeadline(Duration),
    /// What was said is not what can be said there.
    #[error("{0}")]
    Protocol(String),
    /// What was said could not be made durable.
    #[error("what the agent said could not be stored: come back later")]
    Store(#[source] StoreError),
    /// The stream broke.
    #[error("the stream broke: {}", .0.message())]
    Stream(Status),
}

impl From<SessionError> for Status {
    fn from(error: SessionError) -> Self {
        let message = error.to_string();
        match error {
            SessionError::Draining | SessionError::Store(_) => Self::unavailable(message),
            SessionError::Unknown { .. } | SessionError::Revoked { .. } => {
                Self::permission_denied(message)
            }
            SessionError::HelloDeadline(_) => Self::deadline_exceeded(message),
            SessionError::Protocol(_) => Self::invalid_argument(message),
            SessionError::Stream(status) => status,
        }
    }
}

/// One stream's own state: read when it is polled, without a task beside it.
///
/// Dropping it gives up the agent's seat.
#[derive(Debug)]
pub(crate) struct Session<S> {
    seat: Seat,
    inbox: Inbox,
    inbound: S,
    outbox: VecDeque<session_response::Message>,
    /// Sent, and not on the agent's disk as far as we know.
    unacknowledged: Option<Generation>,
    /// The highest generation that the agent accepted before: it would refuse
    /// a lower one, so none is sent until ours has jumped above it.
    floor: Generation,
    drained: bool,
    limiter: DefaultDirectRateLimiter,
    span: Span,
}

impl Sessions {
    /// Begins the session of an agent whose identity was proven: reads its
    /// Hello, takes the seat, and makes what it said durable.
    pub(crate) async fn open<S>(
        self: &Arc<Self>,
        agent: AgentId,
        mut inbound: S,
    ) -> Result<Session<S>, SessionError>
    where
        S: Stream<Item = Result<v1::SessionRequest, Status>> + Unpin,
    {
        self.admitted().await;
        let deadline = self.settings.hello_deadline;
        let first = tokio::time::timeout(deadline, inbound.next())
            .await
            .map_err(|_| SessionError::HelloDeadline(deadline))?;
        let hello = hello(first)?;
        limits::check_hello(&hello).map_err(SessionError::Protocol)?;
        let (seat, inbox) = self.take_seat(&agent)?;
        let floor = Generation(hello.generation);
        let observed = convert::hello(&agent, seat.epoch, hello, self.ledger.clock());
        self.intake
            .observe(observed)
            .await
            .map_err(SessionError::Store)?;
        let span = tracing::info_span!("session", %agent, epoch = seat.epoch.0);
        span.in_scope(|| tracing::info!("session began"));
        let mut session = Session {
            seat,
            inbox,
            inbound,
            outbox: VecDeque::new(),
            unacknowledged: None,
            floor,
            drained: false,
            limiter: RateLimiter::direct(self.quota()),
            span,
        };
        session.welcome();
        Ok(session)
    }

    fn quota(&self) -> Quota {
        Quota::per_second(self.settings.messages_per_second)
            .allow_burst(self.settings.messages_at_once)
    }
}

fn hello(first: Option<Result<v1::SessionRequest, Status>>) -> Result<v1::Hello, SessionError> {
    let first = first
        .ok_or_else(|| SessionError::Protocol("the stream ended before its Hello".to_owned()))?;
    match first.map_err(SessionError::Stream)?.message {
        Some(session_request::Message::Hello(hello)) => Ok(hello),
        _ => Err(SessionError::Protocol(
            "the first message of a session must be Hello".to_owned(),
        )),
    }
}

/// What a session wakes for.
enum Turn {
    Told(Control),
    Desired(Arc<v1::DesiredState>),
    Said(Option<Result<Box<v1::SessionRequest>, Status>>),
}

impl<S> Session<S>
where
    S: Stream<Item = Result<v1::SessionRequest, Status>> + Unpin,
{
    /// The next message to the agent; an error is the last; none after the
    /// agent has left.
    pub(crate) async fn next(&mut self) -> Option<Result<v1::SessionResponse, Status>> {
        let span = self.span.clone();
        self.go_on().instrument(span).await
    }

    async fn go_on(&mut self) -> Option<Result<v1::SessionResponse, Status>> {
        loop {
            if let Some(message) = self.outbox.pop_front() {
                return Some(Ok(v1::SessionResponse {
                    message: Some(message),
                }));
            }
            let outcome = match self.turn().await {
                Turn::Told(Control::Stay) => Ok(()),
                Turn::Told(Control::Drain(delay)) => {
                    self.drain(delay);
                    Ok(())
                }
                Turn::Told(Control::End(ending)) => {
                    tracing::info!(?ending, "session ended");
                    return Some(Err(ending.status()));
                }
                Turn::Desired(desired) => {
                    self.send(&desired);
                    Ok(())
                }
                Turn::Said(Some(Ok(request))) => self.hear(*request).await,
                Turn::Said(Some(Err(status))) => Err(SessionError::Stream(status)),
                Turn::Said(None) => return None,
            };
            if let Err(error) = outcome {
                return Some(Err(error.into()));
            }
        }
    }

    /// Being told goes first, so that an agent that talks all the time can
    /// still be ended.
    async fn turn(&mut self) -> Turn {
        let Inbox { desired, control } = &mut self.inbox;
        let (may_send, drained) = (self.unacknowledged.is_none(), self.drained);
        tokio::select! {
            biased;
            told = control.wait_for(|told| match told {
                Control::Stay => false,
                Control::Drain(_) => !drained,
                Control::End(_) => true,
            }) => Turn::Told(match told {
                Ok(told) => told.clone(),
                // The place went with the sessions themselves.
                Err(_) => Control::End(super::Ending::ShuttingDown),
            }),
            Ok(()) = desired.changed(), if may_send => {
                Turn::Desired(desired.borrow_and_update().clone())
            }
            said = self.inbound.next() => Turn::Said(said.map(|said| said.map(Box::new))),
        }
    }

    fn welcome(&mut self) {
        let sessions = self.seat.sessions();
        let welcome = v1::Welcome {
            session_epoch: self.seat.epoch.0,
            heartbeat_period: Some(duration(sessions.settings.heartbeat_period)),
            reconnect_limit: Some(duration(sessions.settings.reconnect_limit)),
            catalog: (sessions.catalog)(),
        };
        sessions.tell(&self.seat.agent, self.seat.epoch);
        self.outbox
            .push_back(session_response::Message::Welcome(welcome));
    }

    /// At most one is on its way, so that an agent that does not read costs
    /// one value and not a queue.
    fn send(&mut self, desired: &v1::DesiredState) {
        let generation = Generation(desired.generation);
        if generation < self.floor {
            return;
        }
        self.floor = generation;
        self.unacknowledged = Some(generation);
        self.outbox
            .push_back(session_response::Message::DesiredState(desired.clone()));
    }

    fn drain(&mut self, delay: Duration) {
        self.drained = true;
        let drain = v1::Drain {
            delay: Some(duration(delay)),
        };
        self.outbox
            .push_back(session_response::Message::Drain(drain));
    }

    async fn hear(&mut self, request: v1::SessionRequest) -> Result<(), SessionError> {
        self.seat.touch();
        self.slow_down().await;
        match request.message {
            Some(session_request::Message::Report(report)) => self.report(report).await,
            Some(session_request::Message::Inventory(inventory)) => {
                let at = self.seat.sessions().ledger.clock();
                self.observe(convert::inventory(&self.seat.agent, inventory, at))
                    .await
            }
            Some(session_request::Message::Happenings(told)) => {
                let away = self.seat.sessions().lately.hear(&self.seat.agent, told);
                if away > 0 {
                    tracing::info!(away, "told what happened while it was away");
                }
                Ok(())
            }
            Some(session_request::Message::DesiredStateAck(ack)) => {
                self.unacknowledged.take_if(|sent| sent.0 <= ack.generation);
                Ok(())
            }
            Some(session_request::Message::Hello(_)) => Err(SessionError::Protocol(
                "a session says Hello once".to_owned(),
            )),
            // Nothing is what a message of a newer version reads as.
            Some(session_request::Message::Heartbeat(_)) | None => Ok(()),
        }
    }

    /// The acknowledgement follows once the report is durable; without it the
    /// agent says it again.
    async fn report(&mut self, report: v1::Report) -> Result<(), SessionError> {
        metrics::counter!("pinion_reports_total").increment(1);
        let (agent, sequence) = (&self.seat.agent, report.sequence);
        let at = self.seat.sessions().ledger.clock();
        match convert::report(agent, report, at) {
            Some(observation) => self.observe(observation).await?,
            None => {
                // Acknowledged all the same: saying it again would not help.
                metrics::counter!("pinion_reports_ignored_total").increment(1);
                tracing::warn!(sequence, "a report names no workload or an unknown phase");
            }
        }
        let ack = v1::ReportAck { sequence };
        self.outbox
            .push_back(session_response::Message::ReportAck(ack));
        Ok(())
    }

    async fn observe(&self, observation: Observation) -> Result<(), SessionError> {
        let intake = &self.seat.sessions().intake;
        intake
            .observe(vec![observation])
            .await
            .map_err(SessionError::Store)
    }

    /// Reads later what comes too fast; the transport then holds the agent back.
    async fn slow_down(&self) {
        while let Err(until) = self.limiter.check() {
            metrics::counter!("pinion_sessions_slowed_total").increment(1);
            tokio::time::sleep(
                until.wait_time_from(governor::clock::DefaultClock::default().now()),
            )
            .await;
        }
    }
}
