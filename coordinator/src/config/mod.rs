//! The configuration: registries, the catalog of workloads, strategies.
//!
//! Owns reading and checking it, whole, before anything is opened. Every
//! error names the file, the key and what is allowed; an unknown key is
//! refused with the nearest known one.
//!
//! ```text
//!   coordinator.toml (or default.toml) + MOLECULE_IMAGE_REGISTRY ─▶ Config
//! ```

mod catalog;
mod probe;

use std::collections::BTreeMap;
use std::path::Path;

use crate::clock::{Clock, SystemClock};
use pinion_model::{Image, RegistryName, StrategyName, WorkloadName};
use pinion_rollout::Strategy;
pub use pinion_strategy::ConfigError;
use pinion_strategy::{CONFIGURATION_KEYS, Faults, Section};
use toml::Table;

use crate::identity::TrustDomain;
use crate::probe::TokenFiles;

/// The catalog that is used without a file.
const DEFAULT: &str = include_str!("default.toml");
const DEFAULT_NAME: &str = "the built-in configuration";

/// A checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Stands in the names of a new authority; an old one keeps its own.
    pub trust_domain: Option<TrustDomain>,
    /// The registry whose images are tried first.
    pub default_registry: RegistryName,
    /// Registry to what stands before a repository's path, such as
    /// `ghcr.io/molecule-ai`.
    pub registries: BTreeMap<RegistryName, String>,
    /// What can be promoted.
    pub workloads: BTreeMap<WorkloadName, Workload>,
    /// How rollouts go, by name; `default` is always there.
    pub strategies: BTreeMap<StrategyName, Strategy>,
    /// Where checks find the tokens that Prometheus servers want.
    pub probe_tokens: TokenFiles,
}

/// One workload of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Where its images are: in the default registry first, then by name.
    pub images: Vec<Image>,
    /// Whether promoting starts a rollout.
    pub auto: bool,
    /// How its rollouts go; a name of [`Config::strategies`].
    pub strategy: StrategyName,
    /// The tag that agents keep on the chosen digest.
    pub local_tag: String,
}

impl Config {
    /// Reads `file`, or the built-in configuration without one;
    /// `registry_prefix` (`MOLECULE_IMAGE_REGISTRY`) replaces the default
    /// registry's prefix.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or anything in it cannot be used.
    pub fn load(file: Option<&Path>, registry_prefix: Option<&str>) -> Result<Self, ConfigError> {
        let Some(path) = file else {
            return Self::parse(DEFAULT_NAME, DEFAULT, registry_prefix);
        };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            file: name.clone(),
            source,
        })?;
        Self::parse(&name, &text, registry_prefix)
    }

    /// Reads `text`, which came from what errors call `file`.
    ///
    /// # Errors
    ///
    /// If it is no TOML, or anything in it cannot be used.
    pub fn parse(
        file: &str,
        text: &str,
        registry_prefix: Option<&str>,
    ) -> Result<Self, ConfigError> {
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::Syntax {
                file: file.to_owned(),
                message: error.to_string().trim_end().to_owned(),
            })?;
        let root = Section::new(file, "", &table, &CONFIGURATION_KEYS)?;
        let (default_registry, registries) = catalog::registries(file, &root, registry_prefix)?;
        let strategies = strategies(file, &root)?;
        let workloads =
            catalog::workloads(file, &root, &default_registry, &registries, &strategies)?;
        let trust_domain = root.parsed("trust_domain")?;
        Ok(Self {
            trust_domain,
            default_registry,
            registries,
            workloads,
            strategies,
            probe_tokens: probe::tokens(file, &root)?,
        })
    }
}

fn strategies(
    file: &str,
    root: &Section<'_>,
) -> Result<BTreeMap<StrategyName, Strategy>, ConfigError> {
    let default: StrategyName = "default".parse().expect("\"default\" is a name");
    let built_in = Strategy {
        name: Some(default.clone()),
        ..Strategy::default()
    };
    let mut strategies = BTreeMap::from([(default, built_in)]);
    let Some(table) = root.table("strategy")? else {
        return Ok(strategies);
    };
    let section = Section::open(file, "strategy", table);
    let now = SystemClock.now();
    let mut faults = Faults::default();
    for (key, table) in section.children()? {
        let strategy = section.parse(key, key).and_then(|name| {
            let path = section.below(key);
            let strategy = pinion_strategy::read(file, &path, &name, table, now)?;
            Ok((name, strategy))
        });
        strategies.extend(faults.find(strategy));
    }
    faults.finish(Some(strategies))
}

#[cfg(test)]
mod tests;
