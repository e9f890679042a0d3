//! "Converge now", as the provisioner and the operator ask for it.

use std::collections::BTreeMap;

use pinion_model::{AgentPhase, WorkloadName};
use pinion_workload::{Answer, Outcome};
use tokio::sync::oneshot;

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefreshOutcome {
    /// Their image is on the machine.
    pub pulled: Vec<WorkloadName>,
    /// Their containers were replaced and proven.
    pub recreated: Vec<WorkloadName>,
    /// What failed: the workload's name and why.
    pub failed: Vec<String>,
}

impl RefreshOutcome {
    pub(super) fn stopping(workloads: &[WorkloadName]) -> Self {
        let failed = workloads
            .iter()
            .map(|name| format!("{name}: the agent is stopping; ask again"))
            .collect();
        Self {
            failed,
            ..Self::default()
        }
    }
}

#[derive(Debug)]
pub(super) struct Ask {
    pub(super) workloads: Vec<WorkloadName>,
    pub(super) recreate: bool,
    pub(super) reply: oneshot::Sender<RefreshOutcome>,
}

/// What an ask waits for, per workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// The end of an operation, which replaces containers or not.
    Operation { replaces: bool },
    /// The end of a pull.
    Pull,
}

/// An ask that is not answered yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) waits: BTreeMap<WorkloadName, Wait>,
    pub(super) outcome: RefreshOutcome,
    pub(super) reply: oneshot::Sender<RefreshOutcome>,
}

impl Pending {
    pub(super) fn new(reply: oneshot::Sender<RefreshOutcome>) -> Self {
        Self {
            waits: BTreeMap::new(),
            outcome: RefreshOutcome::default(),
            reply,
        }
    }

    pub(super) fn fail(&mut self, workload: &WorkloadName, why: &str) {
        self.waits.remove(workload);
        self.outcome.failed.push(format!("{workload}: {why}"));
    }

    /// A pull that it waits for has ended.
    pub(super) fn pulled(&mut self, workload: &WorkloadName, answer: &Answer) {
        if self.waits.get(workload) != Some(&Wait::Pull) {
            return;
        }
        match answer {
            Answer::Refused(failure) | Answer::Failed(failure) => {
                self.fail(workload, &failure.message)
            }
            Answer::Done
            | Answer::WasThere
            | Answer::Made { .. }
            | Answer::Words(_)
            | Answer::Deferred(_) => {
                self.waits.remove(workload);
                self.outcome.pulled.push(workload.clone());
            }
        }
    }

    /// An operation that it waits for has ended.
    pub(super) fn ended(&mut self, workload: &WorkloadName, outcome: &Outcome) {
        let Some(Wait::Operation { replaces }) = self.waits.remove(workload) else {
            return;
        };
        match (&outcome.failure, outcome.phase) {
            (Some(failure), _) => self.fail(workload, &failure.message),
            (None, AgentPhase::Withdrawn) => {
                self.fail(workload, "the assignment was withdrawn meanwhile")
            }
            (None, phase) => {
                self.outcome.pulled.push(workload.clone());
                if replaces && phase == AgentPhase::Settled {
                    self.outcome.recreated.push(workload.clone());
                }
            }
        }
    }
}
