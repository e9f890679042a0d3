//! Probes that are being asked, and what was heard: in memory alone, since a
//! proof that nobody watched to its end begins anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pinion_model::{Timestamp, WorkloadName};
use pinion_workload::probe::{Probe, ProbeAnswer, Probes as Known, Pulse, to_ask};
use pinion_workload::{Container, ContainerId, Desired, Record};
use tokio::task::JoinSet;

use crate::driver::Driver;

/// An answer, with the start of the container that was asked.
struct Heard {
    container: Container,
    probe: Probe,
    asked: Timestamp,
    answer: ProbeAnswer,
}

#[derive(Default)]
pub(super) struct Probes {
    /// By workload, from the machine's configuration.
    configured: BTreeMap<WorkloadName, Probe>,
    pulses: BTreeMap<ContainerId, Pulse>,
    asking: JoinSet<Heard>,
    asked: BTreeSet<ContainerId>,
}

impl Probes {
    pub(super) fn configured(configured: BTreeMap<WorkloadName, Probe>) -> Self {
        Self {
            configured,
            ..Self::default()
        }
    }

    /// What is known of one workload's.
    pub(super) fn of(&self, workload: &WorkloadName) -> Known<'_> {
        Known {
            configured: self.configured.get(workload),
            pulses: &self.pulses,
        }
    }

    /// Begins to ask those whose turn it is; when the next one's comes.
    pub(super) fn ask<D: Driver>(
        &mut self,
        driver: &Arc<D>,
        desired: &Desired,
        records: &BTreeMap<WorkloadName, Record>,
        containers: &[Container],
        now: Timestamp,
    ) -> Option<Timestamp> {
        let there = |id: &ContainerId| containers.iter().any(|c| c.id == *id);
        self.pulses.retain(|id, _| there(id));
        let mut wake_at = None;
        for (workload, record) in records {
            let Some(operation) = &record.operation else {
                continue;
            };
            let due = to_ask(operation, containers, &desired.catalog, self.of(workload));
            for (container, probe, at) in due {
                if self.asked.contains(&container.id) {
                    continue;
                }
                if now < at {
                    wake_at = Some(wake_at.map_or(at, |other: Timestamp| other.min(at)));
                    continue;
                }
                self.begin(driver, container.clone(), probe, now);
            }
        }
        wake_at
    }

    fn begin<D: Driver>(
        &mut self,
        driver: &Arc<D>,
        container: Container,
        probe: Probe,
        asked: Timestamp,
    ) {
        self.asked.insert(container.id.clone());
        let driver = Arc::clone(driver);
        self.asking.spawn(async move {
            let answer = driver.probe(&container.id, &probe).await;
            Heard {
                container,
                probe,
                asked,
                answer,
            }
        });
    }

    /// Completes when an answer has come; never, while nobody is asked.
    pub(super) async fn heard(&mut self, now: impl Fn() -> Timestamp) {
        match self.asking.join_next().await {
            Some(Ok(heard)) => self.keep(heard, now()),
            Some(Err(error)) => {
                tracing::error!(%error, "a probe ended in a defect");
                // Which one is not told: all may be asked anew.
                self.asked.clear();
            }
            None => std::future::pending().await,
        }
    }

    fn keep(&mut self, heard: Heard, came: Timestamp) {
        let Heard {
            container,
            probe,
            asked,
            answer,
        } = heard;
        self.asked.remove(&container.id);
        if let ProbeAnswer::Failed(why) | ProbeAnswer::Unknown(why) = &answer {
            tracing::debug!(container = container.name, %probe, why, "a probe did not pass");
        }
        let before = self.pulses.get(&container.id);
        let pulse = Pulse::heard(before, &container, &probe, answer, (asked, came));
        self.pulses.insert(container.id, pulse);
    }
}
