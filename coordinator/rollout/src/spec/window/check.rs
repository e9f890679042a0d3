use std::time::Duration;

use pinion_model::{LabelSelector, Timestamp, check_labels};

use super::group::mask;
use super::{Calendar, Freeze, Group, Window};
use crate::spec::Fault;
use crate::spec::written;

const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// A window that does not open for so long never opens, and a longer freeze is none.
const YEAR: Duration = Duration::from_secs(366 * 86_400);
/// Longest reason of a freeze, in bytes.
const REASON_LIMIT: usize = 4 * 1024;

impl Calendar {
    /// All that is wrong with it, each fault with its path below `path`.
    #[must_use]
    pub fn check(&self, now: Timestamp, path: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        let counts = [
            ("windows", self.windows.len()),
            ("freezes", self.freezes.len()),
        ];
        for (name, count) in counts.iter().filter(|(_, count)| *count > Self::LIMIT) {
            let message = format!("at most {} {name}; got {count}", Self::LIMIT);
            faults.push(Fault::new(format!("{path}.{name}"), message));
        }
        for (place, freeze) in self.freezes.iter().enumerate() {
            freeze.check(&format!("{path}.freezes[{place}]"), &mut faults);
        }
        for (place, window) in self.windows.iter().enumerate() {
            let path = format!("{path}.windows[{place}]");
            let before = faults.len();
            window.check(&path, &mut faults);
            if faults.len() == before {
                faults.extend(self.never_opens(place, now, path));
            }
        }
        faults
    }

    /// A window whose every opening within a year is inside freezes of its own machines.
    fn never_opens(&self, place: usize, now: Timestamp, path: String) -> Option<Fault> {
        let window = self.windows.get(place).filter(|_| place < Self::LIMIT)?;
        let freezes = self.freezes.iter();
        let group = Group {
            windows: 1 << place,
            freezes: mask(freezes.map(|freeze| covers(&freeze.agents, &window.agents))),
        };
        let opens = self.next_opening(group, now);
        if opens.is_some_and(|at| at <= now + YEAR) {
            return None;
        }
        let message = match opens {
            Some(at) => format!("never opens within a year: freezes cover it until {at}"),
            None => "never opens".to_owned(),
        };
        Some(Fault::new(path, message))
    }
}

impl Window {
    fn check(&self, path: &str, faults: &mut Vec<Fault>) {
        check_selector(path, &self.agents, faults);
        if !(SHORTEST..=LONGEST).contains(&self.duration) {
            let message = format!("must be 1 minute to 7 days; got {}", written(self.duration));
            faults.push(Fault::new(format!("{path}.duration"), message));
        }
        if self.time_zone.rules().is_none() {
            let message = format!("there is no time zone {:?}", self.time_zone.as_str());
            faults.push(Fault::new(format!("{path}.time_zone"), message));
        }
    }
}

impl Freeze {
    fn check(&self, path: &str, faults: &mut Vec<Fault>) {
        check_selector(path, &self.agents, faults);
        let until = |message: String| Fault::new(format!("{path}.until"), message);
        if self.until <= self.from {
            faults.push(until(format!(
                "must be after its beginning, {}; got {}",
                self.from, self.until
            )));
        } else if self.until.since(self.from) > YEAR {
            faults.push(until(format!(
                "must be at most 366 days after its beginning, {}; got {}",
                self.from, self.until
            )));
        }
        let reason = |message| Fault::new(format!("{path}.reason"), message);
        if self.reason.trim().is_empty() {
            faults.push(reason("must say why, for the people who wait".to_owned()));
        } else if self.reason.len() > REASON_LIMIT {
            let got = self.reason.len();
            faults.push(reason(format!(
                "must be at most {REASON_LIMIT} bytes; got {got}"
            )));
        }
    }
}

fn check_selector(path: &str, selector: &LabelSelector, faults: &mut Vec<Fault>) {
    if let Err(error) = check_labels(&selector.0) {
        faults.push(Fault::new(format!("{path}.selector"), error.to_string()));
    }
}

/// Whether every machine that `narrow` selects is selected by `wide` too.
fn covers(wide: &LabelSelector, narrow: &LabelSelector) -> bool {
    let implied = |(key, want): (&String, &String)| {
        let has = narrow.0.get(key);
        has.is_some_and(|has| want.is_empty() || has == want)
    };
    wide.0.iter().all(implied)
}
