//! The engine's events, as one bit: something happened.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker as Client;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::line::Line;

/// Before the stream is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens until it is dropped; what happens while nobody waits is kept.
pub(super) struct Events {
    happened: Arc<Notify>,
    listener: JoinHandle<()>,
}

impl Events {
    /// Starts to listen.
    pub(super) fn listen(line: Arc<Line>) -> Self {
        let happened = Arc::new(Notify::new());
        let listener = tokio::spawn(listen(line, Arc::clone(&happened)));
        Self { happened, listener }
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
async fn listen(line: Arc<Line>, happened: Arc<Notify>) {
    loop {
        match line.negotiate().await {
            Ok(link) => {
                // What happened while nobody listened was not heard.
                happened.notify_one();
                hear(&link.client, &happened).await;
                tracing::debug!("the engine's event stream ended; opening it again");
                line.forget();
                happened.notify_one();
            }
            Err(error) => tracing::debug!(%error, "no events: the engine does not answer"),
        }
        tokio::time::sleep(PAUSE).await;
    }
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
