use std::path::PathBuf;

/// Why nothing was measured. Never a success and never a failure.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// No answer, or only part of one.
    #[error("no answer: {0}")]
    Silent(String),
    /// Longer than is read.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    /// A code that no query answers with, and no reason.
    #[error("answered {0}")]
    Code(u16),
    /// A query that Prometheus did not carry out.
    #[error("answered {status}: {error}")]
    Refused {
        /// The code.
        status: u16,
        /// Why, in its words.
        error: String,
    },
    /// Not all data was there.
    #[error("answered in part only: {0}")]
    Partial(String),
    /// Not what was asked for.
    #[error("the answer cannot be used: {0}")]
    Garbage(String),
    /// The address is none.
    #[error("the address cannot be used: {0}")]
    Address(String),
    /// A file that should hold a token does not.
    #[error("the token in {} cannot be read: {why}", file.display())]
    Token {
        /// Which file.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

impl Trouble {
    pub(super) fn garbage(why: impl std::fmt::Display) -> Self {
        Self::Garbage(why.to_string())
    }

    /// The innermost causes say most; the address, which may hold a key, is left out.
    pub(super) fn silent(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut words = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            words = format!("{words}: {error}");
            cause = error.source();
        }
        Self::Silent(words)
    }
}
