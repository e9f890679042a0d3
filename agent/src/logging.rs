//! The log: on standard error, as text or as JSON, one line an event.

use std::io::IsTerminal as _;

use tracing::{Level, Metadata};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, filter};

/// How a line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// Starts the log. `PINION_LOG` chooses levels, such as `debug` or
/// `pinion_agent=debug`; the default is `info`.
pub fn start(format: LogFormat) {
    let levels = EnvFilter::try_from_env("PINION_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    let lines = lines
        .with_filter(levels)
        .with_filter(filter::filter_fn(may_be_logged));
    // A second start, in a test, keeps the first log.
    drop(tracing_subscriber::registry().with(lines).try_init());
}

/// These libraries write bodies and headers, so credentials, at lower levels:
/// no setting of a person's turns that on.
fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let talks_of_bodies = ["bollard", "hyper", "h2", "tonic", "tower", "rustls"]
        .iter()
        .any(|library| metadata.target().split("::").next() == Some(library));
    !talks_of_bodies || *metadata.level() <= Level::INFO
}
