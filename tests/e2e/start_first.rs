//! Two at once for a while, so that nobody who asks is without an answer.

use anyhow::{Context as _, ensure};
use harness::command::{command, run_command};
use harness::engine::Container;
use harness::fleet::{CONTAINER, Machine};
use harness::registry::{PASSWORD, USER};
use harness::{App, Behaviour, Fleet, FleetSpec, World, eventually, scenario};

use crate::support::{SOON, configuration, ensure_untouched, failure};

const NETWORK: &str = "tenant";
const PROBE: &str = "probe";

/// A machine whose container asks to be replaced start-first, and drains.
async fn fleet(
    world: &World,
    changes: &[(&str, &str)],
    more: &[&str],
) -> anyhow::Result<(Fleet, Container)> {
    let spec = FleetSpec {
        containers: false,
        configuration: configuration(changes),
        ..FleetSpec::of(1)
    };
    let fleet = Fleet::start(world, &spec).await?;
    let machine = &fleet.machines[0];
    let image = fleet.v1.reference();
    machine.tenant.engine().pull(&image, USER, PASSWORD).await?;
    docker(machine, &["network", "create", NETWORK])?;
    let run = [
        "run",
        "--detach",
        "--name",
        CONTAINER,
        "--network",
        NETWORK,
        "--network-alias",
        "app",
        "--restart",
        "always",
        "--env",
        "APP_DRAIN_MS=500",
        "--label",
        "pinion.order=start-first",
    ];
    docker(machine, &[&run[..], more, &[image.as_str()]].concat())?;
    let before = machine.runs(&fleet.v1.digest, SOON).await?;
    Ok((fleet, before))
}

fn docker(machine: &Machine, args: &[&str]) -> anyhow::Result<String> {
    let host = machine.tenant.docker_host();
    run_command(command("docker").args(["--host", &host]).args(args))
}

/// A client in a neighbour, which asks `name` every 2 ms until it is stopped.
async fn probe(fleet: &Fleet, name: &str) -> anyhow::Result<()> {
    let image = fleet.v1.reference();
    let run = [
        "run",
        "--detach",
        "--name",
        PROBE,
        "--network",
        NETWORK,
        "--no-healthcheck",
        "--label",
        "pinion.ignore=true",
        &image,
        "/app",
        "probe",
        name,
        "8080",
    ];
    docker(&fleet.machines[0], &run)?;
    answers(fleet, "v1").await
}

async fn answers(fleet: &Fleet, version: &str) -> anyhow::Result<()> {
    eventually(&format!("{version} answers"), SOON, async || {
        let said = docker(&fleet.machines[0], &["logs", PROBE])?;
        let answered = said.contains(&format!("version {version} "));
        answered.then_some(()).context(said)
    })
    .await
}

/// Stops the client: it asked often, and was always answered.
fn ensure_always_answered(fleet: &Fleet) -> anyhow::Result<()> {
    let machine = &fleet.machines[0];
    docker(machine, &["stop", PROBE])?;
    let said = docker(machine, &["logs", PROBE])?;
    docker(machine, &["rm", PROBE])?;
    ensure!(said.contains(" failed=0 "), "{said}");
    let asked = said
        .rsplit_once("asked=")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse::<u32>().ok());
    ensure!(asked.is_some_and(|asked| asked > 100), "{said}");
    Ok(())
}

fn policy(container: &Container) -> String {
    let host = container.inspect.host_config.as_ref();
    let policy = host.and_then(|host| host.restart_policy.as_ref());
    let name = policy.and_then(|policy| policy.name);
    name.map(|name| name.to_string()).unwrap_or_default()
}

async fn is_updated_without_a_lost_connection(world: &World, name: &str) -> anyhow::Result<()> {
    let (fleet, before) = fleet(world, &[], &[]).await?;
    let machine = &fleet.machines[0];
    probe(&fleet, name).await?;
    let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
    fleet
        .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
        .await?;
    answers(&fleet, "v2").await?;
    ensure_always_answered(&fleet)?;
    machine.is_tidy(SOON).await?;
    let now = machine.runs(&v2.digest, SOON).await?;
    ensure!(now.id != before.id, "it was replaced");
    ensure!(policy(&now) == "always", "{}", policy(&now));
    Ok(())
}

#[test]
fn a_neighbour_that_asks_by_alias_loses_no_connection_through_an_update() {
    scenario(async |world| is_updated_without_a_lost_connection(world, "app").await);
}

#[test]
fn a_neighbour_that_asks_by_name_loses_no_connection_through_an_update() {
    scenario(async |world| is_updated_without_a_lost_connection(world, CONTAINER).await);
}

#[test]
fn a_bad_image_is_taken_away_beside_the_old_one_which_is_never_touched() {
    scenario(async |world| {
        let (fleet, before) = fleet(world, &[("healthy_deadline", "\"8s\"")], &[]).await?;
        let machine = &fleet.machines[0];
        probe(&fleet, "app").await?;
        let unhealthy = App::new("v3").that(Behaviour::Unhealthy);
        let (_, rollout) = fleet.release(world, &unhealthy)?;
        fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", SOON)
            .await?;
        ensure_always_answered(&fleet)?;
        machine.is_tidy(SOON).await?;
        let now = machine.container().await?;
        ensure_untouched(&before, &now)?;
        ensure!(policy(&now) == "always", "{}", policy(&now));
        Ok(())
    });
}

#[test]
fn one_that_regresses_within_its_soak_serves_until_the_old_one_is_back() {
    scenario(async |world| {
        let (fleet, before) = fleet(world, &[("soak", "\"30s\"")], &[]).await?;
        let machine = &fleet.machines[0];
        probe(&fleet, "app").await?;
        let regressing = App::new("v3").that(Behaviour::RegressAfter(6.0));
        let (_, rollout) = fleet.release(world, &regressing)?;
        answers(&fleet, "v3").await?;
        fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", SOON)
            .await?;
        ensure_always_answered(&fleet)?;
        machine.is_tidy(SOON).await?;
        let now = machine.runs(&fleet.v1.digest, SOON).await?;
        ensure!(now.id == before.id, "the very container that was stopped");
        ensure!(policy(&now) == "always", "{}", policy(&now));
        Ok(())
    });
}

#[test]
fn a_published_port_is_refused_with_the_reason() {
    scenario(async |world| {
        let (fleet, before) = fleet(world, &[], &["--publish", "8080:8080"]).await?;
        let (_, rollout) = fleet.release(world, &App::new("v2"))?;
        let member = fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_REFUSED", SOON)
            .await?;
        let (kind, why) = failure(&member);
        ensure!(kind == "FAILURE_KIND_POLICY", "{member:#}");
        ensure!(why.contains("8080/tcp"), "{member:#}");
        let explain = ["rollout", "explain", &rollout];
        let told = fleet.cli.json(&explain)?.to_string();
        ensure!(
            told.contains("8080/tcp"),
            "explain does not say why: {told}"
        );
        ensure_untouched(&before, &fleet.machines[0].container().await?)
    });
}
