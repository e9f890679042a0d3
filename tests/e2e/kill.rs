//! Killed at any moment, everything converges when it is back.

use std::time::Duration;

use anyhow::ensure;
use harness::{App, Behaviour, Fleet, FleetSpec, eventually, scenario};
use rand::{Rng as _, SeedableRng as _};

use crate::support::SOON;

/// How many times an agent is killed in the middle of an update.
const KILLS: usize = 12;
/// About as long as an update of one machine takes, in milliseconds.
const UPDATE: std::ops::Range<u64> = 0..2500;

#[test]
fn an_agent_killed_at_random_moments_converges_and_leaves_nothing() {
    // A seed of the run, named on failure, so that the same moments can be tried again.
    let seed = seed();
    println!("PINION_TEST_SEED={seed}");
    scenario(async move |world| {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        for round in 0..KILLS {
            let (pushed, rollout) = fleet.release(world, &App::new(&format!("v{}", round + 2)))?;
            tokio::time::sleep(Duration::from_millis(random.random_range(UPDATE))).await;
            let machine = &mut fleet.machines[0];
            machine.agent.kill()?;
            machine.agent.start_again(&machine.tenant).await?;

            let machine = &fleet.machines[0];
            machine.runs(&pushed.digest, SOON).await?;
            fleet
                .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
                .await?;
            machine.is_tidy(SOON).await?;
        }
        Ok(())
    });
}

#[test]
fn an_agent_killed_while_it_takes_a_bad_image_back_finishes_that() {
    let seed = seed();
    println!("PINION_TEST_SEED={seed}");
    scenario(async move |world| {
        let mut random = rand::rngs::StdRng::seed_from_u64(seed);
        let mut fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        for round in 0..4 {
            let bad = App::new(&format!("bad{round}")).that(Behaviour::CrashAfter(0.5));
            let (_, rollout) = fleet.release(world, &bad)?;
            tokio::time::sleep(Duration::from_millis(random.random_range(500..3000))).await;
            let machine = &mut fleet.machines[0];
            machine.agent.kill()?;
            machine.agent.start_again(&machine.tenant).await?;

            fleet
                .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
                .await?;
            let machine = &fleet.machines[0];
            machine.runs(&fleet.v1.digest, SOON).await?;
            machine.is_tidy(SOON).await?;
        }
        Ok(())
    });
}

#[test]
fn a_coordinator_killed_in_mid_rollout_goes_on_where_it_was() {
    let seed = seed();
    println!("PINION_TEST_SEED={seed}");
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

#[test]
fn an_engine_killed_in_mid_update_ends_with_one_running_container() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let (v2, _) = fleet.release(world, &App::new("v2"))?;
        eventually("the update has begun", SOON, async || {
            let containers = fleet.machines[0].tenant.engine().containers().await?;
            ensure!(
                containers.len() > 1,
                "{:?}",
                harness::fleet::names(&containers)
            );
            Ok(())
        })
        .await?;
        let tenant = &mut fleet.machines[0].tenant;
        tenant.kill_engine()?;
        tenant.start_engine().await?;
        let machine = &fleet.machines[0];
        machine.is_tidy(SOON * 2).await?;
        eventually("v1 or v2 is healthy", SOON, async || {
            let now = machine.container().await?;
            ensure!(
                now.runs(&v2.digest) || now.runs(&fleet.v1.digest),
                "{}",
                now.health
            );
            Ok(())
        })
        .await
    });
}

fn seed() -> u64 {
    let given = std::env::var("PINION_TEST_SEED").ok();
    given
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random)
}
