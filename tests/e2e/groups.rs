//! Containers that share something of the workload's container are replaced, and go back, with it.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use harness::fleet::{CONTAINER, Machine};
use harness::registry::{PASSWORD, USER};
use harness::{App, Behaviour, Fleet, FleetSpec, World, eventually, scenario};
use serde_json::Value;

use crate::support::{SOON, failure, halts};

/// What depends on the container: its network, its volumes, a link.
const DEPENDANTS: [&str; 3] = ["proxy", "backup", "tail"];
/// Where the one in its network listens.
const PROXY_PORT: u16 = 9090;

#[test]
fn what_depends_on_a_container_is_replaced_and_taken_back_with_it() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &without_containers()).await?;
        run_group(&fleet, world).await?;
        let first = standing(&fleet.machines[0])?;

        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        let second = is_whole(&fleet.machines[0], "v2").await?;
        ensure!(fleet.machines[0].container().await?.has(&v2.digest));
        for name in DEPENDANTS {
            ensure!(first[name] != second[name], "{name} is made anew");
        }

        // A bad one takes all back: the very containers that ran before.
        let bad = App::new("v3").that(Behaviour::CrashAfter(0.3));
        let (_, rollout) = fleet.release(world, &bad)?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        let back = is_whole(&fleet.machines[0], "v2").await?;
        ensure!(back == second, "{back:?}, and not {second:?}");

        // A link is looked up again by an engine that restarts.
        let tenant = &mut fleet.machines[0].tenant;
        tenant.stop_engine().await?;
        tenant.start_engine().await?;
        let machine = &fleet.machines[0];
        eventually("the linked one runs again", SOON, async || {
            is_linked(machine)
        })
        .await
    });
}

#[test]
fn a_dependant_that_opted_out_keeps_the_whole_group_as_it_is() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &without_containers()).await?;
        run_group(&fleet, world).await?;
        let machine = &fleet.machines[0];
        let image = machine
            .tenant
            .docker(&["inspect", "-f", "{{.Config.Image}}", "backup"])?;
        machine.tenant.docker(&[
            "run",
            "-d",
            "--name",
            "private",
            "--label",
            "pinion.ignore=true",
            "--volumes-from",
            CONTAINER,
            &image,
        ])?;
        let before = standing(machine)?;
        let member = halts(&fleet, world, &App::new("v2"), SOON).await?;
        let (kind, message) = failure(&member);
        ensure!(kind == "FAILURE_KIND_POLICY", "{kind}");
        ensure!(
            message.contains("\"private\"") && message.contains("pinion.ignore=true"),
            "{message}"
        );
        ensure!(standing(machine)? == before, "nothing was touched");
        Ok(())
    });
}

fn without_containers() -> FleetSpec {
    FleetSpec {
        containers: false,
        ..FleetSpec::of(1)
    }
}

/// The workload's container, and three that are nobody's and depend on it.
async fn run_group(fleet: &Fleet, world: &World) -> anyhow::Result<()> {
    let side = fleet
        .registry
        .push(world, "nobody/side", &App::new("side"))?;
    let host = fleet.registry.host();
    let image = format!("{host}/molecule-ai/platform@{}", fleet.v1.digest);
    let side = format!("{host}/nobody/side@{}", side.digest);
    let tenant = &fleet.machines[0].tenant;
    for image in [&image, &side] {
        tenant.engine().pull(image, USER, PASSWORD).await?;
    }
    let proxy_port = format!("{PROXY_PORT}:{PROXY_PORT}");
    let run = ["run", "-d", "--restart", "always", "--name"];
    let docker = |rest: &[&str]| tenant.docker(&[&run[..], rest].concat());
    docker(&[
        CONTAINER,
        "-p",
        "8080:8080",
        "-p",
        &proxy_port,
        "-v",
        "/data",
        &image,
    ])?;
    let lender = format!("container:{CONTAINER}");
    let port = format!("APP_PORT={PROXY_PORT}");
    docker(&["proxy", "--network", &lender, "-e", &port, &side])?;
    docker(&[
        "backup",
        "--volumes-from",
        &format!("{CONTAINER}:ro"),
        &side,
    ])?;
    docker(&["tail", "--link", &format!("{CONTAINER}:db"), &side])?;
    is_whole(&fleet.machines[0], "v1").await.map(drop)
}

/// The ids by name.
fn standing(machine: &Machine) -> anyhow::Result<BTreeMap<String, String>> {
    let listed =
        machine
            .tenant
            .docker(&["ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}"])?;
    // The name that a link gives has a slash.
    let of_line = |line: &str| {
        let (names, id) = line.split_once(' ').context("a name and an id")?;
        let own = names.split(',').find(|name| !name.contains('/'));
        Ok((own.context("a name")?.to_owned(), id.to_owned()))
    };
    listed.lines().map(of_line).collect()
}

/// All run, each depends on what stands there, and nothing is left beside them.
async fn is_whole(machine: &Machine, version: &str) -> anyhow::Result<BTreeMap<String, String>> {
    eventually("the group is whole", SOON, async || {
        let standing = standing(machine)?;
        let names: Vec<_> = standing.keys().map(String::as_str).collect();
        ensure!(names == ["backup", "proxy", "tail", CONTAINER], "{names:?}");
        let answers = [
            machine.tenant.http_get(8080)?,
            machine.tenant.http_get(PROXY_PORT)?,
        ];
        ensure!(answers == [version, "side"], "{answers:?}");
        let id = &standing[CONTAINER];
        let network = inspect(machine, "proxy", "/HostConfig/NetworkMode")?;
        ensure!(network == format!("container:{id}"), "{network}");
        // It reaches the other one's program over the network that they share.
        machine
            .tenant
            .docker(&["exec", "-e", "APP_PORT=8080", "proxy", "/app", "health"])?;
        ensure!(volume(machine, "backup")? == volume(machine, CONTAINER)?);
        is_linked(machine)?;
        Ok(standing)
    })
    .await
}

fn inspect(machine: &Machine, container: &str, pointer: &str) -> anyhow::Result<Value> {
    let shown: Value = serde_json::from_str(&machine.tenant.docker(&["inspect", container])?)?;
    let found = shown[0].pointer(pointer);
    found
        .cloned()
        .with_context(|| format!("{container}{pointer}"))
}

/// The volume at `/data`.
fn volume(machine: &Machine, container: &str) -> anyhow::Result<Value> {
    let mounts = inspect(machine, container, "/Mounts")?;
    let mounts = mounts.as_array().context("mounts")?;
    let data = mounts.iter().find(|mount| mount["Destination"] == "/data");
    Ok(data.context("/data")?["Name"].clone())
}

/// It runs, and the link's name is that of the one that stands there now.
fn is_linked(machine: &Machine) -> anyhow::Result<()> {
    let links = inspect(machine, "tail", "/HostConfig/Links")?;
    ensure!(links[0] == format!("/{CONTAINER}:/tail/db"), "{links}");
    ensure!(
        inspect(machine, "tail", "/State/Running")? == true,
        "it is down"
    );
    let hosts = inspect(machine, "tail", "/HostsPath")?;
    let hosts = std::fs::read_to_string(hosts.as_str().context("a path")?)?;
    let address = inspect(machine, CONTAINER, "/NetworkSettings/IPAddress")?;
    let address = address
        .as_str()
        .filter(|a| !a.is_empty())
        .context("an address")?;
    let line = hosts
        .lines()
        .find(|line| line.split_whitespace().any(|word| word == "db"));
    ensure!(
        line.is_some_and(|line| line.starts_with(&format!("{address}\t"))),
        "{address}: {hosts}"
    );
    Ok(())
}
