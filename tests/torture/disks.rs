//! Disks that are full to their last byte.

use anyhow::ensure;
use harness::{App, Behaviour, Fleet, FleetSpec, SmallDisk, eventually, scenario};

use crate::invariants::{Order, give_volumes, hold_in_the_end, hold_soon, stands_in_its_place};
use crate::size::{self, SOON};

async fn fleet(world: &harness::World) -> anyhow::Result<Fleet> {
    let spec = FleetSpec {
        configuration: size::configuration(),
        ..FleetSpec::of(1)
    };
    let fleet = Fleet::start(world, &spec).await?;
    give_volumes(&fleet, Order::StopFirst).await?;
    Ok(fleet)
}

/// Its state moves to a disk of its own.
async fn on_a_small_disk(fleet: &mut Fleet) -> anyhow::Result<SmallDisk> {
    let machine = &mut fleet.machines[0];
    machine.agent.stop().await?;
    let disk = SmallDisk::in_memory(&machine.agent.state(), 4)?;
    machine.agent.start_again(&machine.tenant).await?;
    fleet.all_online().await?;
    Ok(disk)
}

#[test]
fn a_full_disk_of_the_agents_stops_no_way_back() {
    scenario(async |world| {
        let mut fleet = fleet(world).await?;
        let disk = on_a_small_disk(&mut fleet).await?;
        // Once with the agent that began it, once with one that starts on the full disk.
        for (version, is_killed) in [("v2", false), ("v3", true)] {
            let bad = App::new(version).that(Behaviour::Unhealthy);
            let (pushed, rollout) = fleet.release(world, &bad)?;
            stands_in_its_place(&fleet.machines[0], &pushed.digest).await?;
            disk.fill()?;
            if is_killed {
                let machine = &mut fleet.machines[0];
                machine.agent.kill()?;
                machine.agent.start_again(&machine.tenant).await?;
            }
            fleet
                .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
                .await?;
            hold_in_the_end(&fleet.machines[0], &fleet.v1.digest, SOON).await?;
            disk.make_room()?;
        }
        Ok(())
    });
}

#[test]
fn on_a_full_disk_an_update_that_has_its_room_goes_through() {
    scenario(async |world| {
        let mut fleet = fleet(world).await?;
        let disk = on_a_small_disk(&mut fleet).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        let completed = "ROLLOUT_PHASE_COMPLETED";
        fleet.rollout_is(&rollout, completed, SOON).await?;
        hold_in_the_end(&fleet.machines[0], &v2.digest, SOON).await?;
        disk.fill()?;
        let (v3, rollout) = fleet.release(world, &App::new("v3"))?;
        fleet.rollout_is(&rollout, completed, SOON).await?;
        hold_in_the_end(&fleet.machines[0], &v3.digest, SOON).await
    });
}

#[test]
fn on_a_full_disk_an_update_without_its_room_waits_and_says_so() {
    scenario(async |world| {
        let mut fleet = fleet(world).await?;
        let disk = on_a_small_disk(&mut fleet).await?;
        let before = fleet.machines[0].container().await?;
        disk.fill()?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        eventually("it says what it waits for", SOON, async || {
            let member = fleet.member(&rollout, "t1")?;
            let told = format!("{member} {}", fleet.machines[0].agent.printed());
            ensure!(told.contains("No space left on device"), "{told}");
            Ok(())
        })
        .await?;
        let now = fleet.machines[0].container().await?;
        ensure!(now.id == before.id && now.running, "it was touched");
        disk.make_room()?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        hold_in_the_end(&fleet.machines[0], &v2.digest, SOON).await
    });
}

#[test]
fn a_full_disk_of_the_engines_leaves_the_old_container_running() {
    scenario(async |world| {
        let mut fleet = fleet(world).await?;
        let tenant = &mut fleet.machines[0].tenant;
        tenant.stop_engine().await?;
        let disk = SmallDisk::in_a_file(&tenant.directory().join("data"), 96)?;
        tenant.start_engine().await?;
        let before = fleet.machines[0].runs(&fleet.v1.digest, SOON).await?;
        disk.fill()?;
        let large = App::new("v2").with_ballast(8 << 20);
        let (_, rollout) = fleet.release(world, &large)?;
        let halted = fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON * 2)
            .await?;
        let member = fleet.member(&rollout, "t1")?;
        ensure!(
            member["failure"]["kind"] == "FAILURE_KIND_DISK",
            "{member:#} {halted:#}"
        );
        hold_soon(&fleet.machines[0], SOON).await?;
        let now = fleet.machines[0].container().await?;
        ensure!(now.id == before.id && now.running, "it was touched");
        disk.make_room()?;
        hold_in_the_end(&fleet.machines[0], &fleet.v1.digest, SOON).await
    });
}
