//! `[workload.NAME]`: what a machine does differently for one workload.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use pinion_model::WorkloadName;
use pinion_workload::probe::Probe;

use super::ConfigError;
use super::keys::Keys;
use crate::in_use::{HookCommand, IdleProbe, LONGEST_DRAIN};

/// Longest time that a hook may be given: well within the usual `start_within`
/// and `progress_deadline` of a rollout, which count it.
const LONGEST_HOOK: Duration = Duration::from_secs(300);

/// One of these tables. What it leaves out is as for every workload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkloadSettings {
    /// How its containers are asked whether they serve, those apart that have
    /// a label of their own.
    pub probe: Option<Probe>,
    /// Run before its containers are stopped; may put that off.
    pub pre_cut: Option<HookCommand>,
    /// Run after each next container was started.
    pub post_start: Option<HookCommand>,
    /// Points a proxy from one container to the other while both run, where
    /// they are replaced start-first.
    pub switch: Option<HookCommand>,
    /// Asked whether its containers are idle, those apart that have a label of
    /// their own.
    pub idle: Option<IdleProbe>,
    /// With more connections to its published ports than this it is in use.
    /// None: they are not counted.
    pub max_connections: Option<u32>,
    /// From the gate's opening to the stop, unless a container's label says
    /// another.
    pub drain: Option<Duration>,
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
    entry.only(&[
        "probe",
        "pre_cut",
        "post_start",
        "switch",
        "hook_timeout",
        "idle",
        "max_connections",
        "drain",
    ])?;
    let timeout = up_to(entry, "hook_timeout", LONGEST_HOOK)?;
    let timeout = timeout.unwrap_or(HookCommand::USUAL_TIMEOUT);
    Ok(WorkloadSettings {
        probe: entry.parsed("probe")?,
        pre_cut: hook(entry, "pre_cut", timeout)?,
        post_start: hook(entry, "post_start", timeout)?,
        switch: hook(entry, "switch", timeout)?,
        idle: idle(entry)?,
        max_connections: max_connections(entry)?,
        drain: up_to(entry, "drain", LONGEST_DRAIN)?,
    })
}

fn hook(
    entry: &Keys<'_>,
    key: &str,
    timeout: Duration,
) -> Result<Option<HookCommand>, ConfigError> {
    let command: Vec<String> = entry.strings(key)?;
    let Some(program) = command.first() else {
        return Ok(None);
    };
    if !Path::new(program).is_absolute() {
        return Err(entry.value(
            key,
            "a program with its arguments, the program as an absolute path, such as [\"/etc/pinion/hooks/drain\"]",
            program,
        ));
    }
    Ok(Some(HookCommand { command, timeout }))
}

fn idle(entry: &Keys<'_>) -> Result<Option<IdleProbe>, ConfigError> {
    let Some(text) = entry.string("idle")? else {
        return Ok(None);
    };
    match IdleProbe::parse(text) {
        Some(probe) => Ok(Some(probe)),
        // What stands there may hold a password.
        None => Err(entry.value("idle", IdleProbe::ALLOWED, "something else")),
    }
}

fn max_connections(entry: &Keys<'_>) -> Result<Option<u32>, ConfigError> {
    let Some(number) = entry.natural("max_connections")? else {
        return Ok(None);
    };
    u32::try_from(number)
        .map(Some)
        .map_err(|_| entry.value("max_connections", "at most 4294967295", &number))
}

fn up_to(entry: &Keys<'_>, key: &str, limit: Duration) -> Result<Option<Duration>, ConfigError> {
    match entry.duration(key)? {
        Some(time) if time.is_zero() && key == "hook_timeout" || time > limit => Err(entry.value(
            key,
            "more than 0 and at most \"5m\"",
            &pinion_model::written(time),
        )),
        time => Ok(time),
    }
}
