use std::time::Duration;

use pinion_model::{Deferral, Holder, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Assignment;

/// What was found in the way of an operation's cut-over, as the journal keeps
/// it: a restart of the agent neither lengthens nor forgets a deferral.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// When the machine was first seen to be in use; the deferral's deadline
    /// counts from then, also when it was idle in between.
    pub since: Option<Timestamp>,
    /// When it was seen to be idle again; none while it is in use.
    pub freed: Option<Timestamp>,
    /// Who holds it, or who held it last.
    pub holders: Vec<Holder>,
    /// What the hook before the cut-over said when it put it off, and when it
    /// is asked again.
    pub hook: Option<(Holder, Timestamp)>,
    /// When the stop of the first container is due.
    pub drained_at: Option<Timestamp>,
    /// The deferral came to its end, and the policy is to go on.
    pub forced: bool,
}

impl Gate {
    /// Until when it may be put off.
    pub(crate) fn deadline(&self, assignment: &Assignment, now: Timestamp) -> Timestamp {
        self.since.unwrap_or(now) + assignment.defer_within
    }

    /// For how long the machine was in use: that time does not count as late.
    pub(crate) fn deferred(&self, now: Timestamp) -> Duration {
        match self.since {
            Some(since) => self.freed.unwrap_or(now).since(since),
            None => Duration::ZERO,
        }
    }

    /// It is in use, and nothing was decided about that yet.
    pub(crate) fn is_shut(&self) -> bool {
        self.since.is_some() && self.freed.is_none()
    }

    pub(crate) fn deferral(&self, assignment: &Assignment) -> Option<Deferral> {
        let since = self.since.filter(|_| self.is_shut() || self.forced)?;
        Some(Deferral {
            since,
            until: since + assignment.defer_within,
            then: assignment.in_use,
            holders: self.holders.clone(),
            forced: self.forced,
        })
    }

    /// Somebody is in the way: all that was asked before is asked again.
    pub(crate) fn shut(&mut self, holders: Vec<Holder>, now: Timestamp) {
        self.since = self.since.or(Some(now));
        self.freed = None;
        self.holders = holders;
        self.drained_at = None;
    }

    /// Nobody is in the way any more.
    pub(crate) fn open(&mut self, now: Timestamp) {
        self.freed = self.freed.or(Some(now)).filter(|_| self.since.is_some());
    }

    /// The time is up, and it goes on all the same.
    pub(crate) fn force(&mut self, now: Timestamp) {
        self.forced = true;
        self.open(now);
    }
}
