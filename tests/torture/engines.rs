//! `kill -9` of the engine.

use std::time::Duration;

use harness::fleet::Machine;
use harness::{App, Fleet, FleetSpec, scenario};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::invariants::{Tally, give_volumes, hold_in_the_end, hold_soon, is_back};
use crate::size::{self, CONFIGURATION, SOON};

/// About as long as an update of one machine takes, in milliseconds.
const UPDATE: std::ops::Range<u64> = 0..3000;

#[test]
fn engines_killed_at_random_moments_of_updates_lose_nothing() {
    engines_killed("{}");
}

#[test]
fn engines_killed_whose_containers_live_on_lose_nothing() {
    engines_killed(r#"{"live-restore": true}"#);
}

fn engines_killed(daemon: &'static str) {
    let seed = size::seed();
    scenario(async move |world| {
        let mut random = StdRng::seed_from_u64(seed);
        let (machines, rounds) = size::of((1, 2), (2, 13));
        let spec = FleetSpec {
            configuration: CONFIGURATION.to_owned(),
            ..FleetSpec::of(machines)
        };
        let mut fleet = Fleet::start(world, &spec).await?;
        for machine in &mut fleet.machines {
            machine.tenant.configure_engine(daemon)?;
            machine.tenant.stop_engine().await?;
            machine.tenant.start_engine().await?;
        }
        give_volumes(&fleet).await?;
        let mut tally = Tally::default();
        for round in 0..rounds {
            let (pushed, rollout) = fleet.release(world, &App::new(&format!("v{}", round + 2)))?;
            let moments: Vec<_> = (0..machines).map(|_| random.random_range(UPDATE)).collect();
            let killed = fleet.machines.iter_mut().zip(moments);
            let killed = killed.map(|(machine, moment)| kill(machine, moment));
            for containers in futures_util::future::try_join_all(killed).await? {
                tally.note(&containers, &pushed.digest);
            }
            // An engine's end is not the image's fault.
            let phase = "ROLLOUT_PHASE_COMPLETED";
            fleet.rollout_is(&rollout, phase, SOON).await?;
            for machine in &fleet.machines {
                hold_in_the_end(machine, &pushed.digest, SOON).await?;
            }
        }
        tally.tell(&format!("kills of the engine, {daemon}"), world);
        Ok(())
    });
}

/// Kills an engine at that moment, and starts it again. What it showed then.
async fn kill(
    machine: &mut Machine,
    moment: u64,
) -> anyhow::Result<Vec<harness::engine::Container>> {
    tokio::time::sleep(Duration::from_millis(moment)).await;
    machine.tenant.kill_engine()?;
    machine.tenant.start_engine().await?;
    let containers = hold_soon(machine, SOON).await?;
    is_back(machine).await?;
    Ok(containers)
}
