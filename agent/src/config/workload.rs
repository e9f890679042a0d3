//! `[workload.NAME]`: what a machine does differently for one workload.

use std::collections::BTreeMap;

use pinion_model::WorkloadName;
use pinion_workload::probe::Probe;

use super::ConfigError;
use super::keys::Keys;

/// One of these tables. What it leaves out is as for every workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadSettings {
    /// How its containers are asked whether they serve, those apart that have
    /// a label of their own.
    pub probe: Option<Probe>,
}

pub(super) fn read(
    root: &Keys<'_>,
) -> Result<BTreeMap<WorkloadName, WorkloadSettings>, ConfigError> {
    let Some(table) = root.table("workload")? else {
        return Ok(BTreeMap::new());
    };
    let mut workloads = BTreeMap::new();
    for name in table.names() {
        let workload = name
            .parse()
            .map_err(|_| table.value(name, "named after a workload, such as \"codex\"", name))?;
        let entry = table.table(name)?.expect("it is among the table's names");
        workloads.insert(workload, settings(&entry)?);
    }
    Ok(workloads)
}

fn settings(entry: &Keys<'_>) -> Result<WorkloadSettings, ConfigError> {
    entry.only(&["probe"])?;
    Ok(WorkloadSettings {
        probe: entry.parsed("probe")?,
    })
}
