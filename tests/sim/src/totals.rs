//! How much of what was injected, and how much happened.

use std::fmt;

/// A list of what is counted, each with its word.
macro_rules! counted {
    ($(#[$outer:meta])* $list:ident { $($name:ident => $word:literal),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each is named for what it is, and its word says the rest")]
        pub enum $list { $($name),+ }

        impl $list {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// In words.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }
        }
    };
}
pub(crate) use counted;

use crate::seen::Seen;

counted! {
    /// Something that was made to go wrong, or that a person did.
    Fault {
    MessageLost => "messages lost with their connection",
    MessageDelayed => "messages delayed",
    MessageDuplicated => "messages duplicated",
    MessageOvertaken => "messages that overtook another",
    Partition => "machines cut off from the network",
    CoordinatorKilled => "coordinators killed",
    KilledBeforeCommit => "coordinators killed between plan and commit",
    KilledBeforeApply => "coordinators killed between commit and apply",
    KilledBeforePublish => "coordinators killed between apply and publish",
    Overlap => "coordinators at work beside an older one",
    CommitRefused => "commits refused because another decision came first",
    BackupRestored => "backups restored",
    AgentKilled => "agents killed",
    KilledInCall => "calls to an engine cut off by the end of the agent or of the machine",
    PowerLost => "machines that lost power",
    Vanished => "machines that vanished for good",
    DiskFull => "disks filled up",
    EngineSilent => "engines that stopped answering",
    AnswerLost => "answers of an engine lost",
    EventLost => "events of an engine lost",
    JournalLost => "journals lost",
    PullFailed => "pulls that failed for the moment",
    Sickened => "containers that sickened by themselves",
    Ruined => "containers that run and would not start again",
    BadBuild => "containers started from a bad build",
    Joined => "machines that joined late",
    Operator => "acts of operators",
    OperatorRefused => "acts of operators that were refused",
    }
}

/// Counts of one run, or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    faults: Vec<u64>,
    seen: Vec<u64>,
    /// Runs.
    pub seeds: u64,
    /// Events that happened.
    pub events: u64,
    /// Changes that were committed.
    pub changes: u64,
    /// Plans that were made.
    pub plans: u64,
    /// Steps that agents took.
    pub steps: u64,
    /// Rollouts that were started.
    pub rollouts: u64,
    /// Virtual time, in seconds.
    pub seconds: u64,
}

impl Totals {
    /// One more of these.
    pub fn count(&mut self, fault: Fault) {
        self.faults.resize(Fault::ALL.len(), 0);
        self.faults[fault as usize] += 1;
    }

    /// How many of these.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.faults.get(fault as usize).copied().unwrap_or(0)
    }

    /// So many more of what was seen to happen.
    pub(crate) fn saw(&mut self, seen: Seen, count: u64) {
        self.seen.resize(Seen::ALL.len(), 0);
        self.seen[seen as usize] += count;
    }

    /// How often this was seen to happen.
    #[must_use]
    pub fn seen(&self, seen: Seen) -> u64 {
        self.seen.get(seen as usize).copied().unwrap_or(0)
    }

    /// The counts of both.
    pub fn add(&mut self, other: &Self) {
        add(&mut self.faults, &other.faults, Fault::ALL.len());
        add(&mut self.seen, &other.seen, Seen::ALL.len());
        self.seeds += other.seeds;
        self.events += other.events;
        self.changes += other.changes;
        self.plans += other.plans;
        self.steps += other.steps;
        self.rollouts += other.rollouts;
        self.seconds += other.seconds;
    }
}

fn add(sums: &mut Vec<u64>, counts: &[u64], kinds: usize) {
    sums.resize(kinds, 0);
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = [
            (self.seeds, "seeds"),
            (self.seconds / 3600, "hours of virtual time"),
            (self.events, "events"),
            (self.changes, "changes committed"),
            (self.plans, "plans made"),
            (self.steps, "steps of agents"),
            (self.rollouts, "rollouts started"),
        ];
        let faults = Fault::ALL
            .iter()
            .map(|fault| (self.of(*fault), fault.word()));
        let seen = Seen::ALL.iter().map(|seen| (self.seen(*seen), seen.word()));
        write_all(f, "The runs", lines.into_iter())?;
        write_all(f, "What was made to go wrong", faults)?;
        write_all(f, "What was seen to happen", seen)
    }
}

fn write_all(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    counts: impl Iterator<Item = (u64, &'static str)>,
) -> fmt::Result {
    writeln!(f, "{title}:")?;
    for (count, word) in counts {
        writeln!(f, "{count:>12}  {word}")?;
    }
    Ok(())
}
