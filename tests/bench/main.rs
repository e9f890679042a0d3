//! `make bench`: what Pinion costs beside the bare engine, side by side in one run.
//!
//! 1. **Rollout.** From the pipeline's promotion until four engines show the new digest healthy, against
//!    `docker pull`, `stop`, `rm`, `run` typed on the same four at once. Every round has a fresh image each.
//! 2. **Downtime.** A prober on the published port every 2 ms, through one recreate by Pinion, against the
//!    engine API's own stop → start of a container that was created beforehand (the floor).
//! 3. **Memory.** Resident size of the coordinator and of the agents after that.
//!
//! `PINION_BENCH_ROUNDS` sets the number of interleaved pairs (10). Figures are medians with their range.

mod by_hand;
mod downtime;
mod prober;
mod rollout;
mod sample;

use std::fs;
use std::time::Duration;

use anyhow::Context as _;
use harness::World;
use harness::fleet::{Fleet, FleetSpec};

/// All machines at once and no wait that the peer does not have.
const CONFIGURATION: &str = r#"
default_registry = "test"
[registry.test]
prefix = "registry.invalid/molecule-ai"
[workload.workspace-server]
images = { test = "platform" }
rollout = "auto"
strategy = "bench"
[strategy.bench]
max_in_flight = "100%"
min_healthy = "0s"
healthy_deadline = "60s"
progress_deadline = "120s"
soak = "0s"
stage = [ { rest = true } ]
"#;

/// Longest that one measured step may take.
const DEADLINE: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    harness::needs::check()?;
    harness::scenario::end_worlds_on_signals();
    let rounds = match std::env::var("PINION_BENCH_ROUNDS") {
        Ok(text) => text
            .parse()
            .context("PINION_BENCH_ROUNDS must be a number")?,
        Err(_) => 10,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let world = World::new()?;
    runtime.block_on(measure(&world, rounds))
}

async fn measure(world: &World, rounds: usize) -> anyhow::Result<()> {
    let spec = FleetSpec {
        configuration: CONFIGURATION.to_owned(),
        ..FleetSpec::default()
    };
    let fleet = Fleet::start(world, &spec).await?;
    println!("{rounds} interleaved pairs; median [min – max]");
    rollout::measure(world, &fleet, rounds).await?;
    downtime::measure(world, &fleet, rounds).await?;
    memory(&fleet)
}

fn memory(fleet: &Fleet) -> anyhow::Result<()> {
    let coordinator = resident_mib(fleet.coordinator.id()?)?;
    println!("memory    coordinator {coordinator:.1} MiB resident, 4 agents connected");
    for machine in &fleet.machines {
        let mib = resident_mib(machine.agent.id()?)?;
        println!(
            "memory    agent {} {mib:.1} MiB resident",
            machine.tenant.name()
        );
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
