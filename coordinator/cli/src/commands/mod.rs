//! What each command asks of the coordinator: one file a noun, and one for each
//! kind of thing that is changed.

mod access;
mod agent;
mod audit;
mod hold;
mod machine;
mod pin;
mod profile;
mod quarantine;
mod rollout;
mod rollout_watch;
mod steer;
mod strategy;

use std::time::Duration;

use clap::CommandFactory as _;

use crate::args::{Cli, Command, Global};
use crate::connect::{Link, resolve};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Printer;
use crate::output::age::Now;
use crate::profile::{self as profiles, Profile, Profiles};

/// What every command has at hand.
pub(crate) struct App {
    global: Global,
    /// Standard output.
    out: Printer,
    /// The present, read once so that one answer agrees with itself.
    now: Now,
}

/// Does what was typed.
///
/// # Errors
///
/// If it could not be done.
pub(crate) async fn run(cli: Cli) -> Result<Exit, Error> {
    let app = App {
        out: Printer::new(cli.global.output),
        now: Now::read(),
        global: cli.global,
    };
    match cli.command {
        Command::Pin(command) => pin::run(&app, command).await,
        Command::Rollout(command) => rollout::run(&app, *command).await,
        Command::Strategy(command) => strategy::run(&app, command).await,
        Command::Agent(command) => agent::run(&app, command).await,
        Command::Hold(command) => hold::run(&app, command).await,
        Command::Quarantine(command) => quarantine::run(&app, command).await,
        Command::Token(command) => access::tokens(&app, command).await,
        Command::Operator(command) => access::operators(&app, command).await,
        Command::Audit(command) => audit::run(&app, command).await,
        Command::Profile(command) => profile::run(&app, command),
        Command::Completions { shell } => completions(&app, shell),
    }
}

impl App {
    /// A connection, by the options, the environment and the profile.
    ///
    /// # Errors
    ///
    /// If these do not suffice, or nobody answers.
    async fn link(&self) -> Result<Link, Error> {
        let token = std::env::var("PINION_TOKEN")
            .ok()
            .filter(|token| !token.is_empty());
        let profile = self.profile()?;
        let settings = resolve(&self.given(), token, &profile)?;
        Ok(Link::open(settings, self.global.timeout).await?)
    }

    /// The instant that comes after `duration`.
    fn after(&self, duration: Duration) -> prost_types::Timestamp {
        let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
        prost_types::Timestamp {
            seconds: self.now.0.saturating_add(seconds),
            nanos: 0,
        }
    }

    /// The connection options that were given now.
    fn given(&self) -> Profile {
        let global = &self.global;
        Profile {
            endpoint: global.endpoint.clone(),
            ca: global.ca.clone(),
            cert: global.cert.clone(),
            key: global.key.clone(),
            token_file: global.token_file.clone(),
        }
    }

    /// The profile that is named, else the default one, else an empty one.
    fn profile(&self) -> Result<Profile, Error> {
        let wanted = self.global.profile.as_deref();
        let path = match profiles::path() {
            Ok(path) => path,
            // Whoever has no home has no profiles, and may not need one.
            Err(_) if wanted.is_none() => return Ok(Profile::default()),
            Err(error) => return Err(error.into()),
        };
        let all = Profiles::read(&path)?;
        let picked = all.pick(wanted, &path)?;
        if let Some((name, _)) = picked {
            tracing::info!(profile = name, path = %path.display(), "using a profile");
        }
        Ok(picked
            .map(|(_, profile)| profile.clone())
            .unwrap_or_default())
    }
}

fn completions(app: &App, shell: clap_complete::Shell) -> Result<Exit, Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "pinion", &mut script);
    app.out.line(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
