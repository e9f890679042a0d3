//! Machines that are away, come back, or come late.

use std::time::SystemTime;

use anyhow::{Context as _, ensure};
use harness::fleet::{CONTAINER, Machine, run_by_hand, setup};
use harness::{Agent, App, Fleet, FleetSpec, Tenant, scenario};
use pinion_agent::identity::IdentityDir;

use crate::support::{SOON, containers, ensure_all_untouched, ensure_untouched};

#[test]
fn a_rollout_waits_for_a_machine_that_is_cut_off_and_says_so() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::of(2)).await?;
        let away = &fleet.machines[1];
        away.tenant.cut()?;
        fleet.presence("t2", "PRESENCE_OFFLINE").await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet.machines[0].runs(&v2.digest, SOON).await?;

        harness::eventually(
            "explain names the machine and that it is offline",
            SOON,
            async || {
                let why = fleet
                    .cli
                    .json(&["rollout", "explain", &rollout])?
                    .to_string();
                ensure!(why.contains("t2") && why.contains("offline"), "{why}");
                Ok(())
            },
        )
        .await?;
        let running = fleet.cli.rollout(&rollout)?;
        ensure!(running["phase"] == "ROLLOUT_PHASE_RUNNING", "{running:#}");
        ensure!(
            away.container().await?.runs(&fleet.v1.digest),
            "being cut off changed something"
        );

        away.tenant.heal()?;
        fleet.presence("t2", "PRESENCE_ONLINE").await?;
        away.runs(&v2.digest, SOON).await?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await
            .map(drop)
    });
}

#[test]
fn a_machine_that_joins_late_gets_the_stable_digest() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;

        let tenant = Tenant::start(world, 2).await?;
        run_by_hand(&tenant, &fleet.v1.reference()).await?;
        let token = fleet.cli.enrolment_token("t2", &[])?;
        let agent = Agent::start(&tenant, &token, &setup(&fleet.registry.host())).await?;
        fleet.machines.push(Machine { agent, tenant });
        fleet.machines[1].runs(&v2.digest, SOON).await.map(drop)
    });
}

#[test]
fn a_coordinator_that_is_away_changes_nothing_on_the_machines() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &FleetSpec::of(2)).await?;
        let before = containers(&fleet).await?;
        fleet.coordinator.stop().await?;
        for machine in &mut fleet.machines {
            machine.agent.kill()?;
            machine.agent.launch(&machine.tenant)?;
        }
        fleet.coordinator.start_again().await?;
        fleet.all_online().await?;
        for (machine, before) in fleet.machines.iter().zip(&before) {
            ensure_untouched(before, &machine.container().await?)?;
        }
        Ok(())
    });
}

#[test]
fn on_its_return_a_machine_says_what_it_did_meanwhile() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        fleet.coordinator.stop().await?;
        let machine = &fleet.machines[0];
        let before = machine.container().await?;
        // Its user restarts it, while nobody is there to be told.
        let docker = machine.tenant.engine().docker();
        docker.restart_container(CONTAINER, None).await?;
        machine.runs(&fleet.v1.digest, SOON).await?;
        fleet.coordinator.start_again().await?;
        fleet.all_online().await?;
        let what = "the coordinator knows of the restart, and that nobody was told of it then";
        harness::eventually(what, SOON, async || {
            let shown = fleet.cli.agent("t1")?;
            let happenings = shown["happenings"].as_array().into_iter().flatten();
            let mut restarts = happenings.filter(|h| {
                let words = h["what"].as_str().unwrap_or_default();
                h["away"] == true && words.starts_with(&format!("container {CONTAINER} "))
            });
            ensure!(restarts.next().is_some(), "{shown:#}");
            Ok(())
        })
        .await?;
        ensure!(
            machine.container().await?.id == before.id,
            "it was replaced"
        );
        Ok(())
    });
}

#[test]
fn a_certificate_that_ended_while_its_machine_was_away_is_renewed_unless_it_was_revoked() {
    scenario(async |world| {
        let spec = FleetSpec {
            certificate_life: Some("8s"),
            ..FleetSpec::of(2)
        };
        let fleet = Fleet::start(world, &spec).await?;
        let before = containers(&fleet).await?;
        for machine in &fleet.machines {
            machine.tenant.cut()?;
        }
        fleet
            .cli
            .json(&["agent", "revoke", "t2", "--reason", "stolen"])?;
        fleet.presence("t1", "PRESENCE_OFFLINE").await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        for machine in &fleet.machines {
            certificate_has_ended(machine).await?;
        }
        ensure_all_untouched(&before, &fleet).await?;

        for machine in &fleet.machines {
            machine.tenant.heal()?;
        }
        fleet.machines[0].runs(&v2.digest, SOON).await?;
        let completed = "ROLLOUT_PHASE_COMPLETED";
        fleet.rollout_is(&rollout, completed, SOON).await?;
        let shown = fleet.cli.agent("t1")?["happenings"].to_string();
        ensure!(shown.contains("the certificate had ended"), "{shown}");

        let revoked = &fleet.machines[1];
        harness::eventually("t2 says what to do", SOON, async || {
            let said = revoked.agent.printed();
            let refused = said.lines().rfind(|line| line.contains("was not renewed"));
            let refused = refused.context("it was not refused")?;
            ensure!(refused.contains("enroll --force"), "{refused}");
            Ok(())
        })
        .await?;
        ensure_untouched(&before[1], &revoked.container().await?)
    });
}

/// Waits until the certificate that the machine keeps counts no more.
async fn certificate_has_ended(machine: &Machine) -> anyhow::Result<()> {
    let kept = IdentityDir::below(&machine.agent.state());
    let what = format!("the certificate of {} has ended", machine.tenant.name());
    harness::eventually(&what, SOON, async || {
        let not_after = kept.load()?.not_after;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        ensure!(
            now.as_millis() > not_after.0.into(),
            "it ends at {not_after}"
        );
        Ok(())
    })
    .await
}
