//! The agent is rolled out as any workload is, and nothing else feels it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use harness::command::run_command;
use harness::engine::Container;
use harness::fleet::{CONFIGURATION, CONTAINER, Machine, names};
use harness::{AgentImage, Fleet, FleetSpec, Pushed, World, eventually, scenario};
use serde_json::Value;

use crate::support::{SOON, ensure_untouched, failure};

const AGENT: &str = "pinion-agent";
/// An update of the agent waits for its session, and is given up after 20 s.
const LONG: Duration = Duration::from_secs(120);

fn spec(launched: bool) -> FleetSpec {
    let workload = "[workload.pinion-agent]\nimages = { test = \"pinion-agent\" }\n\
                    rollout = \"auto\"\nstrategy = \"quick\"\n[workload.workspace-server]";
    FleetSpec {
        configuration: CONFIGURATION.replace("[workload.workspace-server]", workload),
        launched,
        ..FleetSpec::of(1)
    }
}

/// Builds, pushes and promotes an agent; returns it and its rollout.
fn release(
    fleet: &Fleet,
    world: &World,
    image: AgentImage,
    version: &str,
) -> anyhow::Result<(Pushed, String)> {
    let tenant = &fleet.machines[0].tenant;
    let pushed = image.push(world, tenant, &fleet.registry, version)?;
    let answer = fleet
        .coordinator
        .promote(AGENT, &pushed.digest, &pushed.source_sha)?;
    let rollout = answer["rollout"].as_str().filter(|id| !id.is_empty());
    let rollout = rollout.with_context(|| format!("no rollout was started: {answer}"))?;
    Ok((pushed, rollout.to_owned()))
}

/// What the launcher's file says.
fn slots(machine: &Machine) -> anyhow::Result<Value> {
    let path = machine.agent.state().join("slots/state.json");
    Ok(serde_json::from_slice(&std::fs::read(path)?)?)
}

/// Waits until a candidate is being tried.
async fn is_tried(machine: &Machine) -> anyhow::Result<()> {
    eventually("the new agent is tried", SOON, async || {
        match slots(machine)?["candidate"].is_object() {
            true => Ok(()),
            false => bail!("{}", slots(machine)?),
        }
    })
    .await
}

/// The digest that the coordinator is told of the machine's agent.
fn told(fleet: &Fleet) -> anyhow::Result<String> {
    let shown = fleet.cli.agent("t1")?.to_string();
    Ok(shown)
}

async fn launched_from(machine: &Machine, slot: &str) -> anyhow::Result<()> {
    eventually(
        &format!("the agent runs from slot {slot}"),
        SOON,
        async || {
            let program = machine.agent.launched_program()?;
            match program.ends_with(Path::new(slot).join(AGENT)) {
                true => Ok(()),
                false => bail!("{}", program.display()),
            }
        },
    )
    .await
}

#[test]
fn a_launched_agent_becomes_the_one_that_was_promoted_and_goes_back_by_itself() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &spec(true)).await?;
        let before = fleet.machines[0].container().await?;
        launched_from(&fleet.machines[0], "a").await?;

        let (v2, rollout) = release(&fleet, world, AgentImage::Good, "v2")?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", LONG)
            .await?;
        launched_from(&fleet.machines[0], "b").await?;
        fleet.presence("t1", "PRESENCE_ONLINE").await?;
        ensure!(told(&fleet)?.contains(&v2.digest), "{}", told(&fleet)?);
        ensure!(slots(&fleet.machines[0])?["current"] == "b");

        let (v3, rollout) = release(&fleet, world, AgentImage::Crashing, "v3")?;
        let member = fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", LONG)
            .await?;
        ensure!(failure(&member).0 == "FAILURE_KIND_START", "{member:#}");
        ensure!(
            member.to_string().contains("v3: no such coordinator"),
            "{member:#}"
        );
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        launched_from(&fleet.machines[0], "b").await?;
        ensure!(!told(&fleet)?.contains(&format!("\"digest\":\"{}\"", v3.digest)));

        coordinator_away(&mut fleet, world).await?;
        launched_from(&fleet.machines[0], "b").await?;
        ensure_untouched(&before, &fleet.machines[0].container().await?)?;
        fleet.machines[0].is_tidy(SOON).await
    });
}

