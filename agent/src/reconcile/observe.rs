//! What the engine says, kept for the length of one turn.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use pinion_workload::{Container, Lookup, Room};

use crate::driver::{Driver, EngineError, EngineInfo};

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

    /// The room where it keeps its images; none if that is not a directory here,
    /// as where the agent is itself in a container.
    pub(super) fn room(&self, floor: u64) -> Option<Room> {
        let root = &self.0.as_ref()?.root_dir;
        let disk = rustix::fs::statvfs(root).ok()?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        Some(Room { free, floor })
    }

    /// Its os and architecture.
    pub(super) fn platform(&self) -> Option<(&str, &str)> {
        self.0
            .as_ref()
            .map(|info| (info.os.as_str(), info.architecture.as_str()))
    }
}
