//! A tenant machine: a network namespace with a link to the world and an engine of its own.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bollard::{API_DEFAULT_VERSION, Docker};
use rustix::process::Signal;

use crate::command::{command, run, run_command};
use crate::engine::Engine;
use crate::podman;
use crate::process::Process;
use crate::wait::eventually;
use crate::world::World;

const ENGINE_START: Duration = Duration::from_secs(60);

/// Which engine a machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EngineKind {
    /// Docker Engine.
    #[default]
    Docker,
    /// Podman, which speaks Docker's API.
    Podman,
}

/// A machine with an engine. Its network can be cut and its engine killed.
#[derive(Debug)]
pub struct Tenant {
    name: String,
    number: u8,
    namespace: String,
    link: String,
    address: Ipv4Addr,
    directory: PathBuf,
    ca: PathBuf,
    kind: EngineKind,
    dockerd: Option<Process>,
    engine: Engine,
    _checks: Option<Process>,
}

impl Tenant {
    /// Makes machine `number` (1 to 200) of the world, with Docker, and waits for its engine.
    ///
    /// # Errors
    ///
    /// If the network cannot be made, or the engine does not answer within a minute.
    pub async fn start(world: &World, number: u8) -> anyhow::Result<Self> {
        Self::start_with(world, number, EngineKind::Docker).await
    }

    /// The same with an engine of that kind.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with(world: &World, number: u8, kind: EngineKind) -> anyhow::Result<Self> {
        let name = format!("t{number}");
        let k = world.number();
        let directory = world.subdirectory(&name)?;
        let [a, b, c, _] = world.address().octets();
        let address = Ipv4Addr::new(a, b, c, 10 + number);
        let namespace = format!("pn{k}{name}");
        let link = format!("pn{k}v{number}");
        make_network(k, &namespace, &link, address)?;
        let ca = world.authority().pem_file().to_owned();
        let dockerd = start_engine(kind, &directory, &namespace, &ca)?;
        let engine = connect(&directory).await?;
        let checks = match kind {
            EngineKind::Docker => None,
            EngineKind::Podman => Some(podman::start_checks(&directory, &socket(&directory))?),
        };
        Ok(Self {
            name,
            number,
            namespace,
            link,
            address,
            directory,
            ca,
            kind,
            dockerd: Some(dockerd),
            engine,
            _checks: checks,
        })
    }

    /// Makes machines 1 to `count` at once.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_all(
        world: &World,
        count: u8,
        kind: EngineKind,
    ) -> anyhow::Result<Vec<Self>> {
        let start = |number| Self::start_with(world, number, kind);
        futures_util::future::try_join_all((1..=count).map(start)).await
    }

    /// Which engine it has.
    #[must_use]
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// `t1`, `t2` …
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// 1, 2 …
    #[must_use]
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Its address on the world's bridge.
    #[must_use]
    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The engine's API, for assertions on its own answers.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// `unix://…` of the engine, as the agent's `--docker-host` wants it.
    #[must_use]
    pub fn docker_host(&self) -> String {
        format!("unix://{}", socket(&self.directory).display())
    }

    /// A command that runs on this machine: in its network namespace.
    #[must_use]
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        inside(&self.namespace, program)
    }

    /// Docker's own command on this machine's engine, as its user types it, with
    /// the logins of the directory `config` and nothing of the tester's.
    #[must_use]
    pub fn docker_command(&self, config: &Path) -> Command {
        let mut docker = command("docker");
        docker
            .env("DOCKER_BUILDKIT", "0")
            .env("DOCKER_CONFIG", config)
            .args(["-H", &self.docker_host()]);
        docker
    }

    /// The same, run without any login.
    ///
    /// # Errors
    ///
    /// If it fails, with what it said.
    pub fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut docker = self.docker_command(&self.directory);
        Ok(run_command(docker.args(arguments))?.trim().to_owned())
    }

    /// Podman's own command on this machine, as its user types it.
    #[must_use]
    pub fn podman_command(&self) -> Command {
        podman::podman(|program| self.command(program), &self.directory)
    }

    /// The same, run.
    ///
    /// # Errors
    ///
    /// If it fails, with what it said.
    pub fn podman(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut podman = self.podman_command();
        Ok(run_command(podman.args(arguments))?.trim().to_owned())
    }

    /// Compose on this machine's engine, for the project in `directory`.
    ///
    /// # Errors
    ///
    /// If it fails, with what it said.
    pub fn compose(
        &self,
        directory: &Path,
        project: &str,
        arguments: &[&str],
    ) -> anyhow::Result<String> {
        let mut compose = command("docker-compose");
        compose
            .env("DOCKER_HOST", self.docker_host())
            // Else it breaks the names in its tables.
            .env("COLUMNS", "200")
            .current_dir(directory)
            .args(["--project-name", project])
            .args(arguments);
        run_command(&mut compose).with_context(|| format!("docker-compose {arguments:?}"))
    }

    /// Cuts its network: nothing gets in or out, and nobody is told.
    ///
    /// # Errors
    ///
    /// If the link cannot be set.
    pub fn cut(&self) -> anyhow::Result<()> {
        run(&format!("ip link set {} down", self.link)).map(drop)
    }

    /// Gives it its network back.
    ///
    /// # Errors
    ///
    /// If the link cannot be set.
    pub fn heal(&self) -> anyhow::Result<()> {
        run(&format!("ip link set {} up", self.link)).map(drop)
    }

    /// Kills the engine at once (`kill -9`). Its containers live on, as on any machine.
    ///
    /// # Errors
    ///
    /// If its end cannot be waited for.
    pub fn kill_engine(&mut self) -> anyhow::Result<()> {
        match self.dockerd.take() {
            Some(mut dockerd) => dockerd.kill(),
            None => Ok(()),
        }
    }

    /// Stops the engine in order.
    ///
    /// # Errors
    ///
    /// If it does not end within half a minute.
    pub async fn stop_engine(&mut self) -> anyhow::Result<()> {
        if let Some(mut dockerd) = self.dockerd.take() {
            dockerd.signal(Signal::TERM);
            dockerd.ended(Duration::from_secs(30)).await?;
        }
        Ok(())
    }

    /// Starts the engine again after its end, and waits for it.
    ///
    /// # Errors
    ///
    /// If it does not answer within a minute.
    pub async fn start_engine(&mut self) -> anyhow::Result<()> {
        self.forget_dead_engine().await?;
        let started = start_engine(self.kind, &self.directory, &self.namespace, &self.ca)?;
        self.dockerd = Some(started);
        self.engine = connect(&self.directory).await?;
        Ok(())
    }

    /// Settles what its engine's `daemon.json` says from its next start on.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn configure_engine(&self, json: &str) -> anyhow::Result<()> {
        fs::write(self.directory.join("daemon.json"), json).context("write daemon.json")
    }

    /// The engine's own socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket(&self.directory)
    }

    /// A killed engine leaves files that name its own process and containerd's, which dies with
    /// it; the next engine would wait for these for ever, if nobody has reaped them yet.
    async fn forget_dead_engine(&self) -> anyhow::Result<()> {
        for file in ["dockerd.pid", "exec/containerd/containerd.pid"] {
            let path = self.directory.join(file);
            let Ok(pid) = fs::read_to_string(&path) else {
                continue;
            };
            let what = format!("the process of {file} is dead");
            eventually(&what, ENGINE_START, async || match is_alive(pid.trim()) {
                true => bail!("{} lives", pid.trim()),
                false => Ok(()),
            })
            .await?;
            fs::remove_file(path)?;
        }
        Ok(())
    }

    /// What the container's published port answers over HTTP, asked from inside the machine.
    ///
    /// # Errors
    ///
    /// If nobody answers within two seconds.
    pub fn http_get(&self, port: u16) -> anyhow::Result<String> {
        let url = format!("http://{}:{port}/", self.address);
        let answer = crate::command::run_command(self.command("curl").args([
            "-fsS",
            "--max-time",
            "2",
            &url,
        ]))?;
        Ok(answer.trim().to_owned())
    }
}

