//! Reading one table of a TOML file, key by key, so that every error can name
//! the file, the key and what is allowed.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use pinion_model::{ParseError, Timestamp, parse_duration};
use toml::{Table, Value};

use crate::{ConfigError, Faults};

/// One table, and where it stands.
pub struct Section<'a> {
    file: &'a str,
    path: String,
    table: &'a Table,
}

impl<'a> Section<'a> {
    /// A table that may have the keys in `known` alone.
    ///
    /// # Errors
    ///
    /// Every other key, each with the nearest known one.
    pub fn new(
        file: &'a str,
        path: impl Into<String>,
        table: &'a Table,
        known: &[&str],
    ) -> Result<Self, ConfigError> {
        let section = Self::open(file, path, table);
        section.only(known)?;
        Ok(section)
    }

    /// Refuses every key that is not in `known`.
    ///
    /// # Errors
    ///
    /// All of them, each with the nearest known one.
    pub fn only(&self, known: &[&str]) -> Result<(), ConfigError> {
        let mut faults = Faults::default();
        for key in self.table.keys() {
            if !known.contains(&key.as_str()) {
                faults.add(self.error(key, unknown(key, known)));
            }
        }
        faults.refuse()
    }

    /// A table whose keys are names.
    pub fn open(file: &'a str, path: impl Into<String>, table: &'a Table) -> Self {
        Self {
            file,
            path: path.into(),
            table,
        }
    }

    /// An error about `key` of this table; `""` is the table itself.
    pub fn error(&self, key: &str, message: impl Into<String>) -> ConfigError {
        ConfigError::Key {
            file: self.file.to_owned(),
            key: self.path_of(key),
            message: message.into(),
        }
    }

