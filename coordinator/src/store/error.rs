use std::path::PathBuf;
use std::sync::Arc;

use pinion_model::Revision;

/// Why a store could not be opened, read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Another process works on it.
    #[error(
        "{path} is in use by another process: stop the other coordinator, or give this one a \
         data directory of its own"
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A newer release wrote it.
    #[error(
        "{path} was written by a newer release (schema {found}; this one knows up to {known}): \
         install that release again, or restore a backup made before the upgrade; nothing was changed"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The highest that this release knows.
        known: i64,
    },
    /// It is a database of something else.
    #[error(
        "{path} is not a database of the coordinator: give it another data directory; nothing was changed"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Its content is damaged.
    #[error("{path} is damaged ({detail}): restore it from a backup; nothing was changed")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A file could not be made or opened.
    #[error("open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// The schema could not be brought up to date.
    #[error("bring the schema of {path} up to date")]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<refinery::Error>,
    },
    /// The database refused an operation.
    #[error("{doing}")]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// Why.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// Something could not be written as JSON.
    #[error("encode {what}")]
    Encode {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// Something that was stored is not what this release understands.
    #[error("decode {what} of revision {revision}")]
    Decode {
        /// What.
        what: &'static str,
        /// Where it stands.
        revision: Revision,
        /// Why.
        #[source]
        source: Arc<serde_json::Error>,
    },
    /// The disk failed during an earlier write, so nothing more is written.
    #[error(
        "the store stopped after a failed write: see the log, mend the disk, then start the coordinator again"
    )]
    Stopped,
}

impl StoreError {
    pub(super) fn sql(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Sql {
            doing,
            source: Arc::new(source),
        }
    }

    pub(super) fn encode(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Encode {
            what,
            source: Arc::new(source),
        }
    }

    pub(super) fn decode(
        what: &'static str,
        revision: Revision,
    ) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Self::Decode {
            what,
            revision,
            source: Arc::new(source),
        }
    }
}

/// Why a commit did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A decision was committed since the one that the caller knew.
    #[error("another decision came first, at revision {current}")]
    Conflict {
        /// The last decision's.
        current: Revision,
    },
    /// It could not be made durable.
    #[error(transparent)]
    Store(#[from] StoreError),
}
