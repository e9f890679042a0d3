//! The command line.

mod examples;
mod lock;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use pinion_model::AgentId;
use pinion_proto::token::EnrollmentToken;

use crate::config::{MACHINES_OWN, is_engine_host};
use crate::credentials::{self, Action, Vendor};
use crate::enroll::{EnrollError, Enrollment, enroll, machines_own};
use crate::logging::{self, LogFormat};
use crate::own::replace::{self, ReplaceError};
use crate::policy::{AllowedPrefix, Policy};
use crate::run::{self, RunError, RunOptions};
use crate::status_table::{self, StatusError};

use examples::{
    ENROLL_EXAMPLES, EXAMPLES, HELPER_EXAMPLES, LOCK_EXAMPLES, RUN_EXAMPLES, STATUS_EXAMPLES,
};

/// Where everything is kept unless another place is named.
const STATE_DIR: &str = "/var/lib/pinion-agent";

/// Converges this machine's containers to the digests that the coordinator chose.
#[derive(Debug, Parser)]
#[command(name = "pinion-agent", version, about, after_help = EXAMPLES)]
struct Cli {
    /// How log lines look; they go to standard error
    #[arg(
        long,
        value_enum,
        default_value_t,
        global = true,
        env = "PINION_LOG_FORMAT"
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Give this machine an identity, once
    #[command(after_help = ENROLL_EXAMPLES)]
    Enroll(EnrollArgs),
    /// Converge this machine until SIGTERM; containers keep running after it
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Show where each workload stands on this machine
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Replace the agent's own container; an agent starts this by itself
    #[command(hide = true, after_help = RUN_EXAMPLES)]
    ReplaceAgent(RunArgs),
    /// Keep this machine's containers from being replaced for a while
    #[command(after_help = LOCK_EXAMPLES)]
    Lock(lock::LockArgs),
    /// Speak Docker's credential helper protocol for a vendor
    #[command(after_help = HELPER_EXAMPLES)]
    CredentialHelper(HelperArgs),
}

#[derive(Debug, Args)]
struct StateDir {
    /// Directory of the identity, the journal and the socket
    #[arg(long = "state-dir", value_name = "DIR", default_value = STATE_DIR, env = "PINION_STATE_DIR")]
    path: PathBuf,
}

#[derive(Args)]
struct EnrollArgs {
    /// The token; "-" reads it from standard input. Other users of the machine
    /// can read arguments: better use --token-file or the variable
    #[arg(
        long,
        value_name = "T",
        env = "PINION_ENROLL_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
    /// File that holds the token
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "token",
        env = "PINION_ENROLL_TOKEN_FILE"
    )]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    state_dir: StateDir,
    /// Repositories that may run here, or prefixes of them; without one none may
    #[arg(long, value_name = "PREFIX", num_args = 1.., value_delimiter = ',', env = "PINION_ALLOW")]
    allow: Vec<AllowedPrefix>,
    /// Name of this machine, unless the token has one [default: the host name]
    #[arg(long)]
    name: Option<AgentId>,
    /// Configuration of your own, as /etc/pinion/agent.toml is: no agent.toml is written then
    #[arg(long, value_name = "FILE", env = "PINION_CONFIG")]
    config: Option<PathBuf>,
    /// Take a new identity in the place of the one that is there
    #[arg(long)]
    force: bool,
}

impl std::fmt::Debug for EnrollArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrollArgs")
            .field("state_dir", &self.state_dir)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Args)]
struct RunArgs {
    #[command(flatten)]
    state_dir: StateDir,
    /// Configuration [default: DIR/agent.toml, else /etc/pinion/agent.toml]
    #[arg(long, value_name = "FILE", env = "PINION_CONFIG")]
    config: Option<PathBuf>,
    /// Socket of the engine [default: agent.toml's, else unix:///var/run/docker.sock]
    #[arg(long, value_name = "unix://PATH", env = "PINION_DOCKER_HOST", value_parser = engine_host)]
    docker_host: Option<String>,
}

#[derive(Debug, Args)]
struct StatusArgs {
    #[command(flatten)]
    state_dir: StateDir,
    /// Print the socket's own JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct HelperArgs {
    /// Whose registry
    vendor: Vendor,
    /// What Docker asks
    action: Action,
}

/// Runs the program; the exit code is 0 for done, 1 for failed, 2 for usage or
/// configuration.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(vendor) = arguments
        .first()
        .and_then(|program| Vendor::from_program(Path::new(program)))
    {
        return helper_by_name(vendor, &arguments[1..]);
    }
    let cli = Cli::parse_from(arguments);
    match cli.command {
        Command::CredentialHelper(args) => answer(args.vendor, args.action),
        command => {
            logging::start(cli.log_format);
            finish(act(command))
        }
    }
}

fn act(command: Command) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(CliError::Runtime)?;
    runtime.block_on(async {
        match command {
            Command::Enroll(args) => enroll_machine(args).await,
            Command::Run(args) => Ok(run::run(args.into()).await?),
            Command::ReplaceAgent(args) => replace_agent(args.into()).await,
            Command::Status(args) => {
                Ok(status_table::print(&args.state_dir.path, args.json).await?)
            }
            Command::Lock(args) => Ok(lock::act(args).await?),
            // Answered before there is a runtime.
            Command::CredentialHelper(_) => Ok(()),
        }
    })
}

