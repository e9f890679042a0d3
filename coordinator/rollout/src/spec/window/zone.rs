use std::fmt;
use std::str::FromStr;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use pinion_model::ParseError;
use serde::{Deserialize, Serialize};

/// A time zone by its IANA name, such as `Europe/Berlin` or `UTC`.
///
/// Checked against the compiled-in database when it is parsed. One that was
/// committed by a coordinator with a newer database is kept as it is: a window
/// of a zone that is not known here stays shut.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct TimeZoneName {
    name: String,
    /// Looked up once, with the name.
    rules: Option<TimeZone>,
}

impl TimeZoneName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// None if the database does not have it.
    pub(super) fn rules(&self) -> Option<&TimeZone> {
        self.rules.as_ref()
    }
}

impl From<String> for TimeZoneName {
    fn from(name: String) -> Self {
        let found = TimeZoneDatabase::bundled().get(&name).ok();
        let rules = found.filter(|zone| !zone.is_unknown());
        Self { name, rules }
    }
}

impl From<TimeZoneName> for String {
    fn from(zone: TimeZoneName) -> Self {
        zone.name
    }
}

impl FromStr for TimeZoneName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let zone = Self::from(text.to_owned());
        let spelled = zone
            .rules()
            .and_then(TimeZone::iana_name)
            .map(str::to_owned);
        let name = spelled.ok_or_else(|| {
            let allowed = "the IANA name of a place, such as \"Europe/Berlin\", or \"UTC\"";
            ParseError::new("a time zone", allowed, text)
        })?;
        Ok(Self { name, ..zone })
    }
}

impl PartialEq for TimeZoneName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for TimeZoneName {}

impl fmt::Debug for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

impl fmt::Display for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_one_that_the_database_has_by_its_own_spelling() {
        for (text, name) in [
            ("Europe/Berlin", "Europe/Berlin"),
            ("europe/berlin", "Europe/Berlin"),
            ("Australia/Lord_Howe", "Australia/Lord_Howe"),
            ("UTC", "UTC"),
        ] {
            let zone: TimeZoneName = text.parse().expect(text);
            assert_eq!(zone.as_str(), name);
        }
        for bad in [
            "",
            "Berlin",
            "Europe/Bonn",
            "+02:00",
            "Etc/Unknown",
            "../etc/passwd",
        ] {
            assert!(bad.parse::<TimeZoneName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_zone_that_was_committed_elsewhere_is_read_back_although_it_is_unknown()
    -> serde_json::Result<()> {
        let zone: TimeZoneName = serde_json::from_str("\"Mars/Olympus\"")?;
        assert_eq!((zone.as_str(), zone.rules()), ("Mars/Olympus", None));
        Ok(())
    }
}
