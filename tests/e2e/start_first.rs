//! Two at once for a while, so that nobody who asks is without an answer.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use harness::command::run_command;
use harness::engine::Container;
use harness::fleet::{CONTAINER, Machine, WORKLOAD};
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
        configuration: configuration(changes),
        ..FleetSpec::of(1)
    };
    fleet_of(world, spec, more).await
}

async fn fleet_of(
    world: &World,
    spec: FleetSpec,
    more: &[&str],
) -> anyhow::Result<(Fleet, Container)> {
    let spec = FleetSpec {
        containers: false,
        ..spec
    };
    let fleet = Fleet::start(world, &spec).await?;
    let machine = &fleet.machines[0];
    let image = fleet.v1.reference();
    machine.tenant.engine().pull(&image, USER, PASSWORD).await?;
    machine.tenant.docker(&["network", "create", NETWORK])?;
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
    machine
        .tenant
        .docker(&[&run[..], more, &[image.as_str()]].concat())?;
    let before = machine.runs(&fleet.v1.digest, SOON).await?;
    Ok((fleet, before))
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
    fleet.machines[0].tenant.docker(&run)?;
    answers(fleet, "v1").await
}

async fn answers(fleet: &Fleet, version: &str) -> anyhow::Result<()> {
    eventually(&format!("{version} answers"), SOON, async || {
        let said = fleet.machines[0].tenant.docker(&["logs", PROBE])?;
        let answered = said.contains(&format!("version {version} "));
        answered.then_some(()).context(said)
    })
    .await
}

/// Stops the client: it asked often, and was always answered.
fn ensure_always_answered(fleet: &Fleet) -> anyhow::Result<()> {
    let machine = &fleet.machines[0];
    machine.tenant.docker(&["stop", PROBE])?;
    let said = machine.tenant.docker(&["logs", PROBE])?;
    machine.tenant.docker(&["rm", PROBE])?;
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

/// Both run, and what is to be replaced is as it was.
async fn waits_beside(machine: &Machine, before: &Container, digest: &str) -> anyhow::Result<()> {
    let standing = machine.tenant.engine().containers().await?;
    let next = standing.iter().find(|c| c.name.contains(".next."));
    let next = next.context("the next one stands beside it")?;
    ensure!(next.runs(digest), "{} {:?}", next.health, next.digests);
    ensure!(policy(next) == "no", "one alone is started by the engine");
    let now = machine.container().await?;
    ensure_untouched(before, &now)?;
    ensure!(policy(&now) == "always", "{}", policy(&now));
    Ok(())
}

#[test]
fn a_lock_holds_the_change_of_places_and_not_the_proof_and_a_restarted_agent_goes_on() {
    scenario(async |world| {
        let (mut fleet, before) = fleet(world, &[], &[]).await?;
        let take = [
            "take", "--owner", "backup", "--reason", "a dump", "--ttl", "10m",
        ];
        let id = lock(&fleet.machines[0], &take)?;
        probe(&fleet, CONTAINER).await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        let machine = &fleet.machines[0];
        eventually("the next one waits beside", SOON, async || {
            waits_beside(machine, &before, &v2.digest).await
        })
        .await?;
        fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_WAITING", SOON)
            .await?;
        let machine = &mut fleet.machines[0];
        machine.agent.kill()?;
        machine.agent.start_again(&machine.tenant).await?;
        let machine = &fleet.machines[0];
        waits_beside(machine, &before, &v2.digest).await?;
        lock(machine, &["release", id.trim()])?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        answers(&fleet, "v2").await?;
        ensure_always_answered(&fleet)?;
        machine.is_tidy(SOON).await?;
        let now = machine.runs(&v2.digest, SOON).await?;
        ensure!(policy(&now) == "always", "{}", policy(&now));
        Ok(())
    });
}

/// A hook that notes where the proxy is to point, and from where.
fn proxy(directory: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (path, told) = (directory.join("proxy"), directory.join("told"));
    let text = format!(
        "#!/bin/sh\necho $PINION_HOOK $PINION_CONTAINER_ID $PINION_FROM_ID >> {}\n",
        told.display()
    );
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    Ok((path, told))
}

#[test]
fn a_proxy_is_pointed_at_the_next_one_and_back_by_a_hook() {
    scenario(async |world| {
        let (hook, told) = proxy(&world.subdirectory("hooks")?)?;
        let spec = FleetSpec {
            configuration: configuration(&[("soak", "\"20s\"")]),
            agent_config: Some(format!(
                "[policy]\nallow = [\"{{host}}/molecule-ai/\"]\n[workload.{WORKLOAD}]\nswitch = [\"{}\"]\n",
                hook.display()
            )),
            ..FleetSpec::of(1)
        };
        // A port that the engine chooses is another one for the next one: the hook is told.
        let (fleet, before) = fleet_of(world, spec, &["--publish", "8080"]).await?;
        let machine = &fleet.machines[0];
        probe(&fleet, "app").await?;
        let regressing = App::new("v2").that(Behaviour::RegressAfter(6.0));
        let (_, rollout) = fleet.release(world, &regressing)?;
        fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", SOON)
            .await?;
        ensure_always_answered(&fleet)?;
        machine.is_tidy(SOON).await?;
        ensure!(
            machine.container().await?.id == before.id,
            "the very container"
        );
        let said = fs::read_to_string(told)?;
        let lines: Vec<_> = said
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .collect();
        let [[_, next, from], [_, back, away]] = [&lines[0][..], &lines[1][..]] else {
            anyhow::bail!("it was run there and back: {said}");
        };
        ensure!(lines.len() == 2 && said.starts_with("switch "), "{said}");
        ensure!(
            *from == before.id && *back == before.id && next == away,
            "{said}"
        );
        Ok(())
    });
}

fn lock(machine: &Machine, args: &[&str]) -> anyhow::Result<String> {
    let mut agent = machine.agent.command(&machine.tenant)?;
    agent
        .arg("lock")
        .args(args)
        .arg("--state-dir")
        .arg(machine.agent.state());
    run_command(&mut agent)
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
