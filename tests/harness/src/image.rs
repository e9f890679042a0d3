//! Images from scratch: one static program, and what makes a version.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::command::{command, run_command};
use crate::sweep;
use crate::world::World;

/// The program's files, the one with `main` first.
const SOURCES: [(&str, &str); 2] = [
    ("main.rs", include_str!("../app/main.rs")),
    ("probe.rs", include_str!("../app/probe.rs")),
];
const SECOND: u64 = 1_000_000_000;

/// How a version of the program behaves; seconds count from its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Behaviour {
    /// Serves, healthy.
    Good,
    /// Exits with code 1 at once.
    Crash,
    /// Serves, and exits with code 1 after that many seconds.
    CrashAfter(f64),
    /// Serves, and never gets healthy.
    Unhealthy,
    /// Gets healthy, and is not any more after that many seconds.
    RegressAfter(f64),
    /// Gets healthy only after that many seconds.
    SlowStart(f64),
}

impl Behaviour {
    /// The value of `APP_MODE` for it.
    #[must_use]
    pub fn mode(self) -> String {
        match self {
            Self::Good => "good".into(),
            Self::Crash => "crash".into(),
            Self::CrashAfter(seconds) => format!("crash-after={seconds}"),
            Self::Unhealthy => "unhealthy".into(),
            Self::RegressAfter(seconds) => format!("regress-after={seconds}"),
            Self::SlowStart(seconds) => format!("slow-start={seconds}"),
        }
    }
}

/// A version of the program, to be built into an image.
#[derive(Debug, Clone)]
pub struct App {
    version: String,
    behaviour: Behaviour,
    ballast: usize,
    architecture: &'static str,
    config: Value,
}

impl App {
    /// A version that behaves well.
    #[must_use]
    pub fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            behaviour: Behaviour::Good,
            ballast: 0,
            architecture: architecture(),
            config: json!({}),
        }
    }

    /// The same with these fields in its image's configuration, instead of those that it has.
    #[must_use]
    pub fn with_config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// The same with another behaviour.
    #[must_use]
    pub fn that(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// The same with a layer of that many incompressible bytes of its own.
    #[must_use]
    pub fn with_ballast(mut self, bytes: usize) -> Self {
        self.ballast = bytes;
        self
    }

    /// The same without a health check: the engine never says how it fares.
    #[must_use]
    pub fn without_health_check(mut self) -> Self {
        self.config["Healthcheck"] = Value::Null;
        self
    }

    /// The same, said to be for another architecture, such as `s390x`.
    #[must_use]
    pub fn built_for(mut self, architecture: &'static str) -> Self {
        self.architecture = architecture;
        self
    }

    /// What it answers, such as `v1`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The 40 hex digits that stand for this version's source.
    #[must_use]
    pub fn source_sha(&self) -> String {
        hex(&Sha256::digest(&self.version))[..40].to_owned()
    }

    /// Builds the image as an archive that skopeo reads.
    ///
    /// # Errors
    ///
    /// If the program does not compile or the archive cannot be written.
    pub fn build(&self, world: &World) -> anyhow::Result<PathBuf> {
        let directory = world.subdirectory(&format!("image-{}", self.version))?;
        let program = compiled_program()?;
        fs::create_dir(directory.join("base"))?;
        fs::copy(program, directory.join("base/app"))?;
        fs::create_dir(directory.join("top"))?;
        fs::write(directory.join("top/version"), &self.version)?;
        fs::write(
            directory.join("top/ballast"),
            noise(&self.version, self.ballast),
        )?;
        let layers = [tar(&directory, "base")?, tar(&directory, "top")?];
        fs::write(
            directory.join("config.json"),
            self.config(&layers)?.to_string(),
        )?;
        let manifest = json!([{
            "Config": "config.json",
            "RepoTags": [format!("app:{}", self.version)],
            "Layers": ["base.tar", "top.tar"],
        }]);
        fs::write(directory.join("manifest.json"), manifest.to_string())?;
        let archive = directory.join("image.tar");
        run_command(
            command("tar")
                .arg("-C")
                .arg(&directory)
                .arg("-cf")
                .arg(&archive)
                .args(["manifest.json", "config.json", "base.tar", "top.tar"]),
        )?;
        Ok(archive)
    }

    fn config(&self, layers: &[PathBuf]) -> anyhow::Result<Value> {
        let diff_ids = layers
            .iter()
            .map(|layer| Ok(format!("sha256:{}", hex(&Sha256::digest(fs::read(layer)?)))))
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(json!({
            "architecture": self.architecture,
            "os": "linux",
            "created": "2026-01-01T00:00:00Z",
            "config": self.defaults(),
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": [
                {"created": "2026-01-01T00:00:00Z", "created_by": "base"},
                {"created": "2026-01-01T00:00:00Z", "created_by": "top"},
            ],
        }))
    }

    /// What the program needs, and what it was given instead.
    fn defaults(&self) -> Value {
        let mut config = json!({
            "Env": [
                "PATH=/",
                format!("APP_VERSION={}", self.version),
                format!("APP_MODE={}", self.behaviour.mode()),
            ],
            "Cmd": ["/app"],
            "ExposedPorts": {"8080/tcp": {}},
            "Healthcheck": {
                "Test": ["CMD", "/app", "health"],
                "Interval": SECOND,
                "Timeout": 2 * SECOND,
                "Retries": 2,
            },
            "Labels": {
                "org.opencontainers.image.source": "https://git.example/molecule-ai/platform",
                "org.opencontainers.image.revision": self.source_sha(),
                "org.opencontainers.image.created": "2026-01-01T00:00:00Z",
                "molecule.workflow.run_id": "4711",
            },
        });
        if let (Some(config), Some(own)) = (config.as_object_mut(), self.config.as_object()) {
            config.extend(own.clone());
        }
        config
    }
}

/// Compiles the program once for each of its sources, for all worlds and runs.
fn compiled_program() -> anyhow::Result<PathBuf> {
    let shared = sweep::shared_directory()?;
    let sources = SOURCES.map(|(_, source)| source).concat();
    let name = format!("app-{}", &hex(&Sha256::digest(sources))[..16]);
    let path = shared.join(&name);
    if path.is_file() {
        return Ok(path);
    }
    let build = tempfile::tempdir_in(&shared)?;
    for (file, source) in SOURCES {
        fs::write(build.path().join(file), source)?;
    }
    run_command(
        Command::new("rustc")
            .args(["--edition=2024", "-O", "-C", "target-feature=+crt-static"])
            .arg("-o")
            .arg(build.path().join("app"))
            .arg(build.path().join("main.rs")),
    )
    .context("compile the program of the images")?;
    // A rename, so that no other run ever sees half a program.
    fs::rename(build.path().join("app"), &path)?;
    Ok(path)
}

/// `NAME.tar` of what is in `NAME`, the same bytes for the same content.
fn tar(directory: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = directory.join(format!("{name}.tar"));
    run_command(
        command("tar")
            .args([
                "--sort=name",
                "--mtime=@0",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
            ])
            .arg("--mode=a+rX,u+w")
            .arg("-C")
            .arg(directory.join(name))
            .arg("-cf")
            .arg(&path)
            .arg("."),
    )?;
    Ok(path)
}

/// Bytes that do not compress and are the same for the same `seed`.
fn noise(seed: &str, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    let mut block = Sha256::digest(seed);
    while bytes.len() < length {
        bytes.extend_from_slice(&block);
        block = Sha256::digest(block);
    }
    bytes.truncate(length);
    bytes
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
