//! Resident size of the processes.

use std::fs;

use anyhow::Context as _;
use harness::fleet::Fleet;

pub(crate) fn measure(fleet: &Fleet) -> anyhow::Result<()> {
    println!("\n### Memory, resident\n");
    let coordinator = resident_mib(fleet.coordinator.id()?)?;
    let agents = fleet.machines.len();
    println!("- coordinator: {coordinator:.1} MiB, {agents} agents connected");
    for machine in &fleet.machines {
        let mib = resident_mib(machine.agent.id()?)?;
        println!("- agent {}: {mib:.1} MiB", machine.tenant.name());
    }
    Ok(())
}

/// `VmRSS` of a process (proc(5)), in MiB.
fn resident_mib(id: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("VmRSS")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .context("a figure")?
        .parse()?;
    Ok(kib / 1024.0)
}
