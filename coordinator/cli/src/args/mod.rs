//! What a person types: one file a noun.

mod agent;
mod audit;
mod hold;
mod named;
mod operator;
mod pin;
mod profile;
mod quarantine;
mod rollout;
pub(crate) mod strategy;
mod token;
pub(crate) mod values;

#[cfg(test)]
mod examples;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

pub(crate) use agent::{AgentCommand, HoldArgs, LabelArgs, Reasoned, RefreshArgs};
pub(crate) use audit::{AuditCommand, AuditListArgs};
pub(crate) use hold::{HoldCommand, LiftArgs, PlaceArgs};
pub(crate) use named::{PutArgs, StrategyCommand, StrategyListArgs};
pub(crate) use operator::{OperatorCommand, OperatorCreateArgs};
pub(crate) use pin::{PinCommand, PromoteArgs};
pub(crate) use profile::ProfileCommand;
pub(crate) use quarantine::{QuarantineArgs, QuarantineCommand};
pub(crate) use rollout::{Change, RolloutCommand, StartArgs, Target};
pub(crate) use strategy::StrategyArgs;
pub(crate) use token::{Kind, TokenCommand, TokenCreateArgs};
pub(crate) use values::RoleArg;

/// Steers rollouts of pinned container images over a fleet of machines.
#[derive(Debug, Parser)]
#[command(
    name = "pinion",
    version,
    about,
    arg_required_else_help = true,
    after_help = "\
Examples:
  pinion profile set prod --endpoint https://pinion.example:7444 \\
    --ca ca.pem --cert me.pem --key me.key
  pinion pin list
  pinion rollout start codex --watch
  pinion rollout explain codex-7-1
  pinion agent list --output json

Exit codes: 0 done, 1 failed, 2 usage, 3 rolled back or halted."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Operators' listener of the coordinator [default: the profile's, else https://127.0.0.1:7444]
    #[arg(
        long,
        global = true,
        env = "PINION_ENDPOINT",
        value_name = "URL",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub(crate) endpoint: Option<String>,
    /// Certificate authority to trust (PEM): the coordinator's pki/ca.pem
    #[arg(
        long,
        global = true,
        env = "PINION_CA",
        value_name = "FILE",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub(crate) ca: Option<PathBuf>,
    /// Operator's certificate (PEM); goes with --key
    #[arg(
        long,
        global = true,
        env = "PINION_CERT",
        value_name = "FILE",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub(crate) cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(
        long,
        global = true,
        env = "PINION_KEY",
        value_name = "FILE",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub(crate) key: Option<PathBuf>,
    /// File that holds an API token, instead of a certificate; PINION_TOKEN may hold the token itself
    #[arg(
        long,
        global = true,
        env = "PINION_TOKEN_FILE",
        value_name = "FILE",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub(crate) token_file: Option<PathBuf>,
    /// Profile of ~/.config/pinion/config.toml to take what is not given from [default: its `default`]
    #[arg(
        long,
        global = true,
        env = "PINION_PROFILE",
        value_name = "NAME",
        hide_env_values = true,
        help_heading = "Connection"
    )]
    pub(crate) profile: Option<String>,
    /// Longest wait for one answer, such as 10s; a watch has no limit
    #[arg(long, global = true, default_value = "30s", value_parser = pinion_model::parse_duration, help_heading = "Connection")]
    pub(crate) timeout: Duration,
    /// Tables for people, or JSON for scripts: one object a line
    #[arg(
        long,
        short,
        global = true,
        env = "PINION_OUTPUT",
        value_enum,
        default_value_t,
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub(crate) output: Format,
    /// Do not ask before revoke, remove, abort, rollback and override-windows
    #[arg(long, short, global = true, help_heading = "Output")]
    pub(crate) yes: bool,
    /// Say what is done, on standard error; twice: the connection too
    #[arg(long, short, global = true, action = ArgAction::Count, help_heading = "Output")]
    pub(crate) verbose: u8,
    /// How that is written
    #[arg(
        long,
        global = true,
        env = "PINION_LOG_FORMAT",
        value_enum,
        default_value_t,
        hide_env_values = true,
        help_heading = "Output"
    )]
    pub(crate) log_format: LogFormat,
}

/// How answers are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For scripts.
    Json,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// The nouns.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The digest chosen for each workload
    #[command(subcommand, after_help = pin::EXAMPLES)]
    Pin(PinCommand),
    /// Taking a pin to the machines, stage by stage
    #[command(subcommand, after_help = rollout::EXAMPLES)]
    Rollout(Box<RolloutCommand>),
    /// How rollouts go, kept under a name, version by version
    #[command(subcommand, after_help = named::EXAMPLES)]
    Strategy(StrategyCommand),
    /// The machines
    #[command(subcommand, after_help = agent::EXAMPLES)]
    Agent(AgentCommand),
    /// What rollouts go round
    #[command(subcommand, after_help = hold::EXAMPLES)]
    Hold(HoldCommand),
    /// Digests that no more machines get
    #[command(subcommand, after_help = quarantine::EXAMPLES)]
    Quarantine(QuarantineCommand),
    /// Enrolment tokens for machines, API tokens for pipelines
    #[command(subcommand, after_help = token::EXAMPLES)]
    Token(TokenCommand),
    /// People's certificates
    #[command(subcommand, after_help = operator::EXAMPLES)]
    Operator(OperatorCommand),
    /// Who changed what, and who was refused
    #[command(subcommand, after_help = audit::EXAMPLES)]
    Audit(AuditCommand),
    /// Coordinators that this command knows
    #[command(subcommand, after_help = profile::EXAMPLES)]
    Profile(ProfileCommand),
    /// Print a completion script for a shell
    #[command(after_help = "\
Examples:
  pinion completions bash
  pinion completions zsh
  pinion completions fish

Put the script where the shell looks for it, such as
~/.local/share/bash-completion/completions/pinion for bash.")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}
