//! The engine's own orchestrator, on one machine.
//!
//! Its ports are published by the task itself (`mode=host`): the ingress mesh needs IPVS, which not every kernel has.

use anyhow::bail;
use harness::wait::eventually;

use super::Bench;
use super::peer::IGNORED;
use crate::DEADLINE;
use crate::by_hand::docker;

/// The service whose port is published.
pub(crate) const PUBLISHED: &str = "published";

pub(crate) fn begin(bench: &Bench<'_>) -> anyhow::Result<()> {
    let address = bench.machine.tenant.address().to_string();
    docker(
        bench.machine,
        &["swarm", "init", "--advertise-addr", &address],
    )
    .map(drop)
}

pub(crate) fn create_published(bench: &Bench<'_>, image: &str, port: u16) -> anyhow::Result<()> {
    let publish = format!("mode=host,target=8080,published={port}");
    let own = ["--publish", &publish, "--update-order", "stop-first"];
    create(bench, PUBLISHED, &own, image)
}

/// Without what costs time and is no part of an update: resolving, pulling, monitoring.
pub(crate) fn create(
    bench: &Bench<'_>,
    name: &str,
    own: &[&str],
    image: &str,
) -> anyhow::Result<()> {
    let common = [
        "service",
        "create",
        "--name",
        name,
        "--container-label",
        IGNORED,
        "--update-monitor",
        "0s",
        "--no-resolve-image",
        "--detach",
    ];
    let args: Vec<_> = common.iter().chain(own).copied().chain([image]).collect();
    docker(bench.machine, &args).map(drop)
}

/// Updates a service, and waits until Swarm says that it is done.
pub(crate) async fn update(bench: &Bench<'_>, name: &str, image: &str) -> anyhow::Result<()> {
    let update = [
        "service",
        "update",
        "--detach",
        "--no-resolve-image",
        "--image",
        image,
        name,
    ];
    docker(bench.machine, &update)?;
    let what = format!("Swarm has updated {name}");
    let asked = [
        "service",
        "inspect",
        "--format",
        "{{.Spec.TaskTemplate.ContainerSpec.Image}} {{.UpdateStatus.State}}",
        name,
    ];
    eventually(&what, DEADLINE, async || {
        let said = docker(bench.machine, &asked)?;
        match said.trim() == format!("{image} completed") {
            true => Ok(()),
            false => bail!("it says {said}"),
        }
    })
    .await
}