/// The coordinator is stopped while a good agent is tried: that says nothing of it.
async fn coordinator_away(fleet: &mut Fleet, world: &World) -> anyhow::Result<()> {
    let (v4, rollout) = release(fleet, world, AgentImage::Good, "v4")?;
    is_tried(&fleet.machines[0]).await?;
    fleet.coordinator.kill()?;
    let machine = &fleet.machines[0];
    eventually("the old agent is back", LONG, async || {
        let slots = slots(machine)?;
        match slots["verdict"]["cause"]["unconfirmed"]["reachable"] == false {
            true => Ok(()),
            false => bail!("{slots}"),
        }
    })
    .await?;
    fleet.coordinator.start_again().await?;
    let member = fleet
        .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", LONG)
        .await?;
    ensure!(
        failure(&member).0 == "FAILURE_KIND_INDETERMINATE",
        "{member:#}"
    );
    let quarantined = fleet.cli.json(&["quarantine", "list"])?.to_string();
    ensure!(!quarantined.contains(&v4.digest), "{quarantined}");
    Ok(())
}

/// Starts the agent's image as a container, on the state of the agent that was enrolled.
async fn contained(fleet: &mut Fleet, agent: &Pushed) -> anyhow::Result<()> {
    let machine = &mut fleet.machines[0];
    machine.agent.stop().await?;
    let directory = machine.agent.directory();
    let socket = machine.tenant.docker_host().replace("unix://", "");
    let bind = |from: &Path, to: &str| format!("{}:{to}", from.display());
    let engine = machine.tenant.engine();
    engine
        .pull(
            &agent.reference(),
            harness::registry::USER,
            harness::registry::PASSWORD,
        )
        .await?;
    run_command(
        machine
            .tenant
            .docker_command(directory)
            .args([
                "run",
                "-d",
                "--name",
                AGENT,
                "--restart",
                "always",
                "--network",
                "host",
            ])
            .args(["-v", &bind(&machine.agent.state(), "/var/lib/pinion-agent")])
            .args(["-v", &bind(&directory.join("docker"), "/docker")])
            .args(["-v", &bind(Path::new(&socket), "/var/run/docker.sock")])
            .args(["-e", "DOCKER_CONFIG=/docker", "--label", "owner=platform"])
            .arg(agent.reference()),
    )?;
    fleet.presence("t1", "PRESENCE_ONLINE").await
}

/// Waits until the machine has its two containers and no other, the agent's with that digest.
async fn is_contained(machine: &Machine, digest: &str) -> anyhow::Result<Container> {
    eventually("two containers and no leftover", LONG, async || {
        let containers = machine.tenant.engine().containers().await?;
        let found = names(&containers);
        if found != [format!("{AGENT} running"), format!("{CONTAINER} running")] {
            bail!("{found:?}");
        }
        match containers[0].has(digest) {
            true => Ok(containers[0].clone()),
            false => bail!("{:?}", containers[0].digests),
        }
    })
    .await
}

#[test]
fn an_agent_in_a_container_is_replaced_by_a_replacer_and_put_back_by_it() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &spec(false)).await?;
        let before = fleet.machines[0].container().await?;
        let v1 = AgentImage::Good.push(world, &fleet.machines[0].tenant, &fleet.registry, "a1")?;
        contained(&mut fleet, &v1).await?;
        is_contained(&fleet.machines[0], &v1.digest).await?;

        let (v2, rollout) = release(&fleet, world, AgentImage::Good, "a2")?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", LONG)
            .await?;
        let now = is_contained(&fleet.machines[0], &v2.digest).await?;
        let config = now
            .inspect
            .config
            .clone()
            .context("it has a configuration")?;
        let labels = config.labels.unwrap_or_default();
        ensure!(
            labels.get("owner").is_some_and(|owner| owner == "platform"),
            "{labels:?}"
        );
        fleet.presence("t1", "PRESENCE_ONLINE").await?;

        let (_, rollout) = release(&fleet, world, AgentImage::Misconfigured, "a3")?;
        let member = fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", LONG)
            .await?;
        ensure!(failure(&member).0 == "FAILURE_KIND_START", "{member:#}");
        ensure!(
            member.to_string().contains("/nowhere/agent.toml"),
            "{member:#}"
        );
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        let back = is_contained(&fleet.machines[0], &v2.digest).await?;
        ensure!(back.id == now.id, "the old container itself is back");

        coordinator_away(&mut fleet, world).await?;
        let back = is_contained(&fleet.machines[0], &v2.digest).await?;
        ensure!(back.id == now.id, "the old container itself is back");
        ensure_untouched(&before, &fleet.machines[0].container().await?)
    });
}
