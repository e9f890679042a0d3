//! One session, from Hello to its end.

use std::time::Duration;

use pinion_proto::convert::from_duration;
use pinion_proto::v1;
use pinion_proto::v1::session_request::Message as Outbound;
use pinion_proto::v1::session_response::Message as Inbound;
use pinion_workload::Report;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::{Converge, Sessions, backoff, client, connect};
use crate::convert::{self, Catalog};
use crate::happenings::Happenings;
use crate::identity::Identity;
use crate::machine::wall_clock;
use crate::tls;

/// Bytes of one message from the coordinator.
pub(super) const INBOUND_LIMIT: usize = 256 * 1024;
/// Bytes of one message to the coordinator.
pub(super) const OUTBOUND_LIMIT: usize = 64 * 1024;
/// Messages that wait for the connection.
const OUTBOUND_QUEUE: usize = 16;
/// How long the coordinator may take to say Welcome, or to read.
const PATIENCE: Duration = Duration::from_secs(30);
/// Heartbeats unless the coordinator says otherwise.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Why a session ended.
pub(super) enum Ended {
    /// The coordinator asked to come back after this delay.
    Drained(Duration),
    /// What Hello said of this machine has changed.
    News,
    /// It broke, or never began: why.
    Broken(String),
}

/// How a session went.
pub(super) struct Outcome {
    pub(super) why: Ended,
    /// Longest delay before coming back, once the coordinator has said it.
    pub(super) reconnect_limit: Option<Duration>,
}

/// Holds one session with the coordinator at `address`.
pub(super) async fn run<C: Converge>(
    sessions: &mut Sessions<C>,
    identity: &Identity,
    address: &str,
) -> Outcome {
    let mut reconnect_limit = None;
    let why = match open(sessions, identity, address).await {
        Ok(mut stream) => {
            reconnect_limit = Some(stream.welcome.reconnect_limit);
            tracing::info!(
                address,
                epoch = stream.welcome.epoch,
                "session with the coordinator"
            );
            sessions.converge.session(true);
            sessions.happenings.connected(true);
            let ended = stream.talk(sessions).await;
            sessions.happenings.connected(false);
            sessions.converge.session(false);
            ended
        }
        Err(why) => Ended::Broken(why),
    };
    Outcome {
        why,
        reconnect_limit,
    }
}

async fn open<C: Converge>(
    sessions: &mut Sessions<C>,
    identity: &Identity,
    address: &str,
) -> Result<Stream, String> {
    let channel = connect(identity, address)
        .await
        .map_err(|error| tls::chain(&error))?;
    let (outbound, queue) = mpsc::channel(OUTBOUND_QUEUE);
    let hello = request(Outbound::Hello(hello(sessions)));
    outbound
        .try_send(hello)
        .map_err(|error| error.to_string())?;
    let begin = async {
        let mut client = client(channel);
        let mut inbound = client
            .session(ReceiverStream::new(queue))
            .await?
            .into_inner();
        let first = inbound.message().await?;
        Ok::<_, tonic::Status>((inbound, first))
    };
    let (inbound, first) = timeout(PATIENCE, begin)
        .await
        .map_err(|_| {
            format!(
                "{address} did not say Welcome within {} s",
                PATIENCE.as_secs()
            )
        })?
        .map_err(|status| explain(&status))?;
    let Some(v1::SessionResponse {
        message: Some(Inbound::Welcome(welcome)),
    }) = first
    else {
        return Err("the coordinator did not begin with Welcome".into());
    };
    Ok(Stream {
        inbound,
        outbound,
        welcome: Welcome::read(&welcome),
        sent: 0,
    })
}

