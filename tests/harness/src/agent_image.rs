//! Images of the agent, built by a real engine from the file that operators use.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::command::{command, run_command};
use crate::image::App;
use crate::process::program;
use crate::registry::{Pushed, Registry};
use crate::tenant::Tenant;
use crate::world::World;

/// Below the registry's host.
pub const REPOSITORY: &str = "molecule-ai/pinion-agent";
const BASE: &str = "pinion-base";
const DOCKERFILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/containers/agent.Dockerfile"
);

/// An agent to be built into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentImage {
    /// The agent as it was built.
    Good,
    /// A program that says its version, and ends with code 1 when it is to run.
    Crashing,
    /// The agent, with a configuration named that is not there.
    Misconfigured,
}

impl AgentImage {
    /// Builds it on `tenant`'s engine and pushes it; each version is another digest.
    ///
    /// # Errors
    ///
    /// If a step fails.
    pub fn push(
        self,
        world: &World,
        tenant: &Tenant,
        registry: &Registry,
        version: &str,
    ) -> anyhow::Result<Pushed> {
        let directory = world.subdirectory(&format!("agent-{version}"))?;
        let context = directory.join("context");
        fs::create_dir(&context)?;
        self.write(&context.join("pinion-agent"), version)?;
        let dockerfile = self.dockerfile(&directory)?;
        base(tenant, &directory)?;
        let tag = format!("built/pinion-agent:{version}");
        let mut build = tenant.docker_command(&directory);
        build.args(["build", "--quiet", "--build-arg"]);
        build.arg(format!("BASE={BASE}")).arg("-f").arg(dockerfile);
        run_command(build.args(["-t", &tag]).arg(&context))?;
        let archive = directory.join("image.tar");
        run_command(
            tenant
                .docker_command(&directory)
                .args(["save", "-o"])
                .arg(&archive)
                .arg(&tag),
        )?;
        run_command(tenant.docker_command(&directory).args(["rmi", &tag]))?;
        let source_sha = App::new(version).source_sha();
        registry.push_archive(REPOSITORY, version, &source_sha, &archive)
    }

    /// The same program with bytes behind its end, which nobody loads, is another program.
    fn write(self, path: &Path, version: &str) -> anyhow::Result<()> {
        match self {
            Self::Good | Self::Misconfigured => {
                let built = program("pinion-agent")?;
                run_command(command("strip").arg("-o").arg(path).arg(built))?;
                let mut file = fs::File::options().append(true).open(path)?;
                writeln!(file, "{version}")?;
            }
            Self::Crashing => fs::write(
                path,
                format!(
                    "#!/bin/sh\n[ \"$1\" = --version ] && echo pinion-agent {version} && exit\n\
                     echo \"{version}: no such coordinator\" >&2\nexit 1\n"
                ),
            )?,
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }

    fn dockerfile(self, directory: &Path) -> anyhow::Result<PathBuf> {
        let mut text = fs::read_to_string(DOCKERFILE)?;
        if self == Self::Misconfigured {
            text += "ENV PINION_CONFIG=/nowhere/agent.toml\n";
        }
        let path = directory.join("Dockerfile");
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// What the agent is linked to, from this machine: the base of its images where there is no
/// public registry.
fn base(tenant: &Tenant, directory: &Path) -> anyhow::Result<()> {
    let linked = run_command(command("ldd").arg(program("pinion-agent")?))?;
    let root = directory.join("base");
    for library in linked
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        let target = root.join(library.trim_start_matches('/'));
        let parent = target.parent().context("a library has a directory")?;
        fs::create_dir_all(parent)?;
        fs::copy(library, &target).with_context(|| format!("copy {library}"))?;
    }
    let file = directory.join("base.Dockerfile");
    fs::write(&file, "FROM scratch\nCOPY . /\n")?;
    let mut build = tenant.docker_command(directory);
    build.args(["build", "--quiet", "-t", BASE, "-f"]).arg(file);
    run_command(build.arg(&root)).map(drop)
}
