//! How the values of a strategy are written.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use pinion_model::{CheckName, LabelSelector, Timestamp, parse_duration};
use pinion_rollout::{
    Amount, Budget, Check, Condition, Day, Freeze, HttpGet, Probe, PromQuery, TimeOfDay,
    TimeZoneName, Window,
};
use serde::{Deserialize, Deserializer, de::Error};

/// What is read from a string.
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// `"5m"`.
pub(super) struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        parse_duration(&text).map(Self).map_err(D::Error::custom)
    }
}

impl From<Time> for Duration {
    fn from(time: Time) -> Self {
        time.0
    }
}

/// `3` or `"10%"`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Count(u32),
    Percent(String),
}

pub(super) struct Share(Amount);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let percent = |text: String| text.strip_suffix('%')?.trim().parse().ok();
        match Written::deserialize(from)? {
            Written::Count(count) => Ok(Self(Amount::Count(count))),
            Written::Percent(text) => percent(text)
                .map(|percent| Self(Amount::Percent(percent)))
                .ok_or_else(|| D::Error::custom("a share is written \"10%\"")),
        }
    }
}

impl From<Share> for Amount {
    fn from(share: Share) -> Self {
        share.0
    }
}

/// `3`, `"10%"`, or `{ amount = "10%", min_sample = 20 }`.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Limit {
    Amount(Share),
    Sampled { amount: Share, min_sample: u32 },
}

impl From<Limit> for Budget {
    fn from(limit: Limit) -> Self {
        match limit {
            Limit::Amount(share) => share.0.into(),
            Limit::Sampled { amount, min_sample } => Self {
                amount: amount.0,
                min_sample,
            },
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedWindow {
    #[serde(default)]
    selector: LabelSelector,
    #[serde(default)]
    days: BTreeSet<Day>,
    start: TimeOfDay,
    duration: Time,
    time_zone: Text<TimeZoneName>,
}

impl From<AskedWindow> for Window {
    fn from(asked: AskedWindow) -> Self {
        Self {
            agents: asked.selector,
            days: asked.days,
            start: asked.start,
            duration: asked.duration.0,
            time_zone: asked.time_zone.0,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedFreeze {
    from: Instant,
    until: Instant,
    reason: String,
    #[serde(default)]
    selector: LabelSelector,
}

impl From<AskedFreeze> for Freeze {
    fn from(asked: AskedFreeze) -> Self {
        Self {
            from: asked.from.0,
            until: asked.until.0,
            reason: asked.reason,
            agents: asked.selector,
        }
    }
}

/// RFC 3339: `"2026-12-24T00:00:00Z"`.
pub(super) struct Instant(pub(super) Timestamp);

impl FromStr for Instant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let instant: jiff::Timestamp = text.parse().map_err(|error| format!("{error}"))?;
        let millis = u64::try_from(instant.as_millisecond()).map_err(|error| error.to_string())?;
        Ok(Self(Timestamp(millis)))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Text::deserialize(from).map(|text: Text<Self>| text.0)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedCheck {
    name: Text<CheckName>,
    prometheus: Option<AskedQuery>,
    http: Option<AskedGet>,
    interval: Option<Time>,
    samples: Option<u32>,
    failure_limit: Option<u32>,
    timeout: Option<Time>,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedQuery {
    url: String,
    query: String,
    success: Condition,
    failure: Option<Condition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedGet {
    url: String,
    status: Option<u16>,
    body_contains: Option<String>,
}

impl AskedCheck {
    pub(super) fn read(self) -> Result<Check, String> {
        let probe = match (self.prometheus, self.http) {
            (Some(asked), None) => Probe::Prometheus(PromQuery {
                url: asked.url,
                query: asked.query,
                success: asked.success,
                failure: asked.failure,
            }),
            (None, Some(asked)) => Probe::Http(HttpGet {
                status: asked.status.unwrap_or(200),
                body_contains: asked.body_contains,
                ..HttpGet::of(asked.url)
            }),
            _ => return Err("a check has either prometheus or http".to_owned()),
        };
        let usual = Check::of(self.name.0, probe);
        Ok(Check {
            interval: self.interval.map_or(usual.interval, Into::into),
            samples: self.samples.unwrap_or(usual.samples),
            failure_limit: self.failure_limit.unwrap_or(usual.failure_limit),
            timeout: self.timeout.map_or(usual.timeout, Into::into),
            dry_run: self.dry_run,
            ..usual
        })
    }
}