/// A refused certificate shows as a broken connection alone: TLS 1.3 tells the
/// client only after its handshake.
fn explain(status: &tonic::Status) -> String {
    let chain = tls::chain(status);
    match [
        "UnknownCA",
        "CertificateExpired",
        "CertificateRevoked",
        "BadCertificate",
        "CertificateUnknown",
        "AccessDenied",
    ]
    .iter()
    .any(|alert| chain.contains(alert))
    {
        true => format!(
            "the coordinator refuses this machine's certificate; if it was revoked or its authority replaced, enrol again with --force ({chain})"
        ),
        false => chain,
    }
}

fn hello<C: Converge>(sessions: &mut Sessions<C>) -> v1::Hello {
    let inventory = sessions.inventory.borrow_and_update().clone();
    // What waits in the queue, or is about to, follows whole.
    let known = sessions.converge.reports().into_iter();
    let known = known.filter(|report| sessions.reports.may_lose_log(report));
    let reports = known
        .map(|report| {
            without_log(convert::report(
                &report,
                0,
                containers(inventory.as_ref(), &report),
            ))
        })
        .collect();
    v1::Hello {
        generation: sessions.converge.generation().0,
        process_id: sessions.process_id.clone(),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        engine_version: sessions.engine_version.borrow_and_update().clone(),
        facts: sessions.facts.clone(),
        inventory,
        reports,
    }
}

/// Hello names every workload and must fit into one message.
fn without_log(mut report: v1::Report) -> v1::Report {
    if let Some(failure) = &mut report.failure {
        failure.log_tail.clear();
        let end = failure.message.floor_char_boundary(1024);
        failure.message.truncate(end);
    }
    report
}

fn containers(inventory: Option<&v1::Inventory>, report: &Report) -> Vec<v1::ObservedContainer> {
    let workload = inventory
        .into_iter()
        .flat_map(|inventory| &inventory.workloads)
        .find(|each| each.workload == report.workload.as_str());
    workload
        .map(|each| each.containers.clone())
        .unwrap_or_default()
}

struct Welcome {
    epoch: u64,
    heartbeat: Duration,
    reconnect_limit: Duration,
    catalog: Catalog,
}

impl Welcome {
    /// What is absent or absurd has the protocol's default.
    fn read(message: &v1::Welcome) -> Self {
        let span = |value: &Option<prost_types::Duration>| {
            from_duration("welcome", value.as_ref()).ok().flatten()
        };
        let heartbeat = span(&message.heartbeat_period).unwrap_or(HEARTBEAT);
        let limit = span(&message.reconnect_limit).unwrap_or(backoff::LIMIT);
        Self {
            epoch: message.session_epoch,
            heartbeat: heartbeat.clamp(Duration::from_millis(100), Duration::from_secs(60)),
            reconnect_limit: limit.clamp(Duration::from_millis(100), backoff::LIMIT),
            catalog: convert::catalog(&message.catalog),
        }
    }
}

struct Stream {
    inbound: Streaming<v1::SessionResponse>,
    outbound: mpsc::Sender<v1::SessionRequest>,
    welcome: Welcome,
    /// The highest sequence that this session has sent.
    sent: u64,
}

impl Stream {
    async fn talk<C: Converge>(&mut self, sessions: &mut Sessions<C>) -> Ended {
        let period = self.welcome.heartbeat;
        let mut heartbeat = interval_at(Instant::now() + period, period);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut news = sessions.reports.watch();
        news.mark_changed();
        let mut happened = sessions.happenings.watch();
        happened.mark_changed();
        let mut told = None;
        loop {
            let step = tokio::select! {
                message = self.inbound.message() => match message {
                    Ok(Some(v1::SessionResponse { message })) => match self.hear(sessions, message).await {
                        Ok(Some(delay)) => return Ended::Drained(delay),
                        Ok(None) => Ok(()),
                        Err(why) => Err(why),
                    },
                    Ok(None) => Err("the coordinator ended the session".to_owned()),
                    Err(status) => Err(explain(&status)),
                },
                _ = heartbeat.tick() => self.send(Outbound::Heartbeat(v1::Heartbeat {})).await,
                Ok(()) = news.changed() => self.send_reports(sessions).await,
                Ok(()) = happened.changed() => self.tell(&sessions.happenings, &mut told).await,
                Ok(()) = sessions.inventory.changed() => {
                    let inventory = sessions.inventory.borrow_and_update().clone();
                    match inventory {
                        Some(inventory) => self.send(Outbound::Inventory(inventory)).await,
                        None => Ok(()),
                    }
                }
                Ok(()) = sessions.engine_version.changed() => return Ended::News,
            };
            if let Err(why) = step {
                return Ended::Broken(why);
            }
        }
    }

