//! Prefetch and credential preflight: every machine has the image before any container is touched.

use anyhow::{Context as _, ensure};
use harness::agent::MIN_FREE_MIB;
use harness::fault::{Fault, Proxy, Rule};
use harness::registry::{USER, docker_config};
use harness::{App, Auth, Fleet, FleetSpec, Registry, World, scenario};
use serde_json::Value;

use crate::support::{SOON, configuration, containers, ensure_all_untouched};

/// A pass ahead of the stages that may lose nobody.
const PREFETCH: &str = "\"halt\"\nprefetch = { max_in_flight = \"100%\", failure_budget = 0 }";

/// Why each machine is not done.
fn reasons(fleet: &Fleet, rollout: &str) -> anyhow::Result<Vec<Value>> {
    let explained = fleet.cli.json(&["rollout", "explain", rollout])?;
    let agents = explained["agents"].as_array();
    Ok(agents.context("explain lists machines")?.clone())
}

#[test]
fn a_machine_that_cannot_log_in_stops_the_rollout_before_any_container_is_touched() {
    scenario(async |world| {
        let spec = FleetSpec {
            configuration: configuration(&[("on_failure", PREFETCH)]),
            ..FleetSpec::of(3)
        };
        let fleet = Fleet::start(world, &spec).await?;
        let locked_out = &fleet.machines[1];
        let config = std::fs::read(locked_out.agent.docker_config())?;
        let wrong = docker_config(&[(&fleet.registry.host(), USER, "not the password")]);
        std::fs::write(locked_out.agent.docker_config(), wrong)?;
        let before = containers(&fleet).await?;

        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        let halted = fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        let said = halted.to_string();
        ensure!(
            said.contains("could not get the image") && said.contains("t2 (credentials"),
            "{halted:#}"
        );
        let reasons = reasons(&fleet, &rollout)?;
        let of_t2 = reasons.iter().find(|reason| reason["agent"] == "t2");
        ensure!(
            of_t2.is_some_and(|reason| reason["reason"] == "prefetch_failed"),
            "{reasons:#?}"
        );
        ensure_all_untouched(&before, &fleet).await?;

        // Mended, asked once more and resumed, it goes its way.
        std::fs::write(locked_out.agent.docker_config(), config)?;
        fleet
            .cli
            .json(&["rollout", "retry", &rollout, "--agent", "t2"])?;
        fleet.cli.json(&["rollout", "resume", &rollout])?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        for machine in &fleet.machines {
            machine.runs(&v2.digest, SOON).await?;
            machine.is_tidy(SOON).await?;
        }
        Ok(())
    });
}

#[test]
fn a_machine_with_too_little_room_stops_the_rollout_before_any_container_is_touched() {
    scenario(async |world| {
        let spec = FleetSpec {
            configuration: configuration(&[("on_failure", PREFETCH)]),
            ..FleetSpec::of(2)
        };
        let mut fleet = Fleet::start(world, &spec).await?;
        let before = containers(&fleet).await?;
        // More than any disk has.
        let full = &mut fleet.machines[1];
        let file = full.agent.state().join("agent.toml");
        let text = std::fs::read_to_string(&file)?;
        let floor = format!("min_free_mib = {MIN_FREE_MIB}");
        let text = text.replace(&floor, "min_free_mib = 1000000000000");
        std::fs::write(&file, text)?;
        full.agent.stop().await?;
        full.agent.start_again(&full.tenant).await?;

        let (_, rollout) = fleet.release(world, &App::new("v2"))?;
        let halted = fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        let said = halted.to_string();
        ensure!(
            said.contains("t2 (disk: the engine's disk has ") && said.contains("min_free_mib"),
            "{halted:#}"
        );
        ensure_all_untouched(&before, &fleet).await?;
        Ok(())
    });
}

/// Two machines behind a proxy, whose one stage waits for a person.
async fn behind_a_proxy(world: &World) -> anyhow::Result<(Fleet, Proxy)> {
    let registry = Registry::start(world, "registry", Auth::Basic).await?;
    let proxy = Proxy::start(world, registry.address()).await?;
    let spec = FleetSpec {
        through: Some(proxy.host()),
        configuration: configuration(&[
            ("on_failure", PREFETCH),
            ("stage", "[ { rest = true, approval = \"manual\" } ]"),
        ]),
        ..FleetSpec::of(2)
    };
    Ok((Fleet::start_with(world, &spec, registry).await?, proxy))
}

#[test]
fn what_was_prefetched_is_cut_over_to_without_the_registry() {
    scenario(async |world| {
        let (fleet, proxy) = behind_a_proxy(world).await?;
        let before = containers(&fleet).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        let waiting = fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_AWAITING_APPROVAL", SOON)
            .await?;
        ensure_all_untouched(&before, &fleet).await?;

        // From here on the registry gives nothing to anybody.
        proxy.rule(Rule::any("/", Fault::error(503, "UNAVAILABLE")));
        let asked = proxy.seen().len();
        let plan = waiting["stages"][0]["plan_hash"].as_str();
        let plan = plan.context("a plan to approve")?;
        fleet
            .cli
            .json(&["rollout", "approve", &rollout, "--plan", plan])?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        for machine in &fleet.machines {
            machine.runs(&v2.digest, SOON).await?;
            machine.is_tidy(SOON).await?;
        }
        let since = &proxy.seen()[asked..];
        ensure!(since.is_empty(), "the registry was asked: {since:?}");
        Ok(())
    });
}

#[test]
fn a_digest_that_is_gone_from_the_registry_touches_nobody_and_an_abort_leaves_all_as_it_was() {
    scenario(async |world| {
        let (fleet, proxy) = behind_a_proxy(world).await?;
        let before = containers(&fleet).await?;
        proxy.rule(Rule::any(
            "/manifests/",
            Fault::error(404, "MANIFEST_UNKNOWN"),
        ));
        let (_, rollout) = fleet.release(world, &App::new("v2"))?;
        let halted = fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        ensure!(halted.to_string().contains("not found"), "{halted:#}");
        fleet.cli.json(&["rollout", "abort", &rollout])?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_ABORTED", SOON)
            .await?;
        ensure_all_untouched(&before, &fleet).await?;
        Ok(())
    });
}
