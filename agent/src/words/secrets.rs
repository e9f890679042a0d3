//! Secrets that are known by where they stand.
//!
//! A variable's name looks secret if one of its words (letters and digits
//! between anything else, in any case) is one of [`WORDS`], or it holds one of
//! [`PARTS`] anywhere. Its value is removed wherever it stands whole, and each
//! line of a value that has several; not if it is shorter than [`SHORTEST`]
//! bytes or one of [`PLAIN`], which would be cut out of every other word.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::REMOVED;

/// Of a variable's name.
pub(super) const WORDS: [&str; 12] = [
    "key", "keys", "pass", "pwd", "pat", "auth", "dsn", "salt", "cookie", "jwt", "pin", "private",
];
/// Anywhere in a variable's name.
pub(super) const PARTS: [&str; 8] = [
    "secret",
    "token",
    "password",
    "passwd",
    "passphrase",
    "credential",
    "apikey",
    "signature",
];
/// Values that are no secrets whatever they are called.
const PLAIN: [&str; 4] = ["true", "false", "none", "null"];
/// Bytes of the shortest value that is removed.
const SHORTEST: usize = 4;

/// What is to be removed, the longest first.
pub(super) struct Secrets(Vec<Zeroizing<String>>);

impl Secrets {
    pub(super) fn of(env: &[String], credentials: &[SecretString]) -> Self {
        let mut found = Vec::new();
        for (name, value) in env.iter().filter_map(|entry| entry.split_once('=')) {
            if looks_secret(name) {
                found.push(value);
                found.extend(value.lines().map(str::trim));
            }
            found.extend(password_of(value));
        }
        found.extend(credentials.iter().map(ExposeSecret::expose_secret));
        found.retain(|value| value.len() >= SHORTEST && !is_plain(value));
        found.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        found.dedup();
        Self(
            found
                .into_iter()
                .map(|value| Zeroizing::new(super::clean(value)))
                .collect(),
        )
    }

    pub(super) fn without(&self, text: &str) -> String {
        let removed =
            |text: String, secret: &Zeroizing<String>| text.replace(secret.as_str(), REMOVED);
        self.0.iter().fold(text.to_owned(), removed)
    }
}

fn is_plain(value: &str) -> bool {
    PLAIN.iter().any(|plain| value.eq_ignore_ascii_case(plain))
}

pub(super) fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| WORDS.contains(&word)) || PARTS.iter().any(|part| name.contains(part))
}

/// The password of a URL, such as a database's.
fn password_of(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}
