//! The program's arguments, and what is done with them.
//!
//! Every flag of `serve` has a `PINION_*` variable. Exit codes: 0 done, 1
//! failed, 2 arguments or configuration that cannot be used (nothing was
//! opened or changed).

mod check;
mod log;
mod operator;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use log::LogFormat;
pub use serve::ServeArgs;

use crate::config::ConfigError;

/// Streams pinned image digests, stage by stage, to the agents of a fleet.
#[derive(Debug, Parser)]
#[command(name = "pinion-coordinator", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How to write the log, which goes to standard error.
    #[arg(
        long,
        global = true,
        env = "PINION_LOG_FORMAT",
        value_enum,
        default_value = "text"
    )]
    log_format: LogFormat,
}

const EXAMPLES: &str = "Examples:
  Start, on a machine that others reach as pinion.example:
    pinion-coordinator serve --data-dir /var/lib/pinion --advertise pinion.example:7443
  Check a configuration without starting:
    pinion-coordinator check-config --config /etc/pinion/coordinator.toml
  A new administrator, when nobody can log in:
    pinion-coordinator operator create alice --role admin --data-dir /var/lib/pinion --out ./alice";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the coordinator until it is told to stop (SIGTERM or Ctrl-C).
    Serve(Box<ServeArgs>),
    /// Operators' certificates, on the coordinator's own machine.
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// Read a configuration, say what is in it, or what is wrong with it.
    CheckConfig(check::CheckArgs),
}

/// Arguments or configuration that cannot be used: exit 2.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A flag that contradicts another, or whose value cannot be used.
    #[error("{flag}: {message}")]
    Flag {
        /// Such as `--http-listen`.
        flag: &'static str,
        /// What is wrong, and what is allowed.
        message: String,
    },
}

impl Cli {
    /// Does what the arguments say.
    #[must_use]
    pub fn run(self) -> ExitCode {
        log::init(self.log_format);
        let done = match self.command {
            Command::Serve(args) => args.run(),
            Command::Operator(command) => command.run(),
            Command::CheckConfig(args) => args.run(),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("pinion-coordinator: {error:#}");
                ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
            }
        }
    }
}
