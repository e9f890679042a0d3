//! Which images a machine keeps, and what a disk without room does.

use std::collections::BTreeSet;

use anyhow::ensure;
use bollard::query_parameters::ListImagesOptions;
use harness::agent::MIN_FREE_MIB;
use harness::fleet::{Machine, REPOSITORY, run_by_hand};
use harness::registry::{PASSWORD, USER};
use harness::{App, Fleet, FleetSpec, SmallDisk, World, eventually, scenario};

use crate::support::{SOON, ensure_untouched, failure};

/// Every digest that the engine itself lists.
async fn images(machine: &Machine) -> anyhow::Result<BTreeSet<String>> {
    let docker = machine.tenant.engine().docker();
    let options = ListImagesOptions {
        all: true,
        digests: true,
        ..Default::default()
    };
    let listed = docker.list_images(Some(options)).await?;
    let digests = listed.iter().flat_map(|image| &image.repo_digests);
    let digests = digests.filter_map(|reference| Some(reference.split_once('@')?.1.to_owned()));
    Ok(digests.collect())
}

#[test]
fn after_five_updates_three_proven_images_remain_and_what_was_there_before() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let machine = &fleet.machines[0];
        // Of the same repository, by digest alone, and no tag on it: whoever prunes would take it.
        let foreign = fleet
            .registry
            .push(world, REPOSITORY, &App::new("foreign"))?;
        let engine = machine.tenant.engine();
        engine.pull(&foreign.reference(), USER, PASSWORD).await?;

        let mut proven = Vec::new();
        for version in ["v2", "v3", "v4", "v5", "v6"] {
            let (pushed, rollout) = fleet.release(world, &App::new(version))?;
            fleet
                .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
                .await?;
            machine.runs(&pushed.digest, SOON).await?;
            proven.push(pushed.digest);
        }
        let kept = proven.iter().rev().take(3).cloned();
        let before = [fleet.v1.digest.clone(), foreign.digest.clone()];
        let expected: BTreeSet<String> = kept.chain(before).collect();
        eventually("exactly these images are left", SOON, async || {
            let left = images(machine).await?;
            ensure!(left == expected, "{left:#?}, not {expected:#?}");
            Ok(())
        })
        .await?;
        machine.is_tidy(SOON).await?;
        let shown = fleet.cli.agent("t1")?.to_string();
        ensure!(
            shown.contains("was removed: nobody needs it any more"),
            "{shown}"
        );
        Ok(())
    });
}

/// A machine whose engine has a disk of 1 GiB, and runs v1.
async fn on_a_small_disk(world: &World) -> anyhow::Result<(SmallDisk, Fleet)> {
    let spec = FleetSpec {
        containers: false,
        ..FleetSpec::of(1)
    };
    let mut fleet = Fleet::start(world, &spec).await?;
    let reference = fleet.v1.reference();
    let tenant = &mut fleet.machines[0].tenant;
    tenant.stop_engine().await?;
    let disk = SmallDisk::in_a_file(&tenant.directory().join("data"), 1024)?;
    tenant.start_engine().await?;
    run_by_hand(tenant, &reference).await?;
    fleet.machines[0].runs(&fleet.v1.digest, SOON).await?;
    Ok((disk, fleet))
}

#[test]
fn what_does_not_fit_is_not_pulled_whole_and_the_old_container_runs() {
    scenario(async |world| {
        let (disk, fleet) = on_a_small_disk(world).await?;
        let machine = &fleet.machines[0];
        let before = machine.container().await?;
        let there = images(machine).await?;

        // Room for what is to stay free and for the image, not for the image unpacked.
        disk.leave(MIN_FREE_MIB + 130)?;
        let large = App::new("v2").with_ballast(100 * 1024 * 1024);
        let (v2, rollout) = fleet.release(world, &large)?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON * 3)
            .await?;
        let member = fleet.member(&rollout, "t1")?;
        let (kind, message) = failure(&member);
        ensure!(kind == "FAILURE_KIND_DISK", "{member:#}");
        ensure!(
            message.contains("its missing layers are 10") && message.contains("are lacking"),
            "{message}"
        );
        ensure_untouched(&before, &machine.container().await?)?;
        ensure!(
            images(machine).await? == there,
            "something was left or lost"
        );
        eventually("the engine let go of what it had begun", SOON, async || {
            let free = disk.free()? / 1024 / 1024;
            ensure!(free > MIN_FREE_MIB + 100, "{free} MiB are free");
            Ok(())
        })
        .await?;

        disk.make_room()?;
        fleet.cli.json(&["rollout", "retry", &rollout])?;
        fleet.cli.json(&["rollout", "resume", &rollout])?;
        machine.runs(&v2.digest, SOON).await.map(drop)
    });
}
