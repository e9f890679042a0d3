//! The real agent as a process on a tenant machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::Signal;

use crate::command::{output, run_command};
use crate::process::{Process, program};
use crate::registry::docker_config;
use crate::tenant::Tenant;

/// A policy for machines that are to run nothing.
pub const ANYWHERE: &str = "registry.example/molecule-ai/";

/// What every agent is told to leave free on its engine's disk.
pub const MIN_FREE_MIB: u64 = 64;

const START: Duration = Duration::from_secs(30);

/// An agent with a state directory of its own. Killed on drop.
#[derive(Debug)]
pub struct Agent {
    name: String,
    directory: PathBuf,
    environment: Vec<(String, String)>,
    launched: bool,
    docker_host: Option<String>,
    process: Option<Process>,
}

/// How an agent is set up on its machine.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Prefixes of repositories that its machine allows.
    pub allow: Vec<String>,
    /// `(registry host, user, password)` for Docker's `config.json`.
    pub credentials: Vec<(String, String, String)>,
    /// A whole `agent.toml`, instead of the one that `enroll --allow` writes.
    pub config: Option<String>,
    /// What its environment holds beside what every agent's does.
    pub environment: Vec<(String, String)>,
    /// Whether the launcher starts it.
    pub launched: bool,
}

impl Agent {
    /// Enrols the machine with `token` and starts its agent.
    ///
    /// # Errors
    ///
    /// If the enrolment is refused, or the agent is not ready within half a minute.
    pub async fn start(tenant: &Tenant, token: &str, setup: &Setup) -> anyhow::Result<Self> {
        let mut agent = Self::enrol(tenant, token, setup)?;
        agent.start_again(tenant).await?;
        Ok(agent)
    }

    /// Enrols the machine and starts nothing.
    ///
    /// # Errors
    ///
    /// If the enrolment is refused.
    pub fn enrol(tenant: &Tenant, token: &str, setup: &Setup) -> anyhow::Result<Self> {
        let agent = Self {
            name: tenant.name().to_owned(),
            directory: tenant.directory().join("agent"),
            environment: setup.environment.clone(),
            launched: setup.launched,
            docker_host: None,
            process: None,
        };
        fs::create_dir_all(agent.directory.join("docker"))?;
        let entries: Vec<_> = setup
            .credentials
            .iter()
            .map(|(host, user, password)| (host.as_str(), user.as_str(), password.as_str()))
            .collect();
        fs::write(agent.docker_config(), docker_config(&entries))?;
        if let Some(config) = &setup.config {
            fs::write(agent.config_file(), config)?;
        }
        let mut enrol = agent.command(tenant)?;
        enrol
            .args(["enroll", "--token", token, "--state-dir"])
            .arg(agent.state());
        match agent.config_file().exists() {
            true => enrol.arg("--config").arg(agent.config_file()),
            false => enrol.args(setup.allow.iter().flat_map(|prefix| ["--allow", prefix])),
        };
        run_command(&mut enrol).with_context(|| format!("enrol {}", agent.name))?;
        agent.leave_little_free()?;
        Ok(agent)
    }

    /// Starts it (again) on the same state, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// If it ends or is not ready within half a minute.
    pub async fn start_again(&mut self, tenant: &Tenant) -> anyhow::Result<()> {
        self.launch(tenant)?;
        let process = self.process.as_mut().context("it was launched")?;
        let ready = |line: &str| line.starts_with("ready ").then_some(());
        process
            .line(&format!("agent {} is ready", self.name), START, ready)
            .await
    }

    /// From its next start on, it finds its engine at that address.
    pub fn find_engine_at(&mut self, docker_host: &str) {
        self.docker_host = Some(docker_host.to_owned());
    }

