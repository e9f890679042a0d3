//! What an agent sees of its machine, and what it tells of that.

use std::collections::BTreeSet;
use std::time::Duration;

use pinion_model::{Timestamp, WorkloadName};
use pinion_rollout::{Observation, ObservedContainer};
use pinion_workload::{ContainerState, Stage, containers_of, digest_of};

use super::{Inventory, Machine};

impl Machine {
    /// How long an event of the engine that was lost costs at most.
    pub(super) fn net(&self) -> Duration {
        let operations = self
            .journal
            .records
            .values()
            .filter_map(|record| record.operation.as_ref());
        let pause = |stage: &Stage| match stage {
            Stage::Cut | Stage::RollBack | Stage::Adopt => 1,
            Stage::Soak => 5,
            _ => 60,
        };
        Duration::from_secs(
            operations
                .map(|operation| pause(&operation.stage))
                .min()
                .unwrap_or(60),
        )
    }

    /// What its containers run, by workload.
    pub(super) fn look(&self) -> Inventory {
        let desired = &self.journal.desired;
        let names = desired
            .catalog
            .keys()
            .chain(desired.assignments.keys())
            .chain(self.journal.records.keys());
        let names: BTreeSet<_> = names.collect();
        names
            .into_iter()
            .map(|name| (name.clone(), self.look_at(name)))
            .collect()
    }

    fn look_at(&self, workload: &WorkloadName) -> Vec<ObservedContainer> {
        let catalog = &self.journal.desired.catalog;
        let mine = containers_of(workload, &self.engine.containers, catalog).unwrap_or_default();
        let observed = mine.into_iter().map(|container| ObservedContainer {
            name: container.name.as_str().into(),
            id: container.id.0.as_str().into(),
            digest: digest_of(container, catalog.get(workload)),
            running: container.state == ContainerState::Running,
            health: pinion_rollout::Health::of(container.health.word()),
        });
        observed.collect()
    }

    /// The same as a message.
    pub(crate) fn inventory_now(&self, at: Timestamp) -> Option<Observation> {
        self.inventory
            .as_ref()
            .map(|workloads| Observation::Inventory {
                agent: self.name.clone(),
                workloads: workloads.clone(),
                at,
            })
    }
}
