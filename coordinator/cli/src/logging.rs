//! What the command says about itself, on standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::args::{Global, LogFormat};

/// Starts logging: warnings, with `-v` what is done, with `-vv` the connection too.
pub(crate) fn start(global: &Global) {
    let filter = match global.verbose {
        0 => "warn",
        1 => "warn,pinion_cli=info",
        // Not h2 or hyper: their traces hold whole frames.
        _ => "warn,pinion_cli=debug,tonic=debug,rustls=debug",
    };
    let logs = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match global.log_format {
        LogFormat::Text => logs.with_target(false).init(),
        LogFormat::Json => logs.json().init(),
    }
}
