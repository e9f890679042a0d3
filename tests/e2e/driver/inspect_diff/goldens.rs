//! What is known of each case, and what may change.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// What may differ afterwards, by the beginning of its line, and why.
const REASONS: &[(&str, &str)] = &[
    (
        "/Config/Env/",
        "the image's own variable follows the new image",
    ),
    (
        "/Config/Labels/org.opencontainers.image.revision",
        "the image's own label",
    ),
    ("/Config/Labels/of", "the image's own label"),
    ("/Config/Labels/only-", "the image's own label"),
    ("/Config/User", "the image's own user"),
    ("/Config/WorkingDir", "the image's own directory"),
    ("/Config/StopSignal", "the image's own signal"),
    ("/Config/Cmd", "the image's own command"),
    ("/Config/Entrypoint", "the image's own entrypoint"),
    ("/Config/Healthcheck", "the image's own check"),
    ("/Config/ExposedPorts/8", "the image's own port"),
    (
        "/Config/Volumes/",
        "the image's own volume; the old one's stays mounted by its name",
    ),
    ("/Mounts", "the new image's own volume"),
    (
        "/HostConfig/Mounts",
        "an anonymous volume is attached by its name from now on",
    ),
    (
        "/HostConfig/Binds/",
        "an anonymous volume is attached by its name from now on",
    ),
    (
        "/HostConfig/PortBindings",
        "pinned to the port that it had, as its label asks",
    ),
    (
        "/HostConfig/NetworkMode",
        "a network or container by id is now by name or the other way round",
    ),
    (
        "/HostConfig/VolumesFrom",
        "a container by name is by its id from now on",
    ),
    (
        "/HostConfig/IpcMode",
        "a container by name is by its id from now on",
    ),
    (
        "/HostConfig/Runtime: null -> \"runc\"",
        "its default, which the engine writes down for whoever sends a host configuration",
    ),
    (
        "/HostConfig/PidMode",
        "a container by name is by its id from now on",
    ),
];

/// By the names of the cases.
pub(super) type Goldens = BTreeMap<String, Golden>;

/// What is known of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Golden {
    /// Differences to the plain case of the same image.
    pub(super) set: Vec<String>,
    /// Differences to what it was.
    pub(super) changed: Vec<String>,
}

/// That all is as it is known, and that there is a reason for whatever changed.
pub(super) fn compare(seen: &Goldens) -> anyhow::Result<()> {
    let unexplained: Vec<_> = seen.iter().flat_map(unexplained).collect();
    ensure!(
        unexplained.is_empty(),
        "changed without a reason: {unexplained:#?}"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/driver/inspect_diff/goldens.json");
    if std::env::var_os("PINION_UPDATE_GOLDENS").is_some() {
        let text = serde_json::to_string_pretty(seen)? + "\n";
        return std::fs::write(&file, text).map_err(Into::into);
    }
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let known: Goldens = serde_json::from_str(&text)?;
    let names = seen.keys().chain(known.keys());
    let differ: BTreeMap<_, _> = names
        .filter(|&name| seen.get(name) != known.get(name))
        .map(|name| (name, (seen.get(name), known.get(name))))
        .collect();
    ensure!(
        differ.is_empty(),
        "now, and in {}: {differ:#?}",
        file.display()
    );
    Ok(())
}

/// What changed although there is no reason for it.
fn unexplained((name, golden): (&String, &Golden)) -> Vec<String> {
    let has_reason = |change: &&String| REASONS.iter().any(|(start, _)| change.starts_with(start));
    let changes = golden.changed.iter().filter(|change| !has_reason(change));
    changes.map(|change| format!("{name}: {change}")).collect()
}
