//! What the engine itself must show, whatever was killed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use bollard::models::RestartPolicyNameEnum;
use bollard::query_parameters::{ListVolumesOptions, RemoveContainerOptions};
use harness::engine::{Container, Run};
use harness::fleet::{CONTAINER, Machine, PORT, REPOSITORY, names};
use harness::{Fleet, World, eventually};

use crate::size::SOON;

/// The volume of every machine's container.
const VOLUME: &str = "workspace-data";
/// A file in it.
const KEPT: &str = "kept";
const ORDER: &str = "pinion.order";
const START_FIRST: &str = "start-first";
/// From the agent's return until the name leads to something that runs.
const BACK: Duration = Duration::from_secs(10);

/// In which order containers are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    StopFirst,
    StartFirst,
}

/// Makes every machine's container anew, with a volume that has something in it.
pub(crate) async fn give_volumes(fleet: &Fleet, order: Order) -> anyhow::Result<()> {
    make_anew(fleet, |run| match order {
        Order::StopFirst => run.port(PORT),
        Order::StartFirst => run
            .label(ORDER, START_FIRST)
            .label("pinion.shared-writes", "true"),
    })
    .await
}

/// The same without a published port. An engine (20.10) that is killed while it starts a container
/// takes its port for taken from then on, whoever asks for it, also after its next start: no agent
/// could keep a promise there.
pub(crate) async fn give_volumes_alone(fleet: &Fleet) -> anyhow::Result<()> {
    make_anew(fleet, |run| run).await
}

async fn make_anew(fleet: &Fleet, with: impl Fn(Run) -> Run) -> anyhow::Result<()> {
    for machine in &fleet.machines {
        let engine = machine.tenant.engine();
        let forced = RemoveContainerOptions {
            force: true,
            ..Default::default()
        };
        engine
            .docker()
            .remove_container(CONTAINER, Some(forced))
            .await?;
        let image = format!("{}/{REPOSITORY}@{}", fleet.registry.host(), fleet.v1.digest);
        let run = Run::new(CONTAINER, &image)
            .env("TENANT=acme")
            .volume(VOLUME, "/data");
        engine.run(&with(run)).await?;
        std::fs::write(inside(machine).await?.join(KEPT), machine.tenant.name())?;
    }
    Ok(())
}

async fn inside(machine: &Machine) -> anyhow::Result<PathBuf> {
    let docker = machine.tenant.engine().docker();
    Ok(docker.inspect_volume(VOLUME).await?.mountpoint.into())
}

/// Waits until the next one runs in the old one's place, whatever its health.
pub(crate) async fn stands_in_its_place(machine: &Machine, digest: &str) -> anyhow::Result<()> {
    let what = "the next one runs in the old one's place";
    eventually(what, SOON, async || {
        let now = machine.container().await?;
        ensure!(now.running && now.has(digest), "{}", now.id);
        Ok(())
    })
    .await
}

/// Whatever the agent was doing: an engine's restart would start one at most, and start-first one
/// runs at any moment.
pub(crate) async fn hold_now(machine: &Machine) -> anyhow::Result<Vec<Container>> {
    let containers = machine.tenant.engine().containers().await?;
    let starting = containers.iter().filter(|c| would_start(c)).count();
    ensure!(
        starting <= 1,
        "an engine's restart would start {starting}: {:?}",
        names(&containers)
    );
    let running = containers.iter().filter(|c| c.running).count();
    let may_run = match containers.iter().any(is_start_first) {
        true => 1..=2,
        false => 0..=1,
    };
    ensure!(
        may_run.contains(&running),
        "{running} run: {:?}",
        names(&containers)
    );
    Ok(containers)
}

fn is_start_first(container: &Container) -> bool {
    let config = container.inspect.config.clone().unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    labels.get(ORDER).map(String::as_str) == Some(START_FIRST)
}

fn would_start(container: &Container) -> bool {
    let host = container.inspect.host_config.clone().unwrap_or_default();
    let policy = host.restart_policy.and_then(|policy| policy.name);
    let state = container.inspect.state.clone().unwrap_or_default();
    let has_started = state.started_at.is_some_and(|at| !at.starts_with("0001"));
    has_started && policy == Some(RestartPolicyNameEnum::ALWAYS)
}

