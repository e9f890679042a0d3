//! Which of its two programs an agent runs, and what becomes of a new one.
//!
//! The file that holds this is written by the launcher while no agent runs,
//! and by the agent while one does, so the two never write at once.
//!
//! ```text
//!   laid beside ─▶ candidate ─▶ confirmed (by its session) ─▶ kept: current
//!                      │             └── crashes as often as it may ──┐
//!                      └── crashes, hangs, gets no session in time ───┴─▶ verdict, the current one again
//! ```

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::Digest;
use serde::{Deserialize, Serialize};

use crate::OpId;

/// How often a candidate is started, and a confirmed one may crash.
pub const TRIES: u32 = 3;

/// One of the two places for a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The first.
    A,
    /// The second.
    B,
}

impl Slot {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Name of its directory.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// Reads such a name.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::A, Self::B]
            .into_iter()
            .find(|slot| slot.word() == word)
    }
}

/// A program in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Digest of the image that it was taken from; none for the package's.
    pub image: Option<Digest>,
    /// SHA-256 of the program, 64 hex digits.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

/// All that is known of the two places.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// Where the program is that was proven last.
    pub current: Slot,
    /// What is laid where.
    pub programs: BTreeMap<Slot, Program>,
    /// SHA-256 of the package's program when it was laid last: another one
    /// means that a person installed another package.
    #[serde(default)]
    pub packaged: Option<String>,
    /// The program that is being tried.
    #[serde(default)]
    pub candidate: Option<Candidate>,
    /// What became of the last one.
    #[serde(default)]
    pub verdict: Option<Verdict>,
}

/// A program that is being tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The operation that tries it.
    pub op: OpId,
    /// Where it is. In a container of its own: where nothing is laid.
    pub slot: Slot,
    /// How often it may still be started; once confirmed, how often it may crash.
    pub tries_left: u32,
    /// How often it ended by itself.
    pub crashes: u32,
    /// From a start: confirmed by then, or taken back.
    pub deadline: Duration,
    /// It had its session with the coordinator.
    pub confirmed: bool,
    /// Where the coordinator was when it was handed over, `host:port` each.
    pub addresses: Vec<String>,
}

/// What became of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The operation that tried it.
    pub op: OpId,
    /// How it ended.
    pub cause: Cause,
    /// The last lines that it wrote. At most 32 KiB.
    pub words: String,
}

/// How a candidate ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It is the current one now.
    Kept,
    /// It ended by itself as often as it may.
    Crashed {
        /// How the last time, such as "exit status: 1".
        how: String,
    },
    /// It cannot be run at all.
    Unusable {
        /// Why.
        why: String,
    },
    /// It ran, and was not confirmed in time.
    Unconfirmed {
        /// Whether the coordinator took connections at the end of that time,
        /// seen by somebody else than the candidate.
        reachable: bool,
    },
    /// Its starts were interrupted from outside, such as by losses of power.
    Interrupted,
}

/// What is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Where it is.
    pub slot: Slot,
    /// The operation that tries it, if it is a candidate.
    pub tried_by: Option<OpId>,
    /// By when it must be confirmed; none if it need not be.
    pub deadline: Option<Duration>,
}

/// How a program that was started ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself: how.
    ByItself(String),
    /// Killed, since it was not confirmed in time.
    Late {
        /// See [`Cause::Unconfirmed`].
        reachable: bool,
    },
    /// Somebody wanted it to stop.
    Asked,
    /// It could not be started: why.
    Unusable(String),
}

impl Slots {
    /// With the package's program in the first place.
    #[must_use]
    pub fn first(program: Program) -> Self {
        Self {
            current: Slot::A,
            packaged: Some(program.sha256.clone()),
            programs: BTreeMap::from([(Slot::A, program)]),
            candidate: None,
            verdict: None,
        }
    }

    /// Where another package's program goes, if that is what is installed now:
    /// the person who installed it wants it run. A candidate is decided first.
    #[must_use]
    pub fn place_for(&self, packaged: &str) -> Option<Slot> {
        let is_new = self.packaged.as_deref() != Some(packaged);
        (is_new && self.candidate.is_none()).then(|| self.current.other())
    }

    /// With another package's program, laid in that place, as the current one.
    #[must_use]
    pub fn with_package(mut self, slot: Slot, program: Program) -> Self {
        self.packaged = Some(program.sha256.clone());
        self.programs.insert(slot, program);
        self.current = slot;
        self
    }

