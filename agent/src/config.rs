//! agent.toml: what this machine allows, and how it reaches its registries.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pinion_model::{RegistryName, Repository, WorkloadName};
use toml::Table;

use crate::credentials::{Binding, Source, is_helper_name};
use crate::policy::{AllowedPrefix, Policy};
use crate::reconcile::PullLimits;

mod keys;
mod workload;

use keys::Keys;
pub use keys::nearest;
pub use workload::WorkloadSettings;

/// Name of the configuration in the state directory.
pub const CONFIG_FILE: &str = "agent.toml";
/// Where the machine's configuration is kept, if not in the state directory.
pub const MACHINES_OWN: &str = "/etc/pinion/agent.toml";
/// First line of a file that `enroll` writes.
const WRITTEN_BY_ENROLL: &str =
    "# Written by `pinion-agent enroll`. See `pinion-agent run --help`.";

const MIB: u64 = 1024 * 1024;
/// Most images that a machine may pull at once.
const PULLS_LIMIT: usize = 16;

/// All of agent.toml, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Names of registries, the first preferred. Empty: the coordinator's order.
    pub registries: Vec<RegistryName>,
    /// Which repositories may run here.
    pub policy: Policy,
    /// The engine's address, such as `unix:///var/run/docker.sock`.
    pub engine_host: Option<String>,
    /// What pulls may take of the machine.
    pub pulls: PullLimits,
    /// Where credentials come from, by registry host.
    pub credentials: BTreeMap<String, Binding>,
    /// What this machine does differently for single workloads.
    pub workloads: BTreeMap<WorkloadName, WorkloadSettings>,
    /// Where update locks may lie as files, if anywhere.
    pub lock_dir: Option<PathBuf>,
}

/// Why agent.toml is of no use. Names the file, the key and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is no TOML.
    #[error("{path}: {message}")]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why, with the line.
        message: String,
    },
    /// A key that does not exist.
    #[error("{path}: there is no key `{key}`; {}", suggestion(.nearest.as_deref(), .allowed))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// With the tables that it is in.
        key: String,
        /// The known key that is written most like it.
        nearest: Option<String>,
        /// Every key that can stand there.
        allowed: Vec<&'static str>,
    },
    /// A value that is not allowed.
    #[error("{path}: `{key}` must be {allowed}; got {got}")]
    Value {
        /// The file.
        path: PathBuf,
        /// With the tables that it is in.
        key: String,
        /// What it may be.
        allowed: String,
        /// What it is.
        got: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    ///
    /// On the first thing that is wrong.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Checks the text of the file `path`.
    ///
    /// # Errors
    ///
    /// On the first thing that is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::Toml {
                path: path.to_owned(),
                message: at_line(text, &error),
            })?;
        let root = Keys::new(path, "", &table);
        root.only(&[
            "registries",
            "policy",
            "engine",
            "credentials",
            "workload",
            "locks",
        ])?;
        Ok(Self {
            registries: registries(&root)?,
            policy: policy(&root)?,
            engine_host: engine_host(&root)?,
            pulls: pulls(&root)?,
            credentials: credentials(&root)?,
            workloads: workload::read(&root)?,
            lock_dir: lock_dir(&root)?,
        })
    }

    /// The text that `enroll` writes for a policy.
    #[must_use]
    pub fn text_for(policy: &Policy) -> String {
        let allow: Vec<String> = policy
            .prefixes()
            .iter()
            .map(|prefix| format!("{:?}", prefix.as_str()))
            .collect();
        format!(
            "{WRITTEN_BY_ENROLL}\n\n[policy]\nallow = [{}]\n",
            allow.join(", ")
        )
    }

    /// Whether `text` is as `enroll` wrote it, with nothing of a person's in it.
    #[must_use]
    pub fn is_as_written(&self, text: &str) -> bool {
        text == Self::text_for(&self.policy)
    }
}

fn at_line(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

fn suggestion(nearest: Option<&str>, allowed: &[&str]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean `{nearest}`? Allowed: {}", allowed.join(", ")),
        None => format!("allowed: {}", allowed.join(", ")),
    }
}

fn registries(root: &Keys<'_>) -> Result<Vec<RegistryName>, ConfigError> {
    let names: Vec<RegistryName> = root.strings("registries")?;
    for (at, name) in names.iter().enumerate() {
        if names[..at].contains(name) {
            return Err(root.value("registries", "a list without repetitions", name));
        }
    }
    Ok(names)
}

fn policy(root: &Keys<'_>) -> Result<Policy, ConfigError> {
    let Some(table) = root.table("policy")? else {
        return Ok(Policy::default());
    };
    table.only(&["allow"])?;
    Ok(Policy::new(table.strings::<AllowedPrefix>("allow")?))
}

