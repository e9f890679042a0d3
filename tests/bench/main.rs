//! `make bench`: what Pinion costs beside the bare engine and its other updaters, side by side in one run.
//!
//! 1. **Downtime.** A prober on the published port every 2 ms, through one update by each: the bare engine's
//!    stop → start of a container that was prepared (the floor), the docker command line, Pinion, Compose, Swarm.
//!    Then start-first, asked by name from a neighbour on the same network.
//! 2. **Overhead.** From the promotion, and from the operator's command, to the new container's first answer,
//!    against `docker pull`, `stop`, `rm`, `run` typed on the machine; image cached, and with a layer of 100 MB to pull.
//! 3. **Rollout.** From the pipeline's promotion until four engines show the new digest healthy, against the same
//!    commands typed on the four at once.
//! 4. **Memory.** Resident size of the coordinator and of the agents after that.
//! 5. **Footprint.** Memory and processor time of an agent that has nothing to do, on a machine with ten containers,
//!    two minutes after it began and for five.
//!
//! All series of one table are interleaved: one update of each, then the next round. What is printed is Markdown,
//! to be pasted. Nothing else of weight may run on the machine meanwhile.

mod by_hand;
mod downtime;
mod footprint;
mod memory;
mod overhead;
mod prober;
mod rollout;
mod sample;
mod table;

use std::time::Duration;

use clap::{Parser, ValueEnum};
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
[workload.beside]
images = { test = "beside" }
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

/// Measures Pinion beside the bare engine, Compose and Swarm.
#[derive(Debug, Parser)]
struct Args {
    /// Updates of each series
    #[arg(long, env = "PINION_BENCH_ROUNDS", default_value_t = 30)]
    rounds: usize,
    /// Interleaved pairs of Pinion and the floor; those beyond the rounds are of these two alone
    #[arg(long, env = "PINION_BENCH_PAIRS", default_value_t = 40)]
    pairs: usize,
    /// What to measure; without it, all
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Downtime,
    Overhead,
    Rollout,
    Footprint,
}

impl Args {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    harness::needs::check()?;
    harness::scenario::end_worlds_on_signals();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure(&args))
}

async fn measure(args: &Args) -> anyhow::Result<()> {
    println!("Medians [fastest – slowest]; of ratios and differences the median over the pairs");
    println!("[95 % interval of that median, percentile bootstrap].");
    if args.wants(Part::Downtime) {
        let world = World::new()?;
        let fleet = fleet(&world, 1, false).await?;
        downtime::measure(&world, &fleet, args.rounds, args.pairs).await?;
    }
    if args.wants(Part::Overhead) {
        let world = World::new()?;
        let fleet = fleet(&world, 1, true).await?;
        overhead::measure(&world, &fleet, args.rounds).await?;
    }
    if args.wants(Part::Rollout) {
        let world = World::new()?;
        let fleet = fleet(&world, 4, true).await?;
        rollout::measure(&world, &fleet, args.rounds).await?;
        memory::measure(&fleet)?;
    }
    if args.wants(Part::Footprint) {
        let world = World::new()?;
        footprint::measure(&world).await?;
    }
    Ok(())
}

async fn fleet(world: &World, tenants: u8, containers: bool) -> anyhow::Result<Fleet> {
    let spec = FleetSpec {
        tenants,
        containers,
        configuration: CONFIGURATION.to_owned(),
        ..FleetSpec::default()
    };
    Fleet::start(world, &spec).await
}
