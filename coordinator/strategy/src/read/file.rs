use pinion_model::{StrategyName, Timestamp};
use pinion_rollout::Strategy;
use toml::Table;

use super::read;
use crate::{ConfigError, Section};

/// The keys of a coordinator's configuration.
pub const CONFIGURATION_KEYS: [&str; 6] = [
    "trust_domain",
    "default_registry",
    "registry",
    "workload",
    "strategy",
    "probe",
];

/// Reads the strategy `name` out of a whole file: one that has
/// `[strategy.NAME]`, as the coordinator's configuration has, or one that holds
/// the keys of a single strategy and nothing else. `now` is when its windows
/// must still open.
///
/// # Errors
///
/// If it is no TOML, or has strategies of other names alone; else as [`read`].
pub fn read_file(
    file: &str,
    text: &str,
    name: &StrategyName,
    now: Timestamp,
) -> Result<Strategy, ConfigError> {
    let table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| ConfigError::Syntax {
            file: file.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })?;
    let root = Section::open(file, "", &table);
    if !root.has("strategy") {
        return read(file, "", name, &table, now);
    }
    root.only(&CONFIGURATION_KEYS)?;
    let strategies = root.table("strategy")?.expect("it is there");
    let section = Section::open(file, "strategy", strategies);
    let Some(table) = section.table(name.as_str())? else {
        let known: Vec<_> = strategies.keys().map(String::as_str).collect();
        let message = format!("is not in this file, which has {}", known.join(", "));
        return Err(section.error(name.as_str(), message));
    };
    read(file, &section.below(name.as_str()), name, table, now)
}
