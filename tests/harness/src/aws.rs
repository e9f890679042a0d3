//! Amazon's side of a login: `moto_proxy` answers in place of AWS, whatever host is asked.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::command::command;
use crate::needs::on_path;
use crate::process::Process;
use crate::world::World;

/// The registry of the account that it knows, as the credential helper must be asked.
pub const REGISTRY: &str = "123456789012.dkr.ecr.us-east-1.amazonaws.com";
/// Amazon's credential helper, without `docker-credential-`.
pub const HELPER: &str = "ecr-login";

const START: Duration = Duration::from_secs(60);

/// A proxy on the world's address that answers as AWS, by a certificate of its own authority.
/// Killed on drop.
#[derive(Debug)]
pub struct Aws {
    world: String,
    address: SocketAddr,
    ca: PathBuf,
    process: Process,
}

impl Aws {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If it or the credential helper is not installed, or it does not listen within a minute.
    pub async fn start(world: &World) -> anyhow::Result<Self> {
        let program = format!("docker-credential-{HELPER}");
        ensure!(
            on_path(&program),
            "{program} is missing; `make test` or `apt-get install amazon-ecr-credential-helper` brings it"
        );
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/moto");
        let ca = tools.join("ca.crt");
        ensure!(
            ca.is_file(),
            "moto is missing; `make test` or `deploy/ci/tools.sh target/tools moto` brings it"
        );
        let directory = world.subdirectory("aws")?;
        // The program's path must lie in the world, so that a sweep finds the process.
        let proxy = directory.join("moto_proxy");
        symlink(tools.join("bin/moto_proxy"), &proxy)?;
        let mut run = command(tools.join("bin/python3"));
        run.arg(&proxy)
            .args(["--port", "0", "--host", &world.address().to_string()])
            .env("PYTHONUNBUFFERED", "1");
        let mut process = Process::start("aws", &mut run, &directory.join("moto.log"))?;
        let address = process.line("moto listens", START, listening_on).await?;
        Ok(Self {
            world: world.address().to_string(),
            address,
            ca: fs::canonicalize(&ca).with_context(|| format!("find {}", ca.display()))?,
            process,
        })
    }

    /// What an agent's environment must hold for its helper to ask this one.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let proxy = format!("http://{}", self.address);
        [
            ("HTTPS_PROXY", proxy.as_str()),
            // Coordinator and registry are there, and nothing of theirs is for AWS.
            ("NO_PROXY", &self.world),
            ("AWS_CA_BUNDLE", &self.ca.to_string_lossy()),
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_SECRET_ACCESS_KEY", "tests"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// Requests that it was sent, a line each.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let printed = self.process.printed();
        let asked = printed.lines().filter(|line| line.contains("POST"));
        asked.map(str::to_owned).collect()
    }

    /// Kills it: from now on nobody answers.
    ///
    /// # Errors
    ///
    /// If its end cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }
}

/// The address in `Serving HTTP Proxy on 10.251.7.1:40123 ...`.
fn listening_on(line: &str) -> Option<SocketAddr> {
    let rest = line.strip_prefix("Serving HTTP Proxy on ")?;
    rest.split(' ').next()?.parse().ok()
}