fn finish(result: Result<(), CliError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pinion-agent: {}", crate::tls::chain(&error));
            ExitCode::from(error.code())
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("cannot start the runtime")]
    Runtime(#[source] std::io::Error),
    #[error(
        "no token: give --token-file FILE, or put it in PINION_ENROLL_TOKEN; `pinion token create` makes one"
    )]
    NoToken,
    #[error("cannot read the token from {0}")]
    TokenFile(String, #[source] std::io::Error),
    #[error(transparent)]
    Token(#[from] pinion_proto::token::TokenError),
    #[error(transparent)]
    Enroll(#[from] EnrollError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    #[error(transparent)]
    Status(#[from] StatusError),
}

impl CliError {
    /// 2 for what has to be typed or written in another way, else 1.
    fn code(&self) -> u8 {
        match self {
            Self::NoToken | Self::TokenFile(..) | Self::Token(_) => 2,
            Self::Enroll(EnrollError::Config(_)) | Self::Run(RunError::Config(_)) => 2,
            _ => 1,
        }
    }
}

async fn replace_agent(options: RunOptions) -> Result<(), CliError> {
    let stop = run::stop_signal()?;
    let host = options.docker_host.as_deref().unwrap_or(run::ENGINE);
    Ok(replace::run(&options.state_dir, host, stop).await?)
}

async fn enroll_machine(args: EnrollArgs) -> Result<(), CliError> {
    let token = read_token(&args)?;
    let machines_own = || machines_own(&args.state_dir.path, Path::new(MACHINES_OWN));
    let enrolled = enroll(&Enrollment {
        token,
        state_dir: args.state_dir.path.clone(),
        policy: Policy::new(args.allow),
        name: args.name,
        config: args.config.or_else(machines_own),
        force: args.force,
    })
    .await?;
    println!("enrolled as {}", enrolled.agent);
    for note in &enrolled.notes {
        println!("{note}");
    }
    println!(
        "next: pinion-agent run --state-dir {}",
        args.state_dir.path.display()
    );
    Ok(())
}

fn read_token(args: &EnrollArgs) -> Result<EnrollmentToken, CliError> {
    let from_stdin = || {
        let mut text = String::new();
        let read = std::io::stdin().take(64 * 1024).read_to_string(&mut text);
        read.map(|_| text)
            .map_err(|error| CliError::TokenFile("standard input".into(), error))
    };
    let text = match (args.token.as_deref(), args.token_file.as_deref()) {
        (Some("-"), _) => from_stdin()?,
        (_, Some(path)) if path == Path::new("-") => from_stdin()?,
        (Some(token), _) => token.to_owned(),
        (None, Some(path)) => std::fs::read_to_string(path)
            .map_err(|error| CliError::TokenFile(path.display().to_string(), error))?,
        (None, None) => return Err(CliError::NoToken),
    };
    Ok(EnrollmentToken::decode(&text)?)
}

impl From<RunArgs> for RunOptions {
    fn from(args: RunArgs) -> Self {
        Self {
            state_dir: args.state_dir.path,
            config: args.config,
            docker_host: args.docker_host,
        }
    }
}

fn engine_host(text: &str) -> Result<String, String> {
    match is_engine_host(text) {
        true => Ok(text.to_owned()),
        false => Err(
            "must be unix:// and an absolute path, such as unix:///var/run/docker.sock".to_owned(),
        ),
    }
}

/// Docker calls `docker-credential-pinion-fly get`.
fn helper_by_name(vendor: Vendor, arguments: &[OsString]) -> ExitCode {
    let asked = arguments.first().and_then(|argument| argument.to_str());
    let action = asked.and_then(|asked| <Action as clap::ValueEnum>::from_str(asked, false).ok());
    match (action, arguments.len()) {
        (Some(action), 1) => answer(vendor, action),
        _ => {
            eprintln!(
                "usage: docker-credential-pinion-{} get|store|erase|list",
                vendor.name()
            );
            ExitCode::from(2)
        }
    }
}

fn answer(vendor: Vendor, action: Action) -> ExitCode {
    ExitCode::from(u8::from(!credentials::speak(
        vendor,
        action,
        &environment(),
    )))
}

/// This process's variables whose names are text.
#[must_use]
pub fn environment() -> BTreeMap<String, OsString> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_consistent_and_has_examples_everywhere() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            assert!(command.get_after_help().is_some(), "{}", command.get_name());
        }
    }

    #[test]
    fn a_token_is_in_no_debug_output() {
        let arguments = [
            "pinion-agent",
            "enroll",
            "--token",
            "c4n4ry",
            "--allow",
            "ghcr.io/a/",
            "ghcr.io/b",
        ];
        let cli = Cli::parse_from(arguments);
        assert!(!format!("{cli:?}").contains("c4n4ry"));
        let Command::Enroll(args) = cli.command else {
            panic!("enroll")
        };
        assert_eq!(args.allow.len(), 2);
    }
}
