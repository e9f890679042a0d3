//! What the engine says, kept for the length of one turn.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use pinion_workload::{Container, ContainerId, Lookup};

use crate::driver::{Driver, EngineError, EngineInfo};
use crate::room::Disk;

/// What was asked of the engine in one turn.
pub(super) struct Observation {
    /// Its containers, or why it did not say.
    pub(super) containers: Result<Vec<Container>, String>,
    /// Images that were asked about.
    pub(super) images: BTreeMap<String, Lookup>,
}

impl Observation {
    /// Asks about those that were not asked about yet.
    pub(super) async fn look_up<D: Driver>(&mut self, driver: &D, references: Vec<String>) {
        if self.containers.is_err() {
            return;
        }
        for reference in references {
            if let Entry::Vacant(unknown) = self.images.entry(reference) {
                let found = match driver.image(unknown.key()).await {
                    Ok(image) => Lookup::Present(image),
                    Err(EngineError::NotFound(_)) => Lookup::Absent,
                    Err(_) => Lookup::Unknown,
                };
                unknown.insert(found);
            }
        }
    }
}

/// What the engine is, asked for until it answers, and what it showed last.
#[derive(Default)]
pub(super) struct Engine {
    info: Option<EngineInfo>,
    shown: BTreeSet<ContainerId>,
}

impl Engine {
    pub(super) async fn learn<D: Driver>(&mut self, driver: &D) {
        if self.info.is_none() {
            self.info = driver.info().await.ok();
        }
    }

    /// Looks at all containers. Those of the last look, and those that are
    /// `known`, are missing only if the engine says so of each.
    pub(super) async fn observe<D: Driver>(
        &mut self,
        driver: &D,
        known: &BTreeSet<ContainerId>,
    ) -> Observation {
        let containers = match driver.containers().await {
            Ok(containers) => self.without_gaps(driver, known, containers).await,
            Err(error) => Err(error.to_string()),
        };
        Observation {
            containers,
            images: BTreeMap::new(),
        }
    }

    async fn without_gaps<D: Driver>(
        &mut self,
        driver: &D,
        known: &BTreeSet<ContainerId>,
        containers: Vec<Container>,
    ) -> Result<Vec<Container>, String> {
        let shown: BTreeSet<_> = containers.iter().map(|c| c.id.clone()).collect();
        for id in self.shown.union(known).filter(|id| !shown.contains(*id)) {
            match driver.inspect(id).await {
                Err(EngineError::NotFound(_)) => {}
                Err(error) => return Err(error.to_string()),
                Ok(_) => return Err(format!("its list lacks container {id}, which it has")),
            }
        }
        self.shown = shown;
        Ok(containers)
    }

    /// Where it keeps its images.
    pub(super) fn disk(&self, floor: Option<u64>) -> Disk {
        Disk {
            directory: self.info.as_ref().map(|info| info.root_dir.clone()),
            floor,
        }
    }

    /// Its os and architecture.
    pub(super) fn platform(&self) -> Option<(&str, &str)> {
        self.info
            .as_ref()
            .map(|info| (info.os.as_str(), info.architecture.as_str()))
    }
}
