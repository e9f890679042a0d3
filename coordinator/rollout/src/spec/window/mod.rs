//! When machines may be touched: maintenance windows and freeze periods.
//!
//! ```text
//!   labels ──▶ Calendar::group ──▶ Group      which windows and freezes are a machine's
//!   now    ──▶ Calendar::state ──▶ Openings   which are open and on, and when that changes
//!                                  Openings::is_open(Group)
//! ```
//!
//! A machine that a window selects may be touched only while one of its
//! windows is open; one that no window selects, at any time; and nobody while
//! a freeze that selects it is on.
//!
//! To touch a machine is to ask it for other containers. What changes none is
//! not held up (pulling ahead), nor what must not wait: a machine that is taken
//! back, and one that has cut over already when its window ends.
//!
//! A window opens at a time of day where the machine is, so it follows
//! daylight saving, and stays open for a length of real time:
//!
//! * a beginning that the clocks skip in spring is the first instant after the gap;
//! * a beginning that the clocks repeat in autumn is the first of the two;
//! * a window that runs over midnight belongs to the day on which it began.
//!
//! The time zone database is compiled in, and `now` is passed in: nothing here
//! reads a clock or a file.

mod check;
mod day;
mod group;
mod opening;
mod span;
#[cfg(test)]
mod tests;
mod zone;

use std::collections::BTreeSet;
use std::time::Duration;

use pinion_model::{LabelSelector, Timestamp};
use serde::{Deserialize, Serialize};

pub use day::{Day, TimeOfDay};
pub use group::{Group, Openings};
pub use zone::TimeZoneName;

/// A time of the week in which machines may be touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Whose; empty: every machine's.
    pub agents: LabelSelector,
    /// The days on which it begins; empty: every day.
    pub days: BTreeSet<Day>,
    /// When it begins, where `time_zone` is.
    pub start: TimeOfDay,
    /// For how long it is open: 1 minute to 7 days of real time, whatever the
    /// clocks do meanwhile.
    pub duration: Duration,
    /// Where.
    pub time_zone: TimeZoneName,
}

/// A period in which machines are not touched, windows or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze {
    /// Its first instant.
    pub from: Timestamp,
    /// The first instant after it.
    pub until: Timestamp,
    /// Why, for the people who wait.
    pub reason: String,
    /// Whose; empty: every machine's.
    pub agents: LabelSelector,
}

/// All windows and freezes of a rollout; without any, machines may be touched
/// at any time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// At most [`Calendar::LIMIT`].
    pub windows: Vec<Window>,
    /// At most [`Calendar::LIMIT`].
    pub freezes: Vec<Freeze>,
}

impl Calendar {
    /// Most windows, and most freezes, of one calendar.
    pub const LIMIT: usize = 32;

    /// Whether it restricts nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty() && self.freezes.is_empty()
    }
}
