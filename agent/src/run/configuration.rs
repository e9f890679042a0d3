//! Which configuration counts, and what to recover with when it is of no use.

use std::path::{Path, PathBuf};

use super::RunOptions;
use crate::config::{CONFIG_FILE, Config, ConfigError, MACHINES_OWN};
use crate::disk;

/// The last text that was of use.
const LAST_GOOD: &str = "agent.toml.last-good";

/// Reads the configuration that was named, else the state directory's, else
/// the machine's; without any, nothing may run. One that is of use is kept
/// for the day on which it is broken.
pub(super) fn read(options: &RunOptions) -> Result<Config, ConfigError> {
    let usual = [
        options.state_dir.join(CONFIG_FILE),
        PathBuf::from(MACHINES_OWN),
    ];
    let path = options
        .config
        .clone()
        .or_else(|| usual.into_iter().find(|path| path.exists()));
    let Some(path) = path else {
        return Ok(Config::default());
    };
    let text = std::fs::read_to_string(&path).map_err(|source| ConfigError::Read {
        path: path.clone(),
        source,
    })?;
    let config = Config::parse(&path, &text)?;
    if let Err(error) = disk::replace(&options.state_dir.join(LAST_GOOD), text.as_bytes()) {
        tracing::warn!(%error, "a copy of the configuration could not be kept");
    }
    Ok(config)
}

/// What was of use at the last start: an operation that began under it is
/// recovered under it.
pub(super) fn last_good(state_dir: &Path) -> Config {
    Config::read(&state_dir.join(LAST_GOOD)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_leaves_the_last_good_one_to_recover_with() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join(CONFIG_FILE);
        let options = RunOptions {
            state_dir: dir.path().to_owned(),
            config: None,
            docker_host: None,
        };
        std::fs::write(&path, "[engine]\nhost = \"unix:///a.sock\"").expect("written");
        assert_eq!(read(&options).expect("good"), last_good(dir.path()));
        std::fs::write(&path, "[engin]").expect("written");
        assert!(read(&options).is_err());
        assert_eq!(
            last_good(dir.path()).engine_host.as_deref(),
            Some("unix:///a.sock")
        );
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let dir = tempfile::tempdir().expect("directory");
        let config = Some(dir.path().join("other.toml"));
        let options = RunOptions {
            state_dir: dir.path().to_owned(),
            config,
            docker_host: None,
        };
        assert!(matches!(read(&options), Err(ConfigError::Read { .. })));
    }
}
