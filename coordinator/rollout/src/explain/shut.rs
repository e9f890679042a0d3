use pinion_model::{Labels, Timestamp};

use crate::{Openings, Rollout};

/// Why a machine may not be touched at this time.
pub(crate) struct Shut {
    /// `freeze` or `outside_window`.
    pub(crate) word: &'static str,
    /// Until when.
    pub(crate) detail: String,
    /// Since when, if it is a freeze.
    since: Option<Timestamp>,
    /// What does not wait for it.
    hint: String,
}

/// None: a machine with these labels may be touched, as far as this is what is
/// open: what was last committed, or what is so now.
pub(crate) fn shut(
    rollout: &Rollout,
    openings: &Openings,
    labels: &Labels,
    now: Timestamp,
) -> Option<Shut> {
    let (calendar, group) = (&rollout.spec.calendar, rollout.group(labels));
    if openings.is_open(group) {
        return None;
    }
    let opens = match calendar.opening_in_words(group, now) {
        Some(opening) => format!("opens at {opening}"),
        None => "this coordinator does not know when it opens".to_owned(),
    };
    let freeze = calendar.freeze_on(group, now);
    let (word, what) = match freeze {
        Some(freeze) => {
            let (until, reason) = (freeze.until, &freeze.reason);
            ("freeze", format!("frozen until {until}: {reason}"))
        }
        None => (
            "outside_window",
            "outside its maintenance window".to_owned(),
        ),
    };
    Some(Shut {
        word,
        detail: format!("{what}; {opens}"),
        since: freeze.map(|freeze| freeze.from),
        hint: format!(
            "`pinion rollout override-windows {} --reason …` does not wait for it",
            rollout.id
        ),
    })
}

impl Shut {
    /// Since when a machine waits that could have been touched from `at` on.
    pub(crate) fn since(&self, at: Timestamp) -> Timestamp {
        self.since.map_or(at, |began| began.max(at))
    }

    /// The whole, for a rollout that there is.
    pub(crate) fn advice(self) -> String {
        format!("{}; {}", self.detail, self.hint)
    }
}