    /// The delay of a Drain, if it was one.
    async fn hear<C: Converge>(
        &mut self,
        sessions: &Sessions<C>,
        message: Option<Inbound>,
    ) -> Result<Option<Duration>, String> {
        match message {
            Some(Inbound::DesiredState(desired)) => self.accept(sessions, desired).await?,
            Some(Inbound::ReportAck(ack)) => {
                if let Err(error) = sessions.reports.acknowledge(ack.sequence) {
                    tracing::warn!(
                        error = tls::chain(&error),
                        "an acknowledged report is still on disk"
                    );
                }
            }
            Some(Inbound::Drain(drain)) => {
                let delay = from_duration("drain.delay", drain.delay.as_ref())
                    .ok()
                    .flatten();
                return Ok(Some(
                    delay.unwrap_or_default().min(Duration::from_secs(600)),
                ));
            }
            // A second Welcome, or a message of a newer version: nothing to do.
            Some(Inbound::Welcome(_)) | None => {}
        }
        Ok(None)
    }

    async fn accept<C: Converge>(
        &mut self,
        sessions: &Sessions<C>,
        desired: v1::DesiredState,
    ) -> Result<(), String> {
        let sent = desired.generation;
        let received = convert::desired(
            desired,
            &self.welcome.catalog,
            &sessions.order,
            wall_clock(),
        );
        let generation = sessions
            .converge
            .accept(received.desired)
            .await
            .map_err(|why| format!("the desired state {sent} could not be kept: {why}"))?;
        if generation.0 > sent {
            tracing::warn!(
                sent,
                have = generation.0,
                "a stale desired state was refused"
            );
        }
        for refused in received.refused {
            if let Err(error) = sessions.reports.offer(refused) {
                tracing::error!(error = tls::chain(&error), "a report is in memory alone");
            }
        }
        self.send(Outbound::DesiredStateAck(v1::DesiredStateAck {
            generation: generation.0,
        }))
        .await
    }

    async fn send_reports<C: Converge>(&mut self, sessions: &Sessions<C>) -> Result<(), String> {
        for (sequence, report) in sessions.reports.after(self.sent) {
            let containers = containers(sessions.inventory.borrow().as_ref(), &report);
            self.send(Outbound::Report(convert::report(
                &report, sequence, containers,
            )))
            .await?;
            self.sent = sequence;
        }
        Ok(())
    }

    /// All that is held at first, then what came since.
    async fn tell(&self, happenings: &Happenings, told: &mut Option<u64>) -> Result<(), String> {
        let new = happenings.after(told.unwrap_or(0));
        let message = v1::Happenings {
            whole: told.is_none(),
            happenings: new.iter().map(convert::happening).collect(),
        };
        *told = Some(new.last().map_or(told.unwrap_or(0), |last| last.sequence));
        self.send(Outbound::Happenings(message)).await
    }

    async fn send(&self, message: Outbound) -> Result<(), String> {
        match timeout(PATIENCE, self.outbound.send(request(message))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err("the connection has ended".to_owned()),
            Err(_) => Err(format!(
                "the coordinator has not read for {} s",
                PATIENCE.as_secs()
            )),
        }
    }
}

fn request(message: Outbound) -> v1::SessionRequest {
    v1::SessionRequest {
        message: Some(message),
    }
}
