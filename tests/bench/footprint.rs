//! What an agent takes while nothing happens: ten containers, a live session, a real engine.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use harness::World;
use harness::engine::Run;
use harness::fleet::{Fleet, FleetSpec};

/// Containers on the machine, that of the workload included.
const CONTAINERS: usize = 10;
/// Goal, in MiB resident.
const MEMORY_GOAL: f64 = 12.0;
/// Goal, in percent of a core.
const TIME_GOAL: f64 = 0.1;

/// Lets one machine rest, then measures it.
pub(crate) async fn measure(world: &World) -> anyhow::Result<()> {
    let spec = FleetSpec {
        // As the unit that we ship.
        agent_environment: vec![("MALLOC_ARENA_MAX".to_owned(), "1".to_owned())],
        ..FleetSpec::of(1)
    };
    let fleet = Fleet::start(world, &spec).await?;
    let machine = &fleet.machines[0];
    for n in 1..CONTAINERS {
        let run = Run::new(&format!("beside-{n}"), &fleet.v1.reference());
        machine.tenant.engine().run(&run).await?;
    }
    let id = machine.agent.id()?;
    tokio::time::sleep(seconds("PINION_BENCH_SETTLE", 120)?).await;
    let (began, used) = (Instant::now(), cpu_seconds(id)?);
    tokio::time::sleep(seconds("PINION_BENCH_IDLE", 300)?).await;
    let idle = began.elapsed();
    let share = (cpu_seconds(id)? - used) / idle.as_secs_f64() * 100.0;
    let status = format!("/proc/{id}/status");
    let resident = field_mib(&status, "VmRSS:")?;
    let rollup = format!("/proc/{id}/smaps_rollup");
    let (proportional, own) = (field_mib(&rollup, "Pss:")?, field_mib(&status, "RssAnon:")?);
    println!(
        "idle      agent with {CONTAINERS} containers: {resident:.1} MiB resident ({own:.1} its own, {proportional:.1} proportional), \
         {share:.3} % of a core over {} s; goals {MEMORY_GOAL} MiB, {TIME_GOAL} %: {}",
        idle.as_secs(),
        verdict(resident <= MEMORY_GOAL && share <= TIME_GOAL)
    );
    Ok(())
}

fn verdict(is_reached: bool) -> &'static str {
    if is_reached { "reached" } else { "MISSED" }
}

fn seconds(variable: &str, usual: u64) -> anyhow::Result<Duration> {
    let text = std::env::var(variable).unwrap_or_else(|_| usual.to_string());
    let seconds = text.parse();
    Ok(Duration::from_secs(seconds.with_context(|| {
        format!("{variable} must be a number of seconds")
    })?))
}

/// User and system time of a process (proc(5)), in seconds.
fn cpu_seconds(id: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("a name in parentheses")?;
    let fields: Vec<&str> = fields.split(' ').collect();
    let ticks =
        |at: usize| -> anyhow::Result<f64> { Ok(fields.get(at).context("a field")?.parse()?) };
    // Fields 14 and 15 of the line; the third follows the name. 100 ticks a second on every Linux.
    Ok((ticks(11)? + ticks(12)?) / 100.0)
}

/// A figure in KiB of a file in /proc, in MiB.
pub(crate) fn field_mib(file: &str, field: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find(|line| line.starts_with(field));
    let line = line.with_context(|| format!("{field} in {file}"))?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .context("a figure")?
        .parse()?;
    Ok(kib / 1024.0)
}
