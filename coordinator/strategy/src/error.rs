use std::io;

use crate::faults::Several;

/// A configuration, or a strategy's file, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read the configuration {file}")]
    Read {
        /// Which file.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is no TOML.
    #[error("{file}: not TOML: {message}")]
    Syntax {
        /// Which file.
        file: String,
        /// Where and why.
        message: String,
    },
    /// A key is unknown, missing, of another kind, or contradicts another.
    #[error("{file}: {key}: {message}")]
    Key {
        /// Which file, or which variable or flag.
        file: String,
        /// The key with the tables above it, such as `workload.codex.rollout`.
        key: String,
        /// What is wrong, and what is allowed.
        message: String,
    },
    /// Several of those.
    #[error("{}", lines(.0))]
    Several(Vec<ConfigError>),
}

/// One a line.
fn lines(errors: &[ConfigError]) -> String {
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl Several for ConfigError {
    fn several(errors: Vec<Self>) -> Self {
        let each = errors.into_iter().flat_map(|error| match error {
            Self::Several(errors) => errors,
            error => vec![error],
        });
        Self::Several(each.collect())
    }
}
