use pinion_model::{LabelSelector, Labels, Timestamp};
use serde::{Deserialize, Serialize};

use super::Calendar;

/// Which windows and which freezes of a calendar are a machine's. By default
/// none: it may be touched at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    pub(super) windows: u32,
    pub(super) freezes: u32,
}

impl Group {
    /// Whether machines of it may be touched whatever the time.
    #[must_use]
    pub fn is_unrestricted(self) -> bool {
        self == Self::default()
    }
}

/// Which windows are open and which freezes are on, from one change to the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Openings {
    windows_open: u32,
    freezes_on: u32,
    /// When it is to be looked at again; none: never.
    pub next: Option<Timestamp>,
}

impl Openings {
    /// Whether machines of this group may be touched.
    #[must_use]
    pub fn is_open(&self, group: Group) -> bool {
        !self.is_frozen(group) && (group.windows == 0 || group.windows & self.windows_open != 0)
    }

    /// Whether a freeze of this group is on.
    #[must_use]
    pub fn is_frozen(&self, group: Group) -> bool {
        group.freezes & self.freezes_on != 0
    }
}

impl std::fmt::Display for Openings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (windows, freezes) = (self.windows_open.count_ones(), self.freezes_on.count_ones());
        write!(f, "{windows} window(s) open, {freezes} freeze(s) on")?;
        match self.next {
            Some(next) => write!(f, "; the next change is at {next}"),
            None => f.write_str(" from now on"),
        }
    }
}

impl Calendar {
    /// What of it is for a machine with these labels.
    #[must_use]
    pub fn group(&self, labels: &Labels) -> Group {
        let matching = |selector: &LabelSelector| selector.matches(labels);
        Group {
            windows: mask(self.windows.iter().map(|window| matching(&window.agents))),
            freezes: mask(self.freezes.iter().map(|freeze| matching(&freeze.agents))),
        }
    }

    /// What is open and on now, and until when it stays so.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> Openings {
        let windows: Vec<_> = self
            .windows
            .iter()
            .map(|window| window.state(now))
            .collect();
        let freezes = self.freezes.iter();
        let freeze_edges = freezes
            .clone()
            .flat_map(|freeze| [freeze.from, freeze.until]);
        let changes = windows.iter().filter_map(|(_, next)| *next);
        Openings {
            windows_open: mask(windows.iter().map(|(open, _)| *open)),
            freezes_on: mask(freezes.map(|freeze| freeze.is_on(now))),
            next: changes.chain(freeze_edges).filter(|at| *at > now).min(),
        }
    }
}

/// A bit for each of the first 32.
pub(super) fn mask(flags: impl Iterator<Item = bool>) -> u32 {
    flags
        .take(Calendar::LIMIT)
        .enumerate()
        .fold(0, |bits, (place, flag)| bits | (u32::from(flag) << place))
}
