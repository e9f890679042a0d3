//! What a person or a script reads on standard output.
//!
//! Renderers are pure: a message and the time go in, text comes out. Text from
//! machines loses its control characters on the way.

pub(crate) mod access;
pub(crate) mod age;
pub(crate) mod agents;
pub(crate) mod audit;
mod checks;
pub(crate) mod explain;
pub(crate) mod holds;
pub(crate) mod next;
pub(crate) mod pins;
pub(crate) mod plan;
pub(crate) mod quarantine;
pub(crate) mod rollouts;
pub(crate) mod strategies;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod whole;
pub(crate) mod words;

use std::io::Write as _;

use prost::Message;

use crate::args::Format;
use crate::error::Error;

/// Writes answers to standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    format: Format,
}

impl Printer {
    /// A printer of tables or JSON.
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether scripts read it.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Shows `answer`, the `pinion.v1` message called `name`: as one line of
    /// JSON, or as `render` makes of it.
    ///
    /// # Errors
    ///
    /// If it is not that message, or standard output is gone.
    pub(crate) fn show<M: Message>(
        self,
        name: &str,
        answer: &M,
        render: impl FnOnce(&M) -> String,
    ) -> Result<(), Error> {
        match self.format {
            Format::Json => self.line(&pinion_proto::json::to_json(name, answer)?.to_string()),
            Format::Table => self.line(&render(answer)),
        }
    }

    /// One line, or more, as it is.
    ///
    /// # Errors
    ///
    /// If standard output is gone.
    pub(crate) fn line(self, text: &str) -> Result<(), Error> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", text.trim_end())
            .and_then(|()| out.flush())
            .map_err(Error::Output)
    }

    /// Something for people beside the answer, on standard error.
    pub(crate) fn note(self, text: &str) {
        if !self.is_json() {
            eprintln!("{text}");
        }
    }
}