    /// Starts it and waits for nothing.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn launch(&mut self, tenant: &Tenant) -> anyhow::Result<()> {
        let mut run = match self.launched {
            true => {
                let mut launcher = self.command_of(tenant, "pinion-launcher")?;
                let agent = program("pinion-agent")?;
                launcher.arg("--state-dir").arg(self.state());
                launcher.arg("--program").arg(agent).arg("--");
                launcher
            }
            false => {
                let mut run = self.command(tenant)?;
                run.args(["run", "--state-dir"]).arg(self.state());
                run
            }
        };
        let host = self.docker_host.clone();
        let host = host.unwrap_or_else(|| tenant.docker_host());
        run.args(["--docker-host", &host]);
        if self.config_file().exists() {
            run.arg("--config").arg(self.config_file());
        }
        let log = tenant.directory().join("agent.log");
        self.process = Some(Process::start(&self.name, &mut run, &log)?);
        Ok(())
    }

    /// The program on its machine, with nothing of the tester's own home.
    ///
    /// # Errors
    ///
    /// If it was not built.
    pub fn command(&self, tenant: &Tenant) -> anyhow::Result<Command> {
        self.command_of(tenant, "pinion-agent")
    }

    fn command_of(&self, tenant: &Tenant, name: &str) -> anyhow::Result<Command> {
        let mut command = tenant.command(program(name)?);
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("PATH", format!("{}:{path}", self.programs().display()))
            .env("DOCKER_CONFIG", self.directory.join("docker"))
            .env("HOME", &self.directory)
            .env("NO_COLOR", "1")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Kills it at once (`kill -9`).
    ///
    /// # Errors
    ///
    /// If its end cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    ///
    /// If it does not end within half a minute.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::TERM);
            process.ended(START).await?;
        }
        Ok(())
    }

    /// Name of its machine.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process id.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn id(&self) -> anyhow::Result<u32> {
        let process = self.process.as_ref().context("the agent was stopped")?;
        Ok(process.id())
    }

    /// The program that the launcher runs now: where it is.
    ///
    /// # Errors
    ///
    /// If it runs none.
    pub fn launched_program(&self) -> anyhow::Result<PathBuf> {
        let launcher = self.id()?;
        let children = fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children"))?;
        let child = children
            .split_whitespace()
            .next()
            .context("it runs nothing")?;
        Ok(fs::read_link(format!("/proc/{child}/exe"))?)
    }

    /// All that it printed since it was started last.
    #[must_use]
    pub fn printed(&self) -> String {
        self.process
            .as_ref()
            .map(Process::printed)
            .unwrap_or_default()
    }

    /// Its state directory.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Its directory for credential helpers, configuration and state.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where its machine's credential helpers are.
    #[must_use]
    pub fn programs(&self) -> PathBuf {
        self.directory.join("bin")
    }

    /// Installs `docker-credential-NAME`, a shell script, on its machine.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn install_helper(&self, name: &str, script: &str) -> anyhow::Result<()> {
        let path = self.programs().join(format!("docker-credential-{name}"));
        fs::create_dir_all(self.programs())?;
        fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    /// Docker's `config.json` of its machine.
    #[must_use]
    pub fn docker_config(&self) -> PathBuf {
        self.directory.join("docker/config.json")
    }

    fn config_file(&self) -> PathBuf {
        self.directory.join("agent.toml")
    }

    /// The tester's disk is nobody's tenant: what is free there by chance decides nothing.
    fn leave_little_free(&self) -> anyhow::Result<()> {
        let own = self.config_file();
        let file = if own.exists() {
            own
        } else {
            self.state().join("agent.toml")
        };
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        if !text.contains("[engine]") {
            let text = format!("{text}\n[engine]\nmin_free_mib = {MIN_FREE_MIB}\n");
            fs::write(&file, text)?;
        }
        Ok(())
    }

    /// What its local socket answers to a GET of `path`.
    ///
    /// # Errors
    ///
    /// If it does not answer 2xx within ten seconds.
    pub fn ask_socket(&self, path: &str) -> anyhow::Result<serde_json::Value> {
        let answer = run_command(
            crate::command::command("curl")
                .args(["-fsS", "--max-time", "10", "--unix-socket"])
                .arg(self.state().join("agent.sock"))
                .arg(format!("http://agent{path}")),
        )?;
        Ok(serde_json::from_str(&answer)?)
    }
}

/// Tries to enrol on `tenant` with `token` into `state`; whatever comes of it.
///
/// # Errors
///
/// If the program cannot be started.
pub fn try_enrol(
    tenant: &Tenant,
    token: &str,
    state: &Path,
    more: &[&str],
) -> anyhow::Result<std::process::Output> {
    let mut enrol = tenant.command(program("pinion-agent")?);
    enrol.args([
        "enroll",
        "--token",
        token,
        "--allow",
        ANYWHERE,
        "--state-dir",
    ]);
    output(enrol.arg(state).args(more))
}
