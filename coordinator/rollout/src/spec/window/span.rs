use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, ToSpan};
use pinion_model::Timestamp;

use super::{Day, Window};

/// How far ahead is looked for the end of windows that follow one another
/// without a break.
const AHEAD: i64 = 370;
const DAY: u64 = 86_400;

/// From the first instant of an opening to the first after it.
pub(super) type Span = (Timestamp, Timestamp);

impl Window {
    /// Whether it is open, and when that changes. Never changes: none.
    pub(super) fn state(&self, now: Timestamp) -> (bool, Option<Timestamp>) {
        let mut open_until: Option<Timestamp> = None;
        for (begin, end) in self.spans(now) {
            match open_until {
                Some(until) if begin > until => break,
                Some(until) => open_until = Some(until.max(end)),
                None if begin > now => return (false, Some(begin)),
                None if end > now => open_until = Some(end),
                None => {}
            }
        }
        (open_until.is_some(), open_until)
    }

    /// Its openings from before `now` on, by their beginnings.
    fn spans(&self, now: Timestamp) -> impl Iterator<Item = Span> + '_ {
        let zone = self.time_zone.rules();
        // No opening that began earlier can be open now, whatever the clocks do.
        let behind = i64::try_from(self.duration.as_secs() / DAY).unwrap_or(AHEAD) + 2;
        let days = zone.into_iter().flat_map(move |zone| {
            let today = zone.to_datetime(instant(now)).date();
            let days = -behind..AHEAD;
            days.filter_map(move |day| Some((zone.clone(), today.checked_add(day.days()).ok()?)))
        });
        days.filter_map(|(zone, date)| self.span(&zone, date))
    }

    /// Its opening that begins on this day.
    fn span(&self, zone: &TimeZone, date: Date) -> Option<Span> {
        if !self.days.is_empty() && !self.days.contains(&Day::of(date)) {
            return None;
        }
        let begin = timestamp(self.begin(zone, date)?);
        Some((begin, begin + self.duration))
    }

    fn begin(&self, zone: &TimeZone, date: Date) -> Option<jiff::Timestamp> {
        let wall = zone.to_ambiguous_timestamp(self.start.on(date));
        let skipped = matches!(wall.offset(), AmbiguousOffset::Gap { .. });
        let earlier = wall.earlier().ok()?;
        if !skipped {
            return Some(earlier);
        }
        let change = zone.following(earlier).next()?;
        Some(change.timestamp())
    }
}

/// The clocks' time at an instant; the end of their time for what is later.
pub(super) fn instant(at: Timestamp) -> jiff::Timestamp {
    let length = SignedDuration::from_millis(i64::try_from(at.0).unwrap_or(i64::MAX));
    jiff::Timestamp::UNIX_EPOCH
        .checked_add(length)
        .unwrap_or(jiff::Timestamp::MAX)
}

fn timestamp(at: jiff::Timestamp) -> Timestamp {
    Timestamp(u64::try_from(at.as_millisecond()).unwrap_or_default())
}