fn engine_host(root: &Keys<'_>) -> Result<Option<String>, ConfigError> {
    let Some(table) = root.table("engine")? else {
        return Ok(None);
    };
    table.only(&["host", "min_free_mib", "pulls"])?;
    match table.string("host")? {
        Some(host) if !is_engine_host(host) => Err(table.value(
            "host",
            "unix:// and an absolute path, such as \"unix:///var/run/docker.sock\"",
            host,
        )),
        host => Ok(host.map(str::to_owned)),
    }
}

fn pulls(root: &Keys<'_>) -> Result<PullLimits, ConfigError> {
    let mut limits = PullLimits::default();
    let Some(table) = root.table("engine")? else {
        return Ok(limits);
    };
    let mib = table.natural("min_free_mib")?;
    limits.min_free = mib.map(|mib| mib.saturating_mul(MIB));
    if let Some(number) = table.natural("pulls")? {
        let number = usize::try_from(number)
            .ok()
            .filter(|n| (1..=PULLS_LIMIT).contains(n));
        limits.at_once =
            number.ok_or_else(|| table.value("pulls", "a number from 1 to 16", "another"))?;
    }
    Ok(limits)
}

fn lock_dir(root: &Keys<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let Some(table) = root.table("locks")? else {
        return Ok(None);
    };
    table.only(&["dir"])?;
    match table.string("dir")? {
        Some(dir) if !Path::new(dir).is_absolute() => Err(table.value(
            "dir",
            "an absolute path, such as \"/run/pinion/locks\"",
            dir,
        )),
        dir => Ok(dir.map(PathBuf::from)),
    }
}

/// Whether `host` names a Unix socket: the agent needs the machine's own engine.
#[must_use]
pub fn is_engine_host(host: &str) -> bool {
    host.strip_prefix("unix://")
        .is_some_and(|path| path.starts_with('/') && path.len() > 1)
}

fn credentials(root: &Keys<'_>) -> Result<BTreeMap<String, Binding>, ConfigError> {
    let Some(table) = root.table("credentials")? else {
        return Ok(BTreeMap::new());
    };
    let mut bindings = BTreeMap::new();
    for host in table.names() {
        if host.contains('/') || format!("{host}/any").parse::<Repository>().is_err() {
            return Err(table.value(
                host,
                "named after a registry's host[:port], such as \"ghcr.io\"",
                host,
            ));
        }
        let entry = table.table(host)?.expect("it is among the table's names");
        bindings.insert(host.to_owned(), binding(&entry)?);
    }
    Ok(bindings)
}

fn binding(entry: &Keys<'_>) -> Result<Binding, ConfigError> {
    entry.only(&[
        "helper",
        "helper_key",
        "secret_file",
        "username",
        "anonymous",
        "timeout",
    ])?;
    let timeout = entry.duration("timeout")?;
    if timeout.is_some_and(|timeout| timeout.is_zero() || timeout > Duration::from_secs(120)) {
        return Err(entry.value(
            "timeout",
            "more than 0 and at most \"2m\"",
            "another duration",
        ));
    }
    let mut binding = Binding::new(source(entry)?);
    if let Some(timeout) = timeout {
        binding.timeout = timeout;
    }
    Ok(binding)
}

fn source(entry: &Keys<'_>) -> Result<Source, ConfigError> {
    let anonymous = entry.boolean("anonymous")?.unwrap_or(false);
    let (helper, file) = (entry.string("helper")?, entry.string("secret_file")?);
    let (key, username) = (entry.string("helper_key")?, entry.string("username")?);
    let beside = |name: &str, with: &str| {
        entry.value(name, &format!("left out without `{with}`"), "a value")
    };
    if key.is_some() && helper.is_none() {
        return Err(beside("helper_key", "helper"));
    }
    if username.is_some() && file.is_none() {
        return Err(beside("username", "secret_file"));
    }
    match (helper, file, anonymous) {
        (Some(helper), None, false) if is_helper_name(helper) => {
            Ok(Source::Process { helper: helper.to_owned(), key: key.map(str::to_owned) })
        }
        (Some(helper), None, false) => Err(entry.value(
            "helper",
            "the name behind \"docker-credential-\", such as \"ecr-login\" or \"pinion-ghcr\", and no path",
            helper,
        )),
        (None, Some(file), false) => secret_file(entry, username, Path::new(file)),
        (None, None, true) => Ok(Source::Anonymous),
        _ => Err(entry.contradiction("exactly one of `helper`, `secret_file` and `anonymous = true`")),
    }
}

fn secret_file(
    entry: &Keys<'_>,
    username: Option<&str>,
    path: &Path,
) -> Result<Source, ConfigError> {
    if !path.is_absolute() {
        return Err(entry.value(
            "secret_file",
            "an absolute path",
            &path.display().to_string(),
        ));
    }
    match username {
        Some(username) if !username.is_empty() && !username.contains(':') => {
            Ok(Source::SecretFile {
                username: username.to_owned(),
                path: path.to_owned(),
            })
        }
        other => Err(entry.value(
            "username",
            "set beside `secret_file` and without a colon (\"x\" for Fly)",
            other.unwrap_or("nothing"),
        )),
    }
}

#[cfg(test)]
mod tests;
