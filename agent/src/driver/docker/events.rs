//! The engine's events, as one bit: something happened.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::Docker as Client;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt as _;
use pinion_model::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::line::Line;
use crate::machine::wall_clock;

/// Before the stream is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// An engine that ends in order ends its containers first, each in its grace.
const BEFORE: Duration = Duration::from_secs(15);
/// An engine that is back looks after what its predecessor left.
const AFTER: Duration = Duration::from_secs(2);

/// Listens until it is dropped; what happens while nobody waits is kept.
pub(super) struct Events {
    happened: Arc<Notify>,
    listener: JoinHandle<()>,
    outage: Arc<Mutex<Option<Outage>>>,
}

/// A time in which no events came, by the machine's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Outage {
    from: Timestamp,
    to: Option<Timestamp>,
}

impl Outage {
    /// What ended at that instant may have been ended by the engine's own end.
    fn covers(self, ended: Timestamp) -> bool {
        ended + BEFORE >= self.from && self.to.is_none_or(|to| ended <= to + AFTER)
    }
}

impl Events {
    /// Starts to listen.
    pub(super) fn listen(line: Arc<Line>) -> Self {
        let happened = Arc::new(Notify::new());
        let outage = Arc::new(Mutex::new(None));
        let listener = tokio::spawn(listen(line, Arc::clone(&happened), Arc::clone(&outage)));
        Self {
            happened,
            listener,
            outage,
        }
    }

    /// Whether what ended at that instant may have been ended by the engine's
    /// own end. Only of ends that came while this listens.
    pub(super) fn may_have_ended_it(&self, ended: Timestamp) -> bool {
        held(&self.outage).is_some_and(|outage| outage.covers(ended))
    }

    /// Completes when something has happened since the last time, or the
    /// stream broke, so that something may have.
    pub(super) async fn changed(&self) {
        self.happened.notified().await;
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// A link is good for as long as its events flow: an engine that restarts, or
/// refuses its version, ends them.
async fn listen(line: Arc<Line>, happened: Arc<Notify>, outage: Arc<Mutex<Option<Outage>>>) {
    loop {
        match line.negotiate().await {
            Ok(link) => {
                let back = wall_clock();
                if let Some(outage) = &mut *held(&outage) {
                    outage.to.get_or_insert(back);
                }
                // What happened while nobody listened was not heard.
                happened.notify_one();
                hear(&link.client, &happened).await;
                let from = wall_clock();
                *held(&outage) = Some(Outage { from, to: None });
                tracing::debug!("the engine's event stream ended; opening it again");
                line.forget();
                happened.notify_one();
            }
            Err(error) => tracing::debug!(%error, "no events: the engine does not answer"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn held(outage: &Mutex<Option<Outage>>) -> MutexGuard<'_, Option<Outage>> {
    outage.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn hear(client: &Client, happened: &Notify) {
    let mut events = std::pin::pin!(client.events(Some(of_containers())));
    while let Some(Ok(event)) = events.next().await {
        if is_about_the_container(&event) {
            happened.notify_one();
        }
    }
}

/// What may happen to a container, in the words of both kinds of engine. All
/// else is not even sent: every run of a health check would be three events.
const NEWS: [&str; 17] = [
    "create",
    "start",
    "restart",
    "die",
    "died",
    "stop",
    "kill",
    "pause",
    "unpause",
    "rename",
    "update",
    "destroy",
    "remove",
    "oom",
    "checkpoint",
    "cleanup",
    "health_status",
];

fn of_containers() -> EventsOptions {
    let filters = HashMap::from([
        ("type".to_owned(), vec!["container".to_owned()]),
        ("event".to_owned(), NEWS.map(str::to_owned).to_vec()),
    ]);
    EventsOptions {
        filters: Some(filters),
        ..Default::default()
    }
}

/// An engine may send more than it was asked for. A verdict comes with its
/// action, as in "health_status: healthy".
fn is_about_the_container(event: &EventMessage) -> bool {
    let action = event.action.as_deref().unwrap_or_default();
    NEWS.iter().any(|news| action.starts_with(news))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_around_an_outage_may_be_the_engines_doing() {
        let mut outage = Outage {
            from: Timestamp(100_000),
            to: None,
        };
        assert!(!outage.covers(Timestamp(84_999)));
        assert!(outage.covers(Timestamp(85_000)) && outage.covers(Timestamp(900_000)));
        outage.to = Some(Timestamp(101_000));
        assert!(outage.covers(Timestamp(103_000)) && !outage.covers(Timestamp(103_001)));
    }

    #[test]
    fn a_health_checks_process_is_noise_and_its_verdict_is_not() {
        let event = |action: &str| EventMessage {
            action: Some(action.to_owned()),
            ..Default::default()
        };
        for noise in [
            "exec_create: /app health",
            "exec_start: /app health",
            "exec_die",
            "attach",
        ] {
            assert!(!is_about_the_container(&event(noise)), "{noise}");
        }
        for news in [
            "health_status: healthy",
            "die",
            "start",
            "rename",
            "destroy",
            "oom",
            "update",
        ] {
            assert!(is_about_the_container(&event(news)), "{news}");
        }
    }
}
