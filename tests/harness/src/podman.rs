//! Podman behind Docker's API, for a machine of its own.
//!
//! Podman leaves the health checks to timers of systemd, which no test machine has: a loop beside
//! it runs them instead, by Podman's own call.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::command::{command, run_command};
use crate::needs::found;
use crate::process::Process;

/// Marks the directory of a machine with Podman.
const CONFIGURATION: &str = "containers.conf";

/// All the programs that it finds. Were dpkg among them, it would be run four times for every
/// question about the version, to name packages: nine tenths of what that costs.
const PROGRAMS: [&str; 5] = ["conmon", "ip6tables", "iptables", "podman", "runc"];

/// Runs every container's check again and again; one without a check, or that has just gone, is
/// no news.
const CHECKS: &str = r#"
while sleep 0.5; do
    curl -sf --unix-socket "$0" http://podman/v4.0.0/libpod/containers/json | jq -r '.[].Id' |
        while read -r id; do
            curl -s -o /dev/null --unix-socket "$0" "http://podman/v4.0.0/libpod/containers/$id/healthcheck"
        done
done
"#;

/// Starts the service in `directory`, to listen at `socket`; `inside` makes commands of its machine.
///
/// # Errors
///
/// If a file cannot be written, or the program not be started.
pub(crate) fn start(
    directory: &Path,
    socket: &Path,
    ca: &Path,
    inside: impl Fn(&str) -> Command,
) -> anyhow::Result<Process> {
    let file = directory.join(CONFIGURATION);
    fs::write(&file, configuration(directory))
        .with_context(|| format!("write {}", file.display()))?;
    link_programs(directory)?;
    let mut service = podman(&inside, directory);
    service
        .env("SSL_CERT_FILE", ca)
        .args(["system", "service", "--time=0"])
        .arg(format!("unix://{}", socket.display()));
    Process::start("podman", &mut service, &directory.join("podman.log"))
}

/// Starts what runs the health checks of the containers of the service at `socket`.
///
/// # Errors
///
/// If it cannot be started.
pub(crate) fn start_checks(directory: &Path, socket: &Path) -> anyhow::Result<Process> {
    let mut shell = command("sh");
    shell.args(["-c", CHECKS]).arg(socket);
    Process::start("checks", &mut shell, &directory.join("checks.log"))
}

/// Removes all containers of the machine in `directory`, if it has Podman: nothing else knows the
/// network namespaces and control groups that it made for them. `inside` makes commands of it.
pub(crate) fn remove_containers(directory: &Path, inside: impl Fn(&str) -> Command) {
    if !directory.join(CONFIGURATION).exists() {
        return;
    }
    let mut remove = podman(inside, directory);
    if let Err(error) = run_command(remove.args(["rm", "--all", "--force", "--time=0"])) {
        eprintln!(
            "remove the containers of {}: {error:#}",
            directory.display()
        );
    }
}

fn link_programs(directory: &Path) -> anyhow::Result<()> {
    let programs = directory.join("bin");
    fs::create_dir_all(&programs)?;
    for name in PROGRAMS {
        let program = found(name).with_context(|| format!("{name} is not on the path"))?;
        // There already where the engine is started again.
        if !programs.join(name).exists() {
            symlink(program, programs.join(name))?;
        }
    }
    Ok(())
}

/// Podman on the state in `directory`, with nothing of the tester's own; `inside` makes commands of
/// its machine.
pub(crate) fn podman(inside: impl Fn(&str) -> Command, directory: &Path) -> Command {
    let mut podman = inside("env");
    podman
        .arg(format!("PATH={}", directory.join("bin").display()))
        .arg("podman")
        .env("CONTAINERS_CONF", directory.join(CONFIGURATION))
        .env("DISABLE_HC_SYSTEMD", "true")
        .arg("--root")
        .arg(data(directory))
        .arg("--runroot")
        .arg(directory.join("runroot"));
    podman
}

fn data(directory: &Path) -> PathBuf {
    directory.join("data")
}

/// What runs where there is no systemd, and where limits cannot be raised: Debian's crun refuses
/// control groups of both versions at once, so runc takes its place.
fn configuration(directory: &Path) -> String {
    let below = |name: &str| directory.join(name).display().to_string();
    format!(
        r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
pids_limit = 0
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
static_dir = "{}"
tmp_dir = "{}"
volume_path = "{}"
[network]
network_backend = "netavark"
network_config_dir = "{}"
"#,
        below("data/libpod"),
        below("run"),
        below("data/volumes"),
        below("networks"),
    )
}