fn make_network(k: u8, namespace: &str, link: &str, address: Ipv4Addr) -> anyhow::Result<()> {
    run(&format!("ip netns add {namespace}"))?;
    run(&format!(
        "ip link add {link} type veth peer name eth0 netns {namespace}"
    ))?;
    run(&format!("ip link set {link} master pn{k} up"))?;
    run(&format!("ip -n {namespace} addr add {address}/24 dev eth0"))?;
    run(&format!("ip -n {namespace} link set eth0 up"))?;
    run(&format!("ip -n {namespace} link set lo up"))?;
    run(&format!(
        "ip -n {namespace} route add default via 10.251.{k}.1"
    ))?;
    Ok(())
}

fn start_engine(
    kind: EngineKind,
    directory: &Path,
    namespace: &str,
    ca: &Path,
) -> anyhow::Result<Process> {
    match kind {
        EngineKind::Docker => start_docker(directory, namespace, ca),
        EngineKind::Podman => podman::start(directory, &socket(directory), ca, |program| {
            inside(namespace, program)
        }),
    }
}

fn start_docker(directory: &Path, namespace: &str, ca: &Path) -> anyhow::Result<Process> {
    // Its own file, or the settings of the machine's own engine leak in.
    let config = directory.join("daemon.json");
    if !config.exists() {
        fs::write(&config, "{}").with_context(|| format!("write {}", config.display()))?;
    }
    let mut dockerd = inside(namespace, "dockerd");
    dockerd
        .env("SSL_CERT_FILE", ca)
        .env("DOCKER_CONFIG", directory)
        .arg("--config-file")
        .arg(config)
        .arg("--data-root")
        .arg(directory.join("data"))
        .arg("--exec-root")
        .arg(directory.join("exec"))
        .arg("--pidfile")
        .arg(directory.join("dockerd.pid"))
        .arg("--host")
        .arg(format!("unix://{}", socket(directory).display()));
    Process::start("dockerd", &mut dockerd, &directory.join("dockerd.log"))
}

async fn connect(directory: &Path) -> anyhow::Result<Engine> {
    let path = socket(directory);
    eventually("the engine answers", ENGINE_START, async || {
        let docker = Docker::connect_with_unix(&path.to_string_lossy(), 120, API_DEFAULT_VERSION)?;
        docker.ping().await?;
        Ok(Engine::new(docker.negotiate_version().await?))
    })
    .await
}

/// A command that runs in that network namespace.
pub(crate) fn inside(namespace: &str, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = command("nsenter");
    command
        .arg(format!("--net=/run/netns/{namespace}"))
        .arg("--")
        .arg(program);
    command
}

/// Whether there is such a process and it is no zombie.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("docker.sock")
}
