use std::fmt;
use std::str::FromStr;

use jiff::civil;
use pinion_model::ParseError;
use serde::{Deserialize, Serialize};

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "days of the week")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    /// From Monday on.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// Such as `mon`.
    #[must_use]
    pub fn word(self) -> &'static str {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][self as usize]
    }

    pub(super) fn of(date: civil::Date) -> Self {
        let monday_based = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
        Self::ALL[monday_based % 7]
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Day {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let day = Self::ALL.into_iter().find(|day| day.word() == text);
        day.ok_or_else(|| {
            let allowed = "one of mon, tue, wed, thu, fri, sat, sun";
            ParseError::new("a day of the week", allowed, text)
        })
    }
}

/// A time on the clock on the wall, to the minute: `00:00` to `23:59`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeOfDay {
    hour: u8,
    minute: u8,
}

impl TimeOfDay {
    /// Minutes since midnight, 0 to 1439.
    #[must_use]
    pub fn minutes(self) -> u32 {
        u32::from(self.hour) * 60 + u32::from(self.minute)
    }

    pub(super) fn on(self, date: civil::Date) -> civil::DateTime {
        let part = |number: u8| i8::try_from(number).expect("at most 59");
        date.at(part(self.hour), part(self.minute), 0, 0)
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl FromStr for TimeOfDay {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let number = |part: &str, end: u8| {
            let two_digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
            let number: u8 = two_digits.then(|| part.parse().ok())??;
            (number < end).then_some(number)
        };
        let parse = || {
            let (hour, minute) = text.split_once(':')?;
            Some(Self {
                hour: number(hour, 24)?,
                minute: number(minute, 60)?,
            })
        };
        parse().ok_or_else(|| ParseError::new("a time of day", "00:00 to 23:59", text))
    }
}

impl TryFrom<String> for TimeOfDay {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<TimeOfDay> for String {
    fn from(time: TimeOfDay) -> Self {
        time.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_four_digits_of_a_real_minute() {
        for (text, minutes) in [("00:00", 0), ("02:30", 150), ("23:59", 1439)] {
            let time: TimeOfDay = text.parse().expect(text);
            assert_eq!(
                (time.minutes(), time.to_string()),
                (minutes, text.to_owned())
            );
        }
        for bad in [
            "", "24:00", "12:60", "9:00", "09:0", "+9:00", "09:00:00", "0900", "ä:00",
        ] {
            assert!(bad.parse::<TimeOfDay>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_day_is_three_letters() {
        for day in Day::ALL {
            assert_eq!(day.word().parse(), Ok(day));
        }
        let error = "monday".parse::<Day>().expect_err("not a word for it");
        assert!(error.to_string().contains("mon, tue"), "{error}");
    }
}
