//! The operator's guide to strategies says what the parser and the engine do:
//! its table has every key with the default that it has, and its examples are
//! files that load and that the engine starts on a fleet.

mod defaults;
mod examples;
mod fleet;
mod keys;

use pinion_coordinator::config::{Config, ConfigError};
use pinion_rollout::Strategy;

const GUIDE: &str = include_str!("../../../deploy/strategies.md");

/// A whole configuration with a strategy of these lines.
fn configured(lines: &str) -> Result<Strategy, ConfigError> {
    let text = format!(
        "default_registry = \"r\"\n[registry.r]\nprefix = \"r.example/a\"\n[workload.app]\nimages = {{ r = \"app\" }}\n[strategy.x]\n{lines}\n"
    );
    let mut config = Config::parse("the test", &text, None)?;
    let name = "x".parse().expect("a name");
    Ok(config.strategies.remove(&name).expect("it is there"))
}

/// The table of keys: each with the cell of its default, without the marks of code.
fn table() -> Vec<(String, String)> {
    let table = GUIDE.split("| key | default | meaning |").nth(1);
    let rows = table.expect("the table of keys").lines().skip(2);
    let rows = rows.take_while(|row| row.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(|cell| cell.replace('`', "")).collect();
        (cells[1].trim().to_owned(), cells[2].trim().to_owned())
    })
    .collect()
}
