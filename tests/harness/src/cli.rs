//! The operator's real command, with its answers as JSON.

use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::command::{command, output};
use crate::coordinator::Coordinator;
use crate::process::program;

/// `pinion` as one operator.
#[derive(Debug, Clone)]
pub struct Cli {
    endpoint: String,
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    program: PathBuf,
}

impl Cli {
    /// As the admin whose certificate the coordinator made at its first start.
    ///
    /// # Errors
    ///
    /// If the program was not built.
    pub fn admin(coordinator: &Coordinator) -> anyhow::Result<Self> {
        Ok(Self {
            endpoint: format!("https://{}", coordinator.listeners().operators),
            ca: coordinator.pki("ca.pem"),
            certificate: coordinator.pki("operators/admin.pem"),
            key: coordinator.pki("operators/admin.key"),
            program: program("pinion")?,
        })
    }

    /// The same with another certificate and key.
    #[must_use]
    pub fn with_certificate(mut self, certificate: PathBuf, key: PathBuf) -> Self {
        self.certificate = certificate;
        self.key = key;
        self
    }

    /// The command line of `pinion ARGS`.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&self.program);
        command.args(["--endpoint", &self.endpoint]);
        command.arg("--ca").arg(&self.ca);
        command.arg("--cert").arg(&self.certificate);
        command.arg("--key").arg(&self.key);
        command.args(args);
        command
    }

    /// Runs `pinion ARGS --output json --yes`, whatever its exit code.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn output(&self, args: &[&str]) -> anyhow::Result<Output> {
        output(self.command(args).args(["--output", "json", "--yes"]))
    }

    /// Runs `pinion ARGS --output json --yes` and reads its last line of JSON.
    ///
    /// # Errors
    ///
    /// If it ends with another code than 0.
    pub fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        let (code, answer) = self.json_and_code(args)?;
        if code != 0 {
            bail!("pinion {} ended with {code}: {answer}", args.join(" "));
        }
        Ok(answer)
    }

    /// The exit code of `pinion ARGS --output json --yes`, and its last line of JSON; without one,
    /// what it wrote to standard error.
    ///
    /// # Errors
    ///
    /// If it cannot be started, was killed, or prints what is no JSON.
    pub fn json_and_code(&self, args: &[&str]) -> anyhow::Result<(i32, Value)> {
        let output = self.output(args)?;
        let code = output.status.code().context("pinion was killed")?;
        let printed = String::from_utf8_lossy(&output.stdout);
        match printed.lines().last() {
            Some(line) => {
                let answer = serde_json::from_str(line);
                Ok((
                    code,
                    answer.with_context(|| format!("read as JSON: {line}"))?,
                ))
            }
            None => Ok((code, String::from_utf8_lossy(&output.stderr).trim().into())),
        }
    }

    /// A rollout as it is now.
    ///
    /// # Errors
    ///
    /// If there is none of that id.
    pub fn rollout(&self, id: &str) -> anyhow::Result<Value> {
        let shown = self.json(&["rollout", "show", id, "--agents"])?;
        Ok(unwrapped(shown, "rollout"))
    }

    /// An agent as the coordinator sees it.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub fn agent(&self, name: &str) -> anyhow::Result<Value> {
        Ok(unwrapped(self.json(&["agent", "show", name])?, "agent"))
    }

    /// A new enrolment token for a machine called `name`.
    ///
    /// # Errors
    ///
    /// If it is refused.
    pub fn enrolment_token(&self, name: &str, more: &[&str]) -> anyhow::Result<String> {
        let mut args = vec!["token", "create", "--kind", "enrollment", "--name", name];
        args.extend(more);
        let answer = self.json(&args)?;
        let secret = answer["secret"].as_str();
        Ok(secret.context("a new token has a secret")?.to_owned())
    }
}

/// What is under `name`, or the value itself if it is bare.
fn unwrapped(value: Value, name: &str) -> Value {
    match value.get(name) {
        Some(inner) if inner.is_object() => inner.clone(),
        _ => value,
    }
}
