//! What the machine must have. A missing part is a failure that says what to install.

use std::path::{Path, PathBuf};

use anyhow::bail;

/// Programs and the Debian packages that bring them.
const PROGRAMS: &[(&str, &str)] = &[
    ("dockerd", "docker.io"),
    ("docker", "docker.io"),
    ("podman", "podman"),
    ("runc", "runc"),
    ("jq", "jq"),
    ("docker-registry", "docker-registry"),
    ("docker-compose", "docker-compose"),
    ("skopeo", "skopeo"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("nsenter", "util-linux"),
    ("tar", "tar"),
    ("curl", "curl"),
    ("rustc", "rustup or rustc"),
];

/// True unless `PINION_TEST_DOCKER=0` says that engines are to be left out.
#[must_use]
pub fn engines_wanted() -> bool {
    std::env::var("PINION_TEST_DOCKER").as_deref() != Ok("0")
}

/// Checks for everything that a test with engines needs.
///
/// # Errors
///
/// Names each missing part and the command that installs it.
pub fn check() -> anyhow::Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "tests with real engines make network namespaces and need root; \
             run as root, or leave them out with PINION_TEST_DOCKER=0"
        );
    }
    let missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|(program, _)| !on_path(program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    bail!(
        "{} not found; install with `make setup` or `apt-get install {}`, \
         or leave engines out with PINION_TEST_DOCKER=0",
        programs.join(", "),
        packages.join(" ")
    )
}

/// Whether `program` is on the path, those of system tools included.
#[must_use]
pub fn on_path(program: &str) -> bool {
    found(program).is_some()
}

/// Where `program` is on that path.
pub(crate) fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"])
        .map(|directory| Path::new(directory).join(program))
        .find(|file| file.is_file())
}
