//! Images that are bad stop themselves, and are taken back.

use anyhow::ensure;
use harness::fleet::members;
use harness::{App, Behaviour, Fleet, FleetSpec, scenario};

use crate::support::{SOON, configuration, containers, ensure_untouched, failure};

#[test]
fn an_image_that_crashes_halts_in_the_first_stage_and_is_taken_back() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::default()).await?;
        let before = containers(&fleet).await?;
        let crashing = App::new("v3").that(Behaviour::Crash);
        let (v3, rollout) = fleet.release(world, &crashing)?;

        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        let halted = fleet.cli.rollout(&rollout)?;
        let reached: Vec<_> = members(&halted)
            .filter(|member| member["phase"] != "AGENT_PHASE_UNSPECIFIED")
            .collect();
        ensure!(
            reached.len() == 1,
            "more than one machine was reached: {halted:#}"
        );
        let name = reached[0]["agent"].as_str().unwrap_or_default().to_owned();
        let member = fleet
            .member_is(&rollout, &name, "AGENT_PHASE_ROLLED_BACK", SOON)
            .await?;
        let (kind, _) = failure(&member);
        ensure!(
            ["FAILURE_KIND_START", "FAILURE_KIND_HEALTH"].contains(&kind),
            "{member:#}"
        );
        let tail = member["failure"]["log_tail"].as_str().unwrap_or_default();
        ensure!(
            tail.contains("cannot load the model catalogue"),
            "{member:#}"
        );

        for (machine, before) in fleet.machines.iter().zip(&before) {
            machine.is_tidy(SOON).await?;
            machine.runs(&fleet.v1.digest, SOON).await?;
            let now = machine.container().await?;
            ensure!(!now.has(&v3.digest), "v3 is left running");
            match machine.tenant.name() == name {
                // Taking back is starting the very container that was stopped.
                true => ensure!(now.id == before.id, "the old one was replaced"),
                false => ensure_untouched(before, &now)?,
            }
        }
        let why = fleet
            .cli
            .json(&["rollout", "explain", &rollout])?
            .to_string();
        ensure!(why.contains(&name), "explain does not name {name}: {why}");
        ensure!(
            fleet
                .cli
                .output(&["rollout", "watch", &rollout])?
                .status
                .code()
                == Some(3)
        );
        Ok(())
    });
}

#[test]
fn an_image_that_never_gets_healthy_is_taken_back() {
    scenario(async |world| {
        let changes = [("healthy_deadline", "\"8s\"")];
        is_taken_back(world, &changes, Behaviour::Unhealthy).await
    });
}

#[test]
fn an_image_that_turns_unhealthy_in_its_soak_is_taken_back() {
    scenario(async |world| {
        let changes = [("soak", "\"20s\"")];
        is_taken_back(world, &changes, Behaviour::RegressAfter(5.0)).await
    });
}

#[test]
fn an_image_that_crashes_in_its_soak_is_taken_back() {
    scenario(async |world| {
        let changes = [("soak", "\"20s\"")];
        is_taken_back(world, &changes, Behaviour::CrashAfter(5.0)).await
    });
}

async fn is_taken_back(
    world: &harness::World,
    changes: &[(&str, &str)],
    behaviour: Behaviour,
) -> anyhow::Result<()> {
    let spec = FleetSpec {
        configuration: configuration(changes),
        ..FleetSpec::of(1)
    };
    let fleet = Fleet::start(world, &spec).await?;
    let before = fleet.machines[0].container().await?;
    let (_, rollout) = fleet.release(world, &App::new("v2").that(behaviour))?;
    let member = fleet
        .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", SOON)
        .await?;
    ensure!(
        !failure(&member).1.is_empty(),
        "it does not say why: {member:#}"
    );
    fleet
        .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
        .await?;
    let now = fleet.machines[0].runs(&fleet.v1.digest, SOON).await?;
    ensure!(now.id == before.id, "the old container was replaced");
    fleet.machines[0].is_tidy(SOON).await
}

#[test]
fn an_operator_takes_a_finished_rollout_back() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::of(2)).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        for machine in &fleet.machines {
            machine.runs(&v2.digest, SOON).await?;
        }
        fleet
            .cli
            .json(&["rollout", "rollback", &rollout, "--reason", "logins fail"])?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_ROLLED_BACK", SOON)
            .await?;
        for machine in &fleet.machines {
            machine.runs(&fleet.v1.digest, SOON).await?;
            machine.is_tidy(SOON).await?;
        }
        Ok(())
    });
}
