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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeZoneName(String);

impl TimeZoneName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its rules; none if the database does not have it.
    pub(super) fn rules(&self) -> Option<TimeZone> {
        let zone = TimeZoneDatabase::bundled().get(&self.0).ok()?;
        (!zone.is_unknown()).then_some(zone)
    }
}

impl fmt::Display for TimeZoneName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TimeZoneName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || {
            let allowed = "the IANA name of a place, such as \"Europe/Berlin\", or \"UTC\"";
            ParseError::new("a time zone", allowed, text)
        };
        let zone = Self(text.to_owned()).rules().ok_or_else(error)?;
        zone.iana_name()
            .map(|name| Self(name.to_owned()))
            .ok_or_else(error)
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