/// The same while an agent is at work: what is asked for one after the other may have changed in
/// between, so it must hold of one of the next looks.
pub(crate) async fn hold_soon(machine: &Machine, soon: Duration) -> anyhow::Result<Vec<Container>> {
    eventually("what the engine shows holds", soon, async || {
        hold_now(machine).await
    })
    .await
}

/// With the agent back, the name leads to something that runs, soon.
pub(crate) async fn is_back(machine: &Machine) -> anyhow::Result<()> {
    eventually(
        "the name leads to a container that runs",
        BACK,
        async || {
            let container = machine.container().await?;
            ensure!(container.running, "{:?}", container.inspect.state);
            Ok(())
        },
    )
    .await
}

/// In the end: the one container, its settings, its volume, and nothing beside it.
pub(crate) async fn hold_in_the_end(
    machine: &Machine,
    digest: &str,
    soon: Duration,
) -> anyhow::Result<()> {
    machine.runs(digest, soon).await?;
    machine.is_tidy(soon).await?;
    let container = machine.container().await?;
    let host = container.inspect.host_config.clone().unwrap_or_default();
    let policy = host.restart_policy.and_then(|policy| policy.name);
    ensure!(policy == Some(RestartPolicyNameEnum::ALWAYS), "{policy:?}");
    let is_published = host.port_bindings.is_some_and(|ports| !ports.is_empty());
    let config = container.inspect.config.clone().unwrap_or_default();
    let env = config.env.unwrap_or_default();
    ensure!(env.iter().any(|entry| entry == "TENANT=acme"), "{env:?}");
    let mounts = container.inspect.mounts.clone().unwrap_or_default();
    let mounted = mounts
        .iter()
        .any(|mount| mount.name.as_deref() == Some(VOLUME));
    ensure!(mounted, "{mounts:?}");
    let kept = std::fs::read_to_string(inside(machine).await?.join(KEPT));
    ensure!(
        kept.context("the volume's file")? == machine.tenant.name(),
        "the volume holds something else"
    );
    let docker = machine.tenant.engine().docker();
    let volumes = docker.list_volumes(None::<ListVolumesOptions>).await?;
    let volumes: Vec<_> = volumes.volumes.unwrap_or_default();
    ensure!(volumes.len() == 1, "volumes are left: {volumes:?}");
    match is_published {
        true => machine.tenant.http_get(PORT).map(drop),
        false => Ok(()),
    }
}

/// At which point of an update something was killed, as the engine shows it.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    pub(crate) fn note(&mut self, containers: &[Container], digest: &str) {
        *self.0.entry(stage(containers, digest)).or_default() += 1;
    }

    pub(crate) fn total(&self) -> usize {
        self.0.values().sum()
    }

    pub(crate) fn tell(&self, what: &str, world: &World) {
        println!(
            "{what}: {} in world {}, by what the engine showed then:",
            self.total(),
            world.number()
        );
        for (stage, count) in &self.0 {
            println!("  {count:>4}  {stage}");
        }
    }
}

fn stage(containers: &[Container], digest: &str) -> &'static str {
    let part = |word: &str| containers.iter().find(|c| c.name.contains(word));
    let place = containers.iter().find(|c| c.name == CONTAINER);
    match (part(".failed."), part(".prev."), part(".next."), place) {
        (Some(_), ..) => "going back",
        (_, Some(_), _, Some(next)) if next.running => "the next one runs, the old one is kept",
        (_, Some(_), _, Some(_)) => "the next one has the name, and does not run yet",
        (_, Some(_), ..) => "the old one is put aside, nothing has its name",
        (_, _, Some(_), Some(old)) if old.running => "the next one is made, the old one runs",
        (_, _, Some(_), _) => "the next one is made, the old one is stopped",
        (_, _, _, Some(one)) if one.has(digest) => "done",
        _ => "nothing is made yet",
    }
}
