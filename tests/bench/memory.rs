//! Resident size of the processes.

use harness::fleet::Fleet;

use crate::footprint::field_mib;

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

/// What of a process is in memory (proc(5)), in MiB.
fn resident_mib(id: u32) -> anyhow::Result<f64> {
    field_mib(&format!("/proc/{id}/status"), "VmRSS:")
}
