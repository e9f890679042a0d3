//! What the engine says, kept for the length of one turn.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use pinion_workload::{Container, Lookup};

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
    pub(super) async fn make<D: Driver>(driver: &D) -> Self {
        let containers = driver.containers().await.map_err(|error| error.to_string());
        Self {
            containers,
            images: BTreeMap::new(),
        }
    }

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

/// What the engine is, asked for until it answers.
#[derive(Default)]
pub(super) struct Engine(Option<EngineInfo>);

impl Engine {
    pub(super) async fn learn<D: Driver>(&mut self, driver: &D) {
        if self.0.is_none() {
            self.0 = driver.info().await.ok();
        }
    }

    /// Where it keeps its images.
    pub(super) fn disk(&self, floor: Option<u64>) -> Disk {
        Disk {
            directory: self.0.as_ref().map(|info| info.root_dir.clone()),
            floor,
        }
    }

    /// Its os and architecture.
    pub(super) fn platform(&self) -> Option<(&str, &str)> {
        self.0
            .as_ref()
            .map(|info| (info.os.as_str(), info.architecture.as_str()))
    }
}
