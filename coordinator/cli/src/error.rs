//! What can go wrong in a command, and how a person is told.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};

use crate::connect::{CallError, ConnectError, SettingsError};
use crate::profile::ProfileError;

/// Why a command did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Arguments that contradict each other.
    #[error("{0}")]
    Usage(String),
    /// The person at the terminal did not say yes.
    #[error("not confirmed: nothing was changed")]
    Declined,
    /// The profile file.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No usable endpoint or credential.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The coordinator refused or failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The answer lacks a part that the protocol promises.
    #[error(
        "the coordinator's answer to {method} has no {field}; is its version older than this command's?"
    )]
    Incomplete {
        /// The method that was called.
        method: &'static str,
        /// The absent field.
        field: &'static str,
    },
    /// A strategy's file, with every fault in it.
    #[error(transparent)]
    Strategy(#[from] pinion_strategy::ConfigError),
    /// A file that the command reads.
    #[error("read {path}")]
    Read {
        /// Path of the file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The answer says what this version does not know.
    #[error("the coordinator's answer cannot be read (is its version newer than this command's?)")]
    Newer(#[from] pinion_strategy::message::InvalidFields),
    /// The answer could not be written as JSON.
    #[error("show the answer as JSON")]
    Json(#[from] pinion_proto::json::JsonError),
    /// Standard output.
    #[error("write to standard output")]
    Output(#[source] io::Error),
    /// Standard input, for a confirmation.
    #[error("read the answer from standard input")]
    Input(#[source] io::Error),
    /// A file that would be overwritten.
    #[error(
        "{path} is there already, and a key or certificate is never overwritten: choose another --out, or move it away"
    )]
    Exists {
        /// Path of the file.
        path: String,
    },
    /// A file that the command writes.
    #[error("write {path}")]
    File {
        /// Path of the file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A key or its signing request.
    #[error("make a key and a signing request")]
    Key(#[from] rcgen::Error),
}

impl Error {
    /// Whether the reader of our output went away.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(source) if source.kind() == ErrorKind::BrokenPipe)
    }

    /// What to do next, where we know.
    fn advice(&self) -> Option<String> {
        match self {
            Self::Connect(error) => Some(error.advice()),
            Self::Call(error) => error.advice(),
            Self::Settings(error) => error.advice(),
            _ => None,
        }
    }

    /// Says it on standard error: the whole chain, then what to do next.
    pub(crate) fn print(&self) {
        if self.is_broken_pipe() {
            return;
        }
        eprintln!("error: {}", chain(self));
        if let Some(advice) = self.advice() {
            eprintln!("  help: {advice}");
        }
    }
}

/// An error and what caused it, outermost first.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        // Some libraries repeat the inner message in the outer one.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        next = cause.source();
    }
    text
}
