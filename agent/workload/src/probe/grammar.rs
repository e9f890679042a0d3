//! How a probe is written.
//!
//! ```text
//!   probe   = "tcp:" port | "http:" port [ path ] | "exec:" command
//!   port    = 1 to 65535, digits alone, none of them a leading 0
//!   path    = "/" and printable ASCII, without space and "#"
//!   command = words of printable ASCII with one space between them, without
//!             any of  ' " ` \ $ | & ; < > ( ) * ? [ ] { } ~ #
//!           | a JSON list of texts, the first one not empty
//! ```

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use super::{Probe, ProbeError};

/// What a shell would understand and nobody else does.
const SHELLS: &str = "'\"`\\$|&;<>()*?[]{}~#";

impl FromStr for Probe {
    type Err = ProbeError;

    fn from_str(text: &str) -> Result<Self, ProbeError> {
        let kind = || ProbeError::Kind(text.to_owned());
        match text.split_once(':').ok_or_else(kind)? {
            ("tcp", rest) => Ok(Self::Tcp { port: port(rest)? }),
            ("http", rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (before, path) = rest.split_at(end);
                Ok(Self::Http {
                    port: port(before)?,
                    path: self::path(path)?,
                })
            }
            ("exec", rest) => Ok(Self::Exec {
                command: command(rest)?,
            }),
            _ => Err(kind()),
        }
    }
}

fn port(text: &str) -> Result<NonZeroU16, ProbeError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    let number = if digits { text.parse().ok() } else { None };
    number.ok_or_else(|| ProbeError::Port(text.to_owned()))
}

fn path(text: &str) -> Result<String, ProbeError> {
    match text {
        "" => Ok("/".to_owned()),
        _ if text.bytes().all(|b| b.is_ascii_graphic() && b != b'#') => Ok(text.to_owned()),
        _ => Err(ProbeError::Path(text.to_owned())),
    }
}

fn command(text: &str) -> Result<Vec<String>, ProbeError> {
    let refused = || ProbeError::Command(text.to_owned());
    if text.starts_with('[') {
        let words: Vec<String> = serde_json::from_str(text).map_err(|_| refused())?;
        let program = words.first().ok_or_else(refused)?;
        let is_sound = !program.is_empty() && !words.iter().any(|word| word.contains('\0'));
        return is_sound.then_some(words).ok_or_else(refused);
    }
    let is_word = |word: &&str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_graphic() && !SHELLS.contains(c))
    };
    let words: Vec<&str> = text.split(' ').collect();
    match words.iter().all(is_word) {
        true => Ok(words.into_iter().map(str::to_owned).collect()),
        false => Err(refused()),
    }
}

/// As it is written.
impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { port } => write!(f, "tcp:{port}"),
            Self::Http { port, path } => write!(f, "http:{port}{path}"),
            Self::Exec { command } => {
                let plain = command.join(" ");
                match self::command(&plain) {
                    Ok(words) if words == *command => write!(f, "exec:{plain}"),
                    _ => write!(f, "exec:{}", serde_json::json!(command)),
                }
            }
        }
    }
}
