//! The operator's command, `pinion`.
//!
//! Owns what a person types and reads: arguments, profiles, the connection to
//! the operators' listener, tables, JSON, live progress and exit codes.
//! Decides nothing about a rollout: it asks the coordinator and shows the
//! answer. Holds no state but the profile file.
//!
//! ```text
//!   arguments ──args──▶ commands ──connect──▶ coordinator (gRPC, TLS)
//!   profile file ──profile──┘  │
//!                              ├──output──▶ tables or JSON on standard output
//!                              └──watch───▶ rollout ──pure──▶ lines, bars, exit code
//! ```

mod args;
mod commands;
mod confirm;
mod connect;
mod error;
mod exit;
mod logging;
mod output;
mod profile;
mod watch;

use clap::Parser as _;

/// Reads the process's arguments, does what they ask for, and says how it
/// went: 0 done, 1 failed, 2 usage, 3 rolled back or halted.
///
/// Wrong arguments end the process with 2 before anything is asked of a
/// coordinator; `--help` and `--version` end it with 0.
pub async fn run() -> std::process::ExitCode {
    let cli = args::Cli::parse();
    logging::start(&cli.global);
    let exit = match commands::run(cli).await {
        Ok(exit) => exit,
        Err(error) => {
            let exit = exit::of(&error);
            error.print();
            exit
        }
    };
    exit.into()
}