    fn path_of(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, true) => "the file".to_owned(),
            (true, false) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }

    fn wrong_kind(&self, key: &str, wanted: &str, value: &Value) -> ConfigError {
        self.error(key, format!("must be {wanted}; got {}", shown(value)))
    }

    /// Whether a table stands at `key`.
    pub fn is_table(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(Value::is_table)
    }

    /// Whether `true` or `false` stands at `key`.
    pub fn is_flag(&self, key: &str) -> bool {
        self.table.get(key).is_some_and(Value::is_bool)
    }

    /// Whether anything stands at `key`.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A string, if there is one.
    ///
    /// # Errors
    ///
    /// If something else stands there; so below.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong_kind(key, "a string", other)),
        }
    }

    /// A string that is one of the model's words.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn parsed<T: FromStr<Err = ParseError>>(
        &self,
        key: &str,
    ) -> Result<Option<T>, ConfigError> {
        self.text(key)?
            .map(|text| self.parse(key, text))
            .transpose()
    }

    /// `text`, which stands at `key`, as one of the model's words.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn parse<T: FromStr<Err = ParseError>>(
        &self,
        key: &str,
        text: &str,
    ) -> Result<T, ConfigError> {
        text.parse()
            .map_err(|error: ParseError| self.error(key, error.to_string()))
    }

    /// What must be there; `what` says what it must be.
    ///
    /// # Errors
    ///
    /// If it is absent.
    pub fn required<T>(&self, key: &str, value: Option<T>, what: &str) -> Result<T, ConfigError> {
        value.ok_or_else(|| self.error(key, format!("is missing; it must be {what}")))
    }

    /// A string out of a closed set.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
            return Ok(Some(*value));
        }
        let allowed: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        Err(self.error(
            key,
            format!("must be one of {}; got {text:?}", allowed.join(", ")),
        ))
    }

    /// A list of strings that are words of the model; empty if it is absent.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn words<T: FromStr<Err = ParseError>>(&self, key: &str) -> Result<Vec<T>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(Vec::new());
        };
        let wrong = || self.wrong_kind(key, "a list of strings", value);
        let list = value.as_array().ok_or_else(wrong)?;
        let mut faults = Faults::default();
        let items = list.iter().enumerate().filter_map(|(place, item)| {
            let text = item.as_str().ok_or_else(wrong);
            faults.find(text.and_then(|text| self.parse(&format!("{key}[{place}]"), text)))
        });
        let items = items.collect();
        faults.refuse()?;
        Ok(items)
    }

    /// An instant of RFC 3339, as a string or as TOML's own.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn instant(&self, key: &str) -> Result<Option<Timestamp>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Datetime(instant) => instant.to_string(),
            other => return Err(self.wrong_kind(key, "an instant", other)),
        };
        let instant: Option<jiff::Timestamp> = text.parse().ok();
        let millis = instant.and_then(|at| u64::try_from(at.as_millisecond()).ok());
        millis.map(|millis| Some(Timestamp(millis))).ok_or_else(|| {
            let wanted = "an instant after 1970 with its offset, such as \"2026-12-20T00:00:00Z\"";
            self.wrong_kind(key, wanted, value)
        })
    }

    /// A duration such as `"5m"`.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn duration(&self, key: &str) -> Result<Option<Duration>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let Value::String(text) = value else {
            return Err(self.wrong_kind(key, "a duration in quotes, such as \"5m\"", value));
        };
        parse_duration(text)
            .map(Some)
            .map_err(|error| self.error(key, error.to_string()))
    }

    /// A number within `range`.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn integer(
        &self,
        key: &str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        value
            .as_integer()
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| range.contains(number))
            .map(Some)
            .ok_or_else(|| {
                let wanted = format!("a number from {} to {}", range.start(), range.end());
                self.wrong_kind(key, &wanted, value)
            })
    }

    /// `3` or `"10%"`: `Ok(n)` machines or `Err(percent)`.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn amount(&self, key: &str) -> Result<Option<Result<u32, u32>>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let count = value
            .as_integer()
            .and_then(|number| u32::try_from(number).ok())
            .map(Ok);
        let percent = || {
            let number = value.as_str()?.strip_suffix('%')?.trim();
            number
                .parse()
                .ok()
                .filter(|percent| *percent <= 100)
                .map(Err)
        };
        count.or_else(percent).map(Some).ok_or_else(|| {
            self.wrong_kind(
                key,
                "a number of machines, or a share such as \"10%\"",
                value,
            )
        })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Boolean(flag)) => Ok(Some(*flag)),
            Some(other) => Err(self.wrong_kind(key, "true or false", other)),
        }
    }

    /// A table.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn table(&self, key: &str) -> Result<Option<&'a Table>, ConfigError> {
        match self.table.get(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(table)),
            Some(other) => Err(self.wrong_kind(key, "a table", other)),
        }
    }

    /// A list of tables.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn tables(&self, key: &str) -> Result<Option<Vec<&'a Table>>, ConfigError> {
        let Some(value) = self.table.get(key) else {
            return Ok(None);
        };
        let wrong = || self.wrong_kind(key, "a list of tables", value);
        let list = value.as_array().ok_or_else(wrong)?;
        list.iter()
            .map(|item| item.as_table().ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Every key with its string, for tables whose keys are names.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn texts(&self) -> Result<Vec<(&'a str, &'a str)>, ConfigError> {
        self.table
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key.as_str(), text.as_str())),
                other => Err(self.wrong_kind(key, "a string", other)),
            })
            .collect()
    }

    /// Every key with its table, for tables whose keys are names.
    ///
    /// # Errors
    ///
    /// If something else stands there.
    pub fn children(&self) -> Result<Vec<(&'a str, &'a Table)>, ConfigError> {
        self.table
            .iter()
            .map(|(key, value)| match value {
                Value::Table(table) => Ok((key.as_str(), table)),
                other => Err(self.wrong_kind(key, "a table", other)),
            })
            .collect()
    }

    /// The path of a table below this one.
    pub fn below(&self, key: &str) -> String {
        self.path_of(key)
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    let nearest = nearest(key, known.iter().copied());
    let meant = nearest
        .map(|word| format!("; did you mean {word:?}?"))
        .unwrap_or_default();
    format!("is no key here{meant} Known are: {}", known.join(", "))
        .replace("here Known", "here. Known")
}

/// The word of `known` that `key` most likely means, if any is near.
pub fn nearest<'k>(key: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    known
        .map(|word| (strsim::damerau_levenshtein(key, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 3)
        .min()
        .map(|(_, word)| word)
}

/// A value as an error shows it: short, on one line.
fn shown(value: &Value) -> String {
    let mut text: String = value
        .to_string()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    if text.len() > 80 {
        text = text.chars().take(80).collect::<String>() + "…";
    }
    text
}
