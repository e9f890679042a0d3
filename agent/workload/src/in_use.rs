//! What says that a machine is in use. Unknown is not idle.

use std::time::Duration;

use pinion_model::{Holder, HolderKind, Timestamp, WorkloadName};

/// All that was seen of a workload's use. Asked for by the edge; of a machine
/// that asks nothing, nothing is in the way.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Every update lock of the machine that is known, ended ones too.
    pub leases: &'a [Lease],
    /// What its probes answered.
    pub probes: Probes<'a>,
    /// There is a hook to be run before the cut-over.
    pub pre_cut: bool,
    /// There is a hook to be run after the next container's start.
    pub post_start: bool,
    /// There is a hook that points a proxy from one container to another.
    pub switch: bool,
    /// From the gate's opening to the stop of the first container.
    pub drain: Duration,
}

impl Seen<'_> {
    /// Nothing is asked on this machine, and no lock is held.
    pub const NOTHING: Self = Self {
        leases: &[],
        probes: Probes::Answered(&[]),
        pre_cut: false,
        post_start: false,
        switch: false,
        drain: Duration::ZERO,
    };
}

/// An update lock that ends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which workload must not be touched; none: the whole machine.
    pub workload: Option<WorkloadName>,
    /// Who holds it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// From this instant on it is no lock, by the agent's clock. None: that it
    /// is held at all is not known, so it counts until it is.
    pub expires_at: Option<Timestamp>,
}

impl Lease {
    /// Whether it keeps this workload from being touched now.
    #[must_use]
    pub fn holds(&self, workload: &WorkloadName, now: Timestamp) -> bool {
        let mine = self.workload.as_ref().is_none_or(|of| of == workload);
        mine && self.expires_at.is_none_or(|end| now < end)
    }

    pub(crate) fn holder(&self) -> Holder {
        Holder::new(HolderKind::Lock, &self.owner, &self.reason, self.expires_at)
    }
}

/// What a workload's probes answered.
#[derive(Debug, Clone, Copy)]
pub enum Probes<'a> {
    /// They are being asked.
    Asking,
    /// Each has answered, or was given up.
    Answered(&'a [Probed]),
}

/// One probe's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// What kind of probe.
    pub kind: HolderKind,
    /// What was asked.
    pub of: String,
    /// What it said.
    pub verdict: Verdict,
}

/// What a probe says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody uses it.
    Idle,
    /// It is used, and how that shows.
    Busy(String),
    /// Nobody knows, and why.
    Unknown(String),
}

impl Probed {
    /// What it has against a cut-over; what is not known counts as use.
    pub(crate) fn holder(&self) -> Option<Holder> {
        let reason = match &self.verdict {
            Verdict::Idle => return None,
            Verdict::Busy(how) => how.clone(),
            Verdict::Unknown(why) => format!("it is not known whether it is idle: {why}"),
        };
        Some(Holder::new(self.kind, &self.of, reason, None))
    }
}
