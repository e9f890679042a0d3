//! A coordinator that is killed at any moment goes on where it was, and an agent that is told to stop leaves nobody
//! without a container. Agents and engines are killed in tests/torture.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::fleet::CONTAINER;
use harness::registry::{PASSWORD, USER};
use harness::{App, Fleet, FleetSpec, eventually, scenario};
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

/// The old one takes longer to stop than anything else of the agent may take to end.
#[test]
fn an_agent_that_is_told_to_stop_in_mid_cut_over_starts_the_next_container_first() {
    scenario(async |world| {
        let spec = FleetSpec {
            containers: false,
            ..FleetSpec::of(1)
        };
        let mut fleet = Fleet::start(world, &spec).await?;
        let (v1, machine) = (fleet.v1.clone(), &fleet.machines[0]);
        let image = v1.reference();
        machine.tenant.engine().pull(&image, USER, PASSWORD).await?;
        let run = format!(
            "run --detach --name {CONTAINER} --restart always --stop-timeout 14 --env APP_DRAIN_MS=11000 {image}"
        );
        machine.tenant.docker(&run.split(' ').collect::<Vec<_>>())?;
        machine.runs(&v1.digest, SOON).await?;

        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        let machine = &mut fleet.machines[0];
        eventually("the old one is told to stop", SOON, async || {
            let events = "events --since 0 --until 0s --filter event=kill";
            let told = machine
                .tenant
                .docker(&events.split(' ').collect::<Vec<_>>())?;
            (!told.is_empty()).then_some(()).context("nobody is")
        })
        .await?;
        machine.agent.stop().await?;
        let stands = machine.tenant.engine().container(CONTAINER).await?;
        ensure!(stands.running && stands.has(&v2.digest), "{stands:#?}");

        machine.agent.start_again(&machine.tenant).await?;
        let phase = "ROLLOUT_PHASE_COMPLETED";
        fleet.rollout_is(&rollout, phase, SOON).await?;
        fleet.machines[0].is_tidy(SOON).await
    });
}
