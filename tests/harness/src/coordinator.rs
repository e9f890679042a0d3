//! The real coordinator as a process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use crate::command::{command, run_command};
use crate::process::{Process, program};
use crate::world::World;

/// The API token that pipelines use, given to the coordinator at its start.
pub const API_TOKEN: &str = "ci-token-for-tests-4b0c2f1d";

const START: Duration = Duration::from_secs(30);

/// Where a coordinator said that it listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listeners {
    /// Agents and enrolment.
    pub agents: SocketAddr,
    /// `pinion` and gRPC clients.
    pub operators: SocketAddr,
    /// The HTTP contract, metrics and health.
    pub http: SocketAddr,
}

/// A coordinator with a data directory of its own. Killed on drop.
#[derive(Debug)]
pub struct Coordinator {
    directory: PathBuf,
    config: PathBuf,
    env: Vec<(String, String)>,
    listeners: Listeners,
    process: Option<Process>,
}

impl Coordinator {
    /// Starts one with the configuration `toml`, `env` in its environment, and waits until it is
    /// ready.
    ///
    /// # Errors
    ///
    /// If it ends or is not ready within half a minute.
    pub async fn start(world: &World, toml: &str, env: &[(&str, &str)]) -> anyhow::Result<Self> {
        let directory = world.subdirectory("coordinator")?;
        let config = directory.join("coordinator.toml");
        fs::write(&config, toml)?;
        let host = world.address();
        // The address on the bridge is this world's alone, so the port need not be free elsewhere;
        // it must be known before, because it stands in enrolment tokens.
        let wanted = Listeners {
            agents: SocketAddr::from((host, 17443)),
            operators: SocketAddr::from((host, 0)),
            http: SocketAddr::from((world.loopback(), 0)),
        };
        let mut coordinator = Self {
            directory,
            config,
            env: env
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            listeners: wanted,
            process: None,
        };
        coordinator.start_again().await?;
        Ok(coordinator)
    }

    /// Starts it again on the same data and the same ports.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let log = self.directory.join("coordinator.log");
        let mut process = Process::start("coordinator", &mut self.command()?, &log)?;
        self.listeners = process
            .line("the coordinator is ready", START, ready)
            .await?;
        self.process = Some(process);
        Ok(())
    }

    /// Starts another on the same data and ports, and waits for its end: exit code, and all that it
    /// printed.
    ///
    /// # Errors
    ///
    /// If it still runs after `deadline`.
    pub async fn try_start(&self, deadline: Duration) -> anyhow::Result<(Option<i32>, String)> {
        let log = self.directory.join("another.log");
        let mut process = Process::start("coordinator", &mut self.command()?, &log)?;
        let status = process.ended(deadline).await?;
        Ok((status.code(), process.printed()))
    }

    /// The command line that starts it.
    ///
    /// # Errors
    ///
    /// If the program was not built.
    pub fn command(&self) -> anyhow::Result<Command> {
        let mut command = command(program("pinion-coordinator")?);
        command
            .env("CP_ADMIN_API_TOKEN", API_TOKEN)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .args(["serve", "--data-dir"])
            .arg(self.data())
            .arg("--config")
            .arg(&self.config)
            .arg("--agents-listen")
            .arg(self.listeners.agents.to_string())
            .arg("--operators-listen")
            .arg(self.listeners.operators.to_string())
            .arg("--http-listen")
            .arg(self.listeners.http.to_string())
            // So that a machine that was cut off is offline in seconds.
            .args(["--heartbeat", "2s"])
            .arg("--advertise")
            .arg(self.listeners.agents.to_string())
            .env("NO_COLOR", "1");
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
    /// If it ends with another code than 0, or not within half a minute.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        process.signal(Signal::TERM);
        let status = process.ended(START).await?;
        if !status.success() {
            bail!("asked to end, the coordinator ended with {status}");
        }
        Ok(())
    }

    /// Where it listens.
    #[must_use]
    pub fn listeners(&self) -> Listeners {
        self.listeners
    }

    /// Process id.
    ///
    /// # Errors
    ///
    /// If it does not run.
    pub fn id(&self) -> anyhow::Result<u32> {
        let process = self
            .process
            .as_ref()
            .context("the coordinator was stopped")?;
        Ok(process.id())
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Its configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// A file below its `pki` directory, such as `ca.pem` or `operators/admin.pem`.
    #[must_use]
    pub fn pki(&self, file: &str) -> PathBuf {
        self.data().join("pki").join(file)
    }

    /// All that it printed since it was started last.
    #[must_use]
    pub fn printed(&self) -> String {
        self.process
            .as_ref()
            .map(Process::printed)
            .unwrap_or_default()
    }

    /// `http://…` of its HTTP listener with `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listeners.http)
    }

    /// What the pipeline runs to promote a digest, to the letter but for the addresses.
    #[must_use]
    pub fn promote_command(&self, workload: &str, digest: &str, source_sha: &str) -> Command {
        let body = serde_json::json!({
            "template_name": workload,
            "image_digest": digest,
            "git_sha": source_sha,
            "notes": "pushed by the pipeline",
        });
        let mut curl = command("curl");
        curl.args(["-fSs", "-X", "POST"])
            .arg(self.url("/cp/admin/runtime-image/promote"))
            .args(["-H", &format!("Authorization: Bearer {API_TOKEN}")])
            .args(["-H", "Content-Type: application/json"])
            .args(["-d", &body.to_string()]);
        curl
    }

    /// Promotes as the pipeline does, and returns the answer.
    ///
    /// # Errors
    ///
    /// If curl fails, which it does on every answer but 2xx.
    pub fn promote(
        &self,
        workload: &str,
        digest: &str,
        source_sha: &str,
    ) -> anyhow::Result<serde_json::Value> {
        let answer = run_command(&mut self.promote_command(workload, digest, source_sha))?;
        serde_json::from_str(&answer).with_context(|| format!("read as JSON: {answer}"))
    }
}

/// The addresses in `ready agents=ADDR operators=ADDR http=ADDR`.
fn ready(line: &str) -> Option<Listeners> {
    let words = line.strip_prefix("ready ")?;
    let value = |name: &str| {
        let mut pairs = words
            .split_whitespace()
            .filter_map(|word| word.split_once('='));
        pairs.find(|(key, _)| *key == name)?.1.parse().ok()
    };
    Some(Listeners {
        agents: value("agents")?,
        operators: value("operators")?,
        http: value("http")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ready_line_names_every_listener() {
        let line = "ready agents=10.251.7.1:7443 operators=10.251.7.1:7444 http=127.251.7.1:80";
        let listeners = ready(line).expect("a ready line");
        assert_eq!(listeners.http.to_string(), "127.251.7.1:80");
        assert_eq!(ready("ready agents=10.251.7.1:7443"), None);
    }
}
