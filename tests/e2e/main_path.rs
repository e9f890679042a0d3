//! From a promoted digest to healthy containers everywhere.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::fleet::{PORT, WORKLOAD};
use harness::{App, Fleet, FleetSpec, eventually, scenario};
use serde_json::Value;

use crate::support::SOON;

#[test]
fn a_promoted_digest_reaches_four_machines_in_three_stages() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::default()).await?;
        let before = crate::support::containers(&fleet).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        stages_open_before_their_machines_change(&fleet, &rollout, &v2.digest).await?;

        let done = fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        let sizes: Vec<_> = stages(&done)
            .map(|stage| stage["agents"].as_u64())
            .collect();
        ensure!(sizes == [Some(1), Some(1), Some(2)], "{sizes:?}");
        for (machine, before) in fleet.machines.iter().zip(&before) {
            let now = machine.runs(&v2.digest, SOON).await?;
            ensure!(now.id != before.id, "the container was not recreated");
            ensure!(
                machine.tenant.http_get(PORT)? == "v2",
                "another version answers"
            );
            machine.is_tidy(SOON).await?;
            let config = now
                .inspect
                .config
                .context("a container has a configuration")?;
            let env = config.env.unwrap_or_default();
            ensure!(
                env.iter().any(|line| line == "TENANT=acme"),
                "the user's setting: {env:?}"
            );
            ensure!(
                env.iter().any(|line| line == "APP_VERSION=v2"),
                "the image's: {env:?}"
            );
            let labels = config.labels.unwrap_or_default();
            ensure!(
                labels.get("owner").is_some_and(|owner| owner == "platform"),
                "{labels:?}"
            );
        }
        let pins = fleet.cli.json(&["pin", "list"])?.to_string();
        ensure!(pins.contains(&v2.digest), "{pins}");
        Ok(())
    });
}

/// Engines are asked before the rollout is, and a stage opens once: so a machine that was seen to
/// run the new digest must be of a stage that is open or has passed by now.
async fn stages_open_before_their_machines_change(
    fleet: &Fleet,
    rollout: &str,
    digest: &str,
) -> anyhow::Result<()> {
    let what = "the rollout completes, stage after stage";
    let verdict = eventually(what, Duration::from_secs(90), async || {
        let mut changed = Vec::new();
        for machine in &fleet.machines {
            // Between two names there may be no container for a moment.
            if machine
                .container()
                .await
                .is_ok_and(|container| container.has(digest))
            {
                changed.push(machine.tenant.name());
            }
        }
        let now = fleet.cli.rollout(rollout)?;
        let closed = |stage: &&Value| stage["open"] != true && stage["passed"] != true;
        for stage in stages(&now).filter(closed) {
            let members = stage["members"].as_array().into_iter().flatten();
            for member in members {
                let name = member["agent"].as_str().unwrap_or_default();
                if changed.contains(&name) {
                    return Ok(Err(format!(
                        "{name} changed before its stage opened: {now:#}"
                    )));
                }
            }
        }
        ensure!(
            now["phase"] == "ROLLOUT_PHASE_COMPLETED",
            "{}",
            now["phase"]
        );
        Ok(Ok(()))
    });
    verdict.await?.map_err(anyhow::Error::msg)
}

fn stages(rollout: &Value) -> impl Iterator<Item = &Value> {
    rollout["stages"].as_array().into_iter().flatten()
}

#[test]
fn promoting_the_current_pin_again_changes_nothing_and_says_so() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        let before = fleet.machines[0].runs(&v2.digest, SOON).await?;

        let again = fleet
            .coordinator
            .promote(WORKLOAD, &v2.digest, &v2.source_sha)?;
        ensure!(again["changed"] == false, "{again}");
        let history = fleet.cli.json(&["pin", "history", WORKLOAD])?;
        ensure!(
            history["pins"]
                .as_array()
                .is_some_and(|pins| pins.len() == 1),
            "{history}"
        );
        crate::support::ensure_untouched(&before, &fleet.machines[0].container().await?)
    });
}

#[test]
fn a_machine_without_a_container_gets_the_image_ready_and_that_is_no_success() {
    scenario(async |world| {
        let spec = FleetSpec {
            containers: false,
            ..FleetSpec::of(1)
        };
        let fleet = Fleet::start(world, &spec).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_STAGED", SOON)
            .await?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;

        let machine = &fleet.machines[0];
        let image = format!("{}:current", v2.repository);
        let staged = machine
            .tenant
            .engine()
            .docker()
            .inspect_image(&image)
            .await?;
        let digests = staged.repo_digests.unwrap_or_default();
        ensure!(digests.contains(&v2.reference()), "{image} is {digests:?}");
        ensure!(
            machine.tenant.engine().containers().await?.is_empty(),
            "a container came to be"
        );
        let answer = machine
            .agent
            .ask_socket(&format!("/v1/workloads/{WORKLOAD}"))?;
        ensure!(answer["digest"] == v2.digest.as_str(), "{answer}");
        Ok(())
    });
}
