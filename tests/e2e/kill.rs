//! A coordinator that is killed at any moment goes on where it was. Agents and engines are killed in
//! tests/torture.

use std::time::Duration;

use anyhow::ensure;
use harness::{App, Fleet, FleetSpec, scenario};
use rand::{Rng as _, SeedableRng as _};

use crate::support::SOON;

/// About as long as an update of one machine takes, in milliseconds.
const UPDATE: std::ops::Range<u64> = 0..2500;

#[test]
fn a_coordinator_killed_in_mid_rollout_goes_on_where_it_was() {
    let seed = harness::seed();
    scenario(async move |world| {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut fleet = Fleet::start(world, &FleetSpec::default()).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(random.random_range(UPDATE))).await;
            fleet.coordinator.kill()?;
            fleet.coordinator.start_again().await?;
            // What was acknowledged before the kill is there after it.
            let shown = fleet.cli.rollout(&rollout)?;
            ensure!(shown["digest"] == v2.digest.as_str(), "{shown:#}");
        }
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON * 2)
            .await?;
        for machine in &fleet.machines {
            machine.runs(&v2.digest, SOON).await?;
            machine.is_tidy(SOON).await?;
        }
        Ok(())
    });
}

#[test]
fn a_promotion_that_was_acknowledged_survives_a_kill_at_once() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet.coordinator.kill()?;
        fleet.coordinator.start_again().await?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        fleet.machines[0].runs(&v2.digest, SOON).await.map(drop)
    });
}
