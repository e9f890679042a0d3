//! Takes out of a hook's output what the agent itself was given as a secret.

use secrecy::SecretString;

use crate::words::without_secrets;

/// What is secret in the agent's own environment; there, unlike in a
/// container's, also whatever has KEY anywhere in its name.
pub(super) fn without(text: &str) -> String {
    let all = std::env::vars_os();
    let all = all.map(|(name, value)| format!("{}={}", name.display(), value.display()));
    let all: Vec<String> = all.collect();
    let entries = all.iter().filter_map(|entry| entry.split_once('='));
    let keys = entries.filter(|(name, _)| name.to_ascii_uppercase().contains("KEY"));
    let keys: Vec<SecretString> = keys.map(|(_, value)| value.into()).collect();
    without_secrets(text, &all, &keys)
}
