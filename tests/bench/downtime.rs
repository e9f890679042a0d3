//! How long a published port does not answer through one recreate.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};
use bollard::query_parameters::CreateContainerOptions;
use harness::fleet::{Fleet, Machine, PORT, REPOSITORY};
use harness::{App, World};

use crate::prober::Prober;
use crate::sample::Sample;
use crate::{DEADLINE, by_hand};

const FLOOR_PORT: u16 = 9081;
/// Both ends of a gap must be seen.
const MARGIN: Duration = Duration::from_millis(300);

pub(crate) async fn measure(world: &World, fleet: &Fleet, rounds: usize) -> anyhow::Result<()> {
    let machine = fleet.machines.first().context("a fleet has machines")?;
    // Pinion collects what nothing runs any more, and the floor needs it again.
    by_hand::docker(machine, &["pull", "--quiet", &fleet.v1.reference()])?;
    let mut current = created(machine, &fleet.v1.reference(), "floor-first").await?;
    machine
        .tenant
        .engine()
        .docker()
        .start_container(&current, None)
        .await?;
    let (mut ours, mut floor) = (Sample::default(), Sample::default());
    for round in 0..rounds {
        ours.add(by_pinion(world, fleet, machine, round).await?);
        let next = created(machine, &fleet.v1.reference(), &format!("floor-{round}")).await?;
        floor.add(by_engine(machine, &current, &next).await?);
        current = next;
    }
    println!(
        "downtime  pinion {ours}; the engine's own stop, start {floor}; ratio {}",
        ours.ratio_to(&floor)
    );
    Ok(())
}

async fn by_pinion(
    world: &World,
    fleet: &Fleet,
    machine: &Machine,
    round: usize,
) -> anyhow::Result<Duration> {
    let image = fleet
        .registry
        .push(world, REPOSITORY, &App::new(&format!("downtime-{round}")))?;
    let prober = Prober::start(SocketAddr::from((machine.tenant.address(), PORT)));
    let rollout = fleet.promote(&image)?;
    fleet
        .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", DEADLINE)
        .await?;
    tokio::time::sleep(MARGIN).await;
    Ok(prober.end())
}

/// Stops the one and starts the other, which was created before: the least that an engine needs.
async fn by_engine(machine: &Machine, old: &str, next: &str) -> anyhow::Result<Duration> {
    let docker = machine.tenant.engine().docker();
    let prober = Prober::start(SocketAddr::from((machine.tenant.address(), FLOOR_PORT)));
    tokio::time::sleep(MARGIN).await;
    docker.stop_container(old, None).await?;
    docker.start_container(next, None).await?;
    tokio::time::sleep(MARGIN * 6).await;
    docker.remove_container(old, None).await?;
    Ok(prober.end())
}

async fn created(machine: &Machine, image: &str, name: &str) -> anyhow::Result<String> {
    let binding = PortBinding {
        host_ip: None,
        host_port: Some(FLOOR_PORT.to_string()),
    };
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        labels: Some([("pinion.ignore".to_owned(), "true".to_owned())].into()),
        host_config: Some(HostConfig {
            port_bindings: Some([("8080/tcp".to_owned(), Some(vec![binding]))].into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let options = CreateContainerOptions {
        name: Some(name.to_owned()),
        ..Default::default()
    };
    Ok(machine
        .tenant
        .engine()
        .docker()
        .create_container(Some(options), body)
        .await?
        .id)
}
