//! Reads the keys of one TOML table; every error names file and key.

use std::fmt::Display;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use pinion_model::parse_duration;
use toml::{Table, Value};

use super::ConfigError;

/// One table of the file.
pub(super) struct Keys<'a> {
    path: &'a Path,
    /// The table's own name with those above it, for messages.
    name: String,
    table: &'a Table,
}

impl<'a> Keys<'a> {
    pub(super) fn new(path: &'a Path, name: &str, table: &'a Table) -> Self {
        Self {
            path,
            name: name.to_owned(),
            table,
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.table.keys().map(String::as_str)
    }

    /// Refuses keys that are not among `allowed`.
    pub(super) fn only(&self, allowed: &[&'static str]) -> Result<(), ConfigError> {
        match self.names().find(|name| !allowed.contains(name)) {
            None => Ok(()),
            Some(name) => Err(ConfigError::UnknownKey {
                path: self.path.to_owned(),
                key: self.full(name),
                nearest: nearest(name, allowed).map(str::to_owned),
                allowed: allowed.to_vec(),
            }),
        }
    }

    pub(super) fn table(&self, key: &str) -> Result<Option<Keys<'a>>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(Keys {
                path: self.path,
                name: self.full(key),
                table,
            })),
            Some(other) => Err(self.wrong(key, "a table", other)),
        }
    }

    pub(super) fn string(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a text in quotes", other)),
        }
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Boolean(value)) => Ok(Some(*value)),
            Some(other) => Err(self.wrong(key, "true or false", other)),
        }
    }

    pub(super) fn natural(&self, key: &str) -> Result<Option<u64>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(value) => match value.as_integer().map(u64::try_from) {
                Some(Ok(number)) => Ok(Some(number)),
                _ => Err(self.value(key, "a whole number that is not negative", value)),
            },
        }
    }

    pub(super) fn duration(&self, key: &str) -> Result<Option<Duration>, ConfigError> {
        let Some(text) = self.string(key)? else {
            return Ok(None);
        };
        parse_duration(text)
            .map(Some)
            .map_err(|error| self.unparsed(key, &error))
    }

    /// A text that is read as a `T`.
    pub(super) fn parsed<T>(&self, key: &str) -> Result<Option<T>, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text = self.string(key)?;
        text.map(|text| text.parse().map_err(|error| self.unparsed(key, &error)))
            .transpose()
    }

    /// A list of texts, each read as a `T`; empty if the key is not there.
    pub(super) fn strings<T>(&self, key: &str) -> Result<Vec<T>, ConfigError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let values = match self.table.get(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(other) => return Err(self.wrong(key, "a list of texts", other)),
        };
        let read = |value: &Value| match value {
            Value::String(text) => text.parse().map_err(|error| self.unparsed(key, &error)),
            other => Err(self.wrong(key, "a list of texts", other)),
        };
        values.iter().map(read).collect()
    }

    /// The error of a key whose value `got` is not `allowed`.
    pub(super) fn value(
        &self,
        key: &str,
        allowed: &str,
        got: &(impl Display + ?Sized),
    ) -> ConfigError {
        ConfigError::Value {
            path: self.path.to_owned(),
            key: self.full(key),
            allowed: allowed.to_owned(),
            got: format!("{:?}", got.to_string()),
        }
    }

    /// The error of a table that as a whole is not `allowed`.
    pub(super) fn contradiction(&self, allowed: &str) -> ConfigError {
        let names: Vec<&str> = self.names().collect();
        let got = if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        };
        ConfigError::Value {
            path: self.path.to_owned(),
            key: self.name.clone(),
            allowed: allowed.to_owned(),
            got,
        }
    }

    fn wrong(&self, key: &str, allowed: &str, got: &Value) -> ConfigError {
        ConfigError::Value {
            path: self.path.to_owned(),
            key: self.full(key),
            allowed: allowed.to_owned(),
            got: format!("{} {}", article(got), got.type_str()),
        }
    }

    /// The model's own words, behind the key.
    fn unparsed(&self, key: &str, error: &impl Display) -> ConfigError {
        let message = format!("`{}`: {error}", self.full(key));
        ConfigError::Toml {
            path: self.path.to_owned(),
            message,
        }
    }

    fn full(&self, key: &str) -> String {
        let plain = key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let key = if plain && !key.is_empty() {
            key.to_owned()
        } else {
            format!("{key:?}")
        };
        if self.name.is_empty() {
            key
        } else {
            format!("{}.{key}", self.name)
        }
    }
}

fn article(value: &Value) -> &'static str {
    if matches!(value, Value::Array(_) | Value::Integer(_)) {
        "an"
    } else {
        "a"
    }
}

/// The one of `allowed` that takes the fewest edits to `name`, if that is
/// less than half of it.
#[must_use]
pub fn nearest<'a>(name: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let (edits, best) = allowed
        .iter()
        .map(|known| (edits(name, known), *known))
        .min()?;
    (edits * 2 <= best.len().max(name.len())).then_some(best)
}

/// Letters to insert, remove or replace (Levenshtein).
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}
