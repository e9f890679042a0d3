use pinion_model::Timestamp;

use super::span::instant;
use super::{Calendar, Freeze, Group, Window};

impl Freeze {
    /// From its first instant until before its end.
    #[must_use]
    pub fn is_on(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }
}

impl Calendar {
    /// The first instant from `now` on at which machines of this group may be
    /// touched; none if there is none.
    #[must_use]
    pub fn next_opening(&self, group: Group, now: Timestamp) -> Option<Timestamp> {
        let mut at = now;
        // A freeze is left once at most, and a window is waited for once after each.
        for _ in 0..=2 * Self::LIMIT {
            let frozen = self.freezes_of(group).filter(|freeze| freeze.is_on(at));
            if let Some(end) = frozen.map(|freeze| freeze.until).max() {
                at = end;
                continue;
            }
            let mut windows = self.windows_of(group).peekable();
            if windows.peek().is_none() {
                return Some(at);
            }
            let states: Vec<_> = windows.map(|window| window.state(at)).collect();
            if states.iter().any(|(open, _)| *open) {
                return Some(at);
            }
            at = states.into_iter().filter_map(|(_, begin)| begin).min()?;
        }
        None
    }

    /// When machines of this group may be touched again, for people: in UTC,
    /// and where the window is, such as
    /// `2026-03-30T07:00:00Z (Mon 09:00 Europe/Berlin)`.
    #[must_use]
    pub fn opening_in_words(&self, group: Group, now: Timestamp) -> Option<String> {
        let at = self.next_opening(group, now)?;
        let utc = instant(at).strftime("%Y-%m-%dT%H:%M:%SZ");
        let there = self
            .windows_of(group)
            .find(|window| window.state(at).0)
            .and_then(|window| window.wall_clock(at));
        Some(match there {
            Some(there) => format!("{utc} ({there})"),
            None => utc.to_string(),
        })
    }

    /// The freeze of this group that is on and ends last.
    #[must_use]
    pub fn freeze_on(&self, group: Group, now: Timestamp) -> Option<&Freeze> {
        self.freezes_of(group)
            .filter(|freeze| freeze.is_on(now))
            .max_by_key(|freeze| freeze.until)
    }

    fn windows_of(&self, group: Group) -> impl Iterator<Item = &Window> {
        chosen(&self.windows, group.windows)
    }

    fn freezes_of(&self, group: Group) -> impl Iterator<Item = &Freeze> {
        chosen(&self.freezes, group.freezes)
    }
}

impl Window {
    fn wall_clock(&self, at: Timestamp) -> Option<String> {
        let there = instant(at).to_zoned(self.time_zone.rules()?.clone());
        Some(format!("{} {}", there.strftime("%a %H:%M"), self.time_zone))
    }
}

/// Those whose bit is set.
fn chosen<T>(all: &[T], bits: u32) -> impl Iterator<Item = &T> {
    let chosen = all.iter().take(Calendar::LIMIT).enumerate();
    chosen.filter_map(move |(place, one)| (bits & (1 << place) != 0).then_some(one))
}