    /// What is started now. To be on disk before it is.
    #[must_use]
    pub fn starting(mut self) -> (Self, Start) {
        let Some(candidate) = &mut self.candidate else {
            let start = self.start_current();
            return (self, start);
        };
        if candidate.confirmed {
            let start = Start {
                slot: candidate.slot,
                tried_by: Some(candidate.op.clone()),
                deadline: None,
            };
            return (self, start);
        }
        if candidate.tries_left == 0 {
            let taken_back = self.taken_back(Cause::Interrupted, String::new());
            let start = taken_back.start_current();
            return (taken_back, start);
        }
        candidate.tries_left -= 1;
        let start = Start {
            slot: candidate.slot,
            tried_by: Some(candidate.op.clone()),
            deadline: Some(candidate.deadline),
        };
        (self, start)
    }

    fn start_current(&self) -> Start {
        Start {
            slot: self.current,
            tried_by: None,
            deadline: None,
        }
    }

    /// What is known once a program that was started has ended; `words` are
    /// its last ones.
    #[must_use]
    pub fn ended(mut self, start: &Start, end: &End, words: &str) -> Self {
        let tried = self.candidate.as_mut();
        let Some(candidate) = tried.filter(|c| start.tried_by.as_ref() == Some(&c.op)) else {
            return self;
        };
        let cause = match end {
            End::Asked => {
                let is_tried = !candidate.confirmed && candidate.tries_left < TRIES;
                candidate.tries_left += u32::from(is_tried);
                return self;
            }
            // Confirmed in the last moment: it is started again.
            End::Late { .. } if candidate.confirmed => return self,
            End::Late { reachable } => Cause::Unconfirmed {
                reachable: *reachable,
            },
            End::Unusable(why) => Cause::Unusable { why: why.clone() },
            End::ByItself(how) => {
                candidate.crashes += 1;
                if candidate.confirmed {
                    candidate.tries_left = candidate.tries_left.saturating_sub(1);
                }
                if candidate.tries_left > 0 {
                    return self;
                }
                Cause::Crashed { how: how.clone() }
            }
        };
        self.taken_back(cause, words.to_owned())
    }

    /// The current one again, as if there had been no candidate.
    fn taken_back(mut self, cause: Cause, words: String) -> Self {
        let candidate = self.candidate.take();
        self.verdict = candidate.map(|candidate| Verdict {
            op: candidate.op,
            // One that crashed before the power went is not excused by that.
            cause: match cause {
                Cause::Interrupted if candidate.crashes > 0 => Cause::Crashed {
                    how: "it ended by itself".to_owned(),
                },
                cause => cause,
            },
            words,
        });
        self
    }

    /// With that candidate; one that was tried before is forgotten.
    #[must_use]
    pub fn handed_over(mut self, candidate: Candidate) -> Self {
        self.verdict = None;
        self.candidate = Some(candidate);
        self
    }

    /// The candidate of that operation had its session.
    #[must_use]
    pub fn confirmed(mut self, op: &OpId) -> Self {
        if let Some(candidate) = self.candidate.as_mut().filter(|c| c.op == *op) {
            candidate.confirmed = true;
            candidate.tries_left = TRIES;
        }
        self
    }

    /// The candidate of that operation is the current one, if it was confirmed.
    #[must_use]
    pub fn kept(mut self, op: &OpId) -> Self {
        let Some(candidate) = self.candidate.take_if(|c| c.op == *op && c.confirmed) else {
            return self;
        };
        if self.programs.contains_key(&candidate.slot) {
            self.current = candidate.slot;
        }
        self.verdict = Some(Verdict {
            op: candidate.op,
            cause: Cause::Kept,
            words: String::new(),
        });
        self
    }

    /// The candidate of that operation was taken back by somebody else than
    /// the launcher.
    #[must_use]
    pub fn judged(self, op: &OpId, cause: Cause, words: String) -> Self {
        match &self.candidate {
            Some(candidate) if candidate.op == *op => self.taken_back(cause, words),
            _ => self,
        }
    }

    /// Nothing is in the place beside the current one, nor tried there.
    #[must_use]
    pub fn emptied(mut self, slot: Slot) -> Self {
        self.candidate.take_if(|candidate| candidate.slot == slot);
        self.programs.remove(&slot);
        self
    }
}
