//! Whether a workload's containers are in use, asked of this machine.
//!
//! Owns the update locks, the hooks and the probes: how they are asked, never
//! what their answers mean. Unknown is not idle, so what cannot be asked is
//! told as that.
//!
//! ```text
//!   agent.sock ─▶ leases ──┐
//!   lock files ─▶ files  ──┼─▶ Seen ─▶ next (pinion_workload) ─▶ Call::Hook ─▶ hook
//!   idle, connections ─▶ probes
//! ```

mod connections;
mod files;
mod hook;
mod idle;
mod leases;
mod place;
mod probes;
mod secrets;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{Timestamp, WorkloadName, parse_duration};
use pinion_workload::in_use::{Lease, Seen};
use pinion_workload::{Answer, Container, Hook, HookPoint, Operation, Record, Stage};

use crate::config::WorkloadSettings;
use crate::driver::Driver;

pub use hook::HookCommand;
pub use idle::IdleProbe;
pub use leases::{LeaseError, Leases, Lock, Wanted};
use probes::Probes;

/// Label of a container: from the gate's opening to its stop, such as `10s`.
pub const DRAIN_LABEL: &str = "pinion.drain";
/// Longest drain: within the usual `start_within` and `progress_deadline` of a
/// rollout, which count it.
pub const LONGEST_DRAIN: Duration = Duration::from_secs(300);
/// Label of a container: what is asked whether it is idle, such as `8080/idle`
/// or `http://127.0.0.1:8080/idle`.
pub const IDLE_LABEL: &str = "pinion.idle";

/// All that this machine asks, by workload.
#[derive(Debug, Default)]
pub struct InUse {
    leases: Option<Arc<Leases>>,
    settings: BTreeMap<WorkloadName, WorkloadSettings>,
    probes: Probes,
}

/// What was seen of one workload, for as long as the planner looks at it.
#[derive(Debug)]
pub struct Look {
    leases: Vec<Lease>,
    answers: Option<Vec<pinion_workload::in_use::Probed>>,
    pre_cut: bool,
    post_start: bool,
    switch: bool,
    drain: Duration,
}

impl Look {
    /// As the planner reads it.
    #[must_use]
    pub fn seen(&self) -> Seen<'_> {
        Seen {
            leases: &self.leases,
            probes: match &self.answers {
                Some(answers) => pinion_workload::in_use::Probes::Answered(answers),
                None => pinion_workload::in_use::Probes::Asking,
            },
            pre_cut: self.pre_cut,
            post_start: self.post_start,
            switch: self.switch,
            drain: self.drain,
        }
    }
}

impl InUse {
    /// What the configuration asks for, and the locks of the machine.
    #[must_use]
    pub fn new(leases: Arc<Leases>, settings: BTreeMap<WorkloadName, WorkloadSettings>) -> Self {
        Self {
            leases: Some(leases),
            settings,
            probes: Probes::default(),
        }
    }

    /// Asks the probes of workloads whose cut-over is next, unless they were
    /// asked a moment ago. Answers when they are to be asked again.
    pub(crate) fn ask<D: Driver>(
        &mut self,
        driver: &Arc<D>,
        records: &BTreeMap<WorkloadName, Record>,
        containers: &[Container],
        now: Timestamp,
    ) {
        let wanted = |record: &Record| {
            let operation = record.operation.as_ref();
            operation.is_some_and(Operation::wants_probes)
        };
        self.probes
            .forget(|workload| records.get(workload).is_some_and(wanted));
        for (workload, record) in records.iter().filter(|(_, record)| wanted(record)) {
            let settings = self.settings.get(workload);
            let questions = probes::questions(settings, running(record, containers));
            self.probes.ask(driver, workload, questions, now);
        }
    }

    /// The next time that probes have answered, or a lock was taken, renewed
    /// or released.
    pub(crate) async fn heard(&mut self, now: impl Fn() -> Timestamp) {
        let leases = self.leases.clone();
        let changed = async {
            match &leases {
                Some(leases) => leases.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.probes.heard(now) => {}
            () = changed => {}
        }
    }

    /// What is known of a workload now.
    pub(crate) fn look(
        &self,
        workload: &WorkloadName,
        record: &Record,
        containers: &[Container],
        now: Timestamp,
    ) -> Look {
        let settings = self.settings.get(workload);
        // Nobody asks for them before the cut-over.
        let asks = record.operation.as_ref().is_some_and(asks_for_locks);
        let leases = self.leases.as_ref().filter(|_| asks);
        Look {
            leases: leases.map_or_else(Vec::new, |leases| leases.all(now)),
            answers: match probes::questions(settings, running(record, containers)).is_empty() {
                true => Some(Vec::new()),
                false => self.probes.answers(workload).map(<[_]>::to_vec),
            },
            pre_cut: settings.is_some_and(|s| s.pre_cut.is_some()),
            post_start: settings.is_some_and(|s| s.post_start.is_some()),
            switch: settings.is_some_and(|s| s.switch.is_some()),
            drain: drain(settings, record, containers),
        }
    }

    /// Runs a hook of a workload.
    pub(crate) fn hook(
        &self,
        workload: &WorkloadName,
        hook: &Hook,
    ) -> impl Future<Output = Answer> + Send + use<> {
        let settings = self.settings.get(workload);
        let command = settings.and_then(|settings| match hook.point {
            HookPoint::PreCut => settings.pre_cut.clone(),
            HookPoint::PostStart => settings.post_start.clone(),
            HookPoint::Switch => settings.switch.clone(),
        });
        let (workload, hook) = (workload.clone(), hook.clone());
        async move {
            match command {
                Some(command) => command.run(&workload, &hook).await,
                None => Answer::Done,
            }
        }
    }
}

fn asks_for_locks(operation: &Operation) -> bool {
    operation.is_at_the_gate() || operation.stage == Stage::Cut
}

/// The containers that an operation is to stop.
fn running<'a>(
    record: &'a Record,
    containers: &'a [Container],
) -> impl Iterator<Item = &'a Container> {
    let units = record.operation.iter().flat_map(|o| &o.units);
    units.filter_map(|unit| {
        let old = containers.iter().find(|c| c.id == unit.old.id)?;
        old.is_up().then_some(old)
    })
}

/// The longest that any of the containers asks for, else the machine's.
fn drain(
    settings: Option<&WorkloadSettings>,
    record: &Record,
    containers: &[Container],
) -> Duration {
    let labels = running(record, containers)
        .filter_map(|old| parse_duration(old.labels.get(DRAIN_LABEL)?).ok());
    let configured = settings.and_then(|settings| settings.drain);
    let drain = labels.max().or(configured).unwrap_or_default();
    drain.min(LONGEST_DRAIN)
}
