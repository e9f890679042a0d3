//! The driver on Podman: every call, what is carried over, and what is refused.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::{App, Behaviour, EngineKind, Registry, Tenant, World, eventually, scenario};
use pinion_agent::driver::docker::Docker;
use pinion_agent::driver::{Driver as _, EngineError};
use pinion_model::ImageRef;
use pinion_workload::recreate::REPLACES_LABEL;
use pinion_workload::{ContainerId, ContainerState, Health};
use serde_json::json;

use crate::api::{differences, ensure_gone, respecified, settings};
use crate::calls::{machine_with, spec};

const SOON: Duration = Duration::from_secs(20);

async fn machine(world: &World, app: &App) -> anyhow::Result<(Registry, Tenant, Docker, ImageRef)> {
    machine_with(world, app, EngineKind::Podman).await
}

#[test]
fn podman_answers_every_call_as_docker_does() {
    scenario(async |world| {
        let (registry, _tenant, driver, image) = machine(world, &App::new("v1")).await?;
        let port = json!({ "PortBindings": { "8080/tcp": [{ "HostPort": "8500" }] } });
        let id = driver.create("web.next.1", &spec(&image, &port)).await?;
        for _ in 0..2 {
            driver.start(&id).await?;
            driver.rename(&id, "web").await?;
        }
        eventually("web is healthy", SOON, async || {
            let seen = driver.containers().await?;
            let [web] = seen.as_slice() else {
                anyhow::bail!("{seen:?}")
            };
            ensure!(
                (web.state, web.health) == (ContainerState::Running, Health::Healthy),
                "{web:?}"
            );
            ensure!(web.repo_digests == [image.clone()], "{web:?}");
            ensure!(web.name == "web" && web.podman.is_some(), "{web:?}");
            Ok(())
        })
        .await?;
        let taken = driver.create("web", &spec(&image, &port)).await;
        ensure!(
            matches!(taken, Err(EngineError::Conflict { .. })),
            "{taken:?}"
        );
        let next = driver.create("web.next.2", &spec(&image, &port)).await?;
        let renamed = driver.rename(&next, "web").await;
        ensure!(
            matches!(renamed, Err(EngineError::Conflict { .. })),
            "{renamed:?}"
        );
        let started = driver.start(&next).await;
        ensure!(
            matches!(started, Err(EngineError::Refused { .. })),
            "{started:?}"
        );
        let running = driver.remove(&id).await;
        ensure!(running.is_err(), "a container that runs was removed");
        ensure!(driver.written(&id).await? < 1 << 20, "it wrote nothing");

        let repository = image.repository.to_string();
        driver
            .tag(&image.to_string(), &repository, "current")
            .await?;
        let tagged = driver.image(&format!("{repository}:current")).await?;
        ensure!(tagged.repo_digests.contains(&image), "{tagged:?}");
        ensure!(tagged.config["Healthcheck"].is_object(), "{tagged:?}");
        driver.untag(&format!("{repository}:current")).await?;
        for _ in 0..2 {
            driver.stop(&id, Duration::from_secs(5)).await?;
        }
        for _ in 0..2 {
            driver.remove(&id).await?;
        }
        ensure_gone(&driver, &ContainerId("0".repeat(64))).await?;
        drop(registry);
        Ok(())
    });
}

#[test]
fn podman_tells_how_a_container_ended_and_that_something_happened() {
    scenario(async |world| {
        let app = App::new("v1").that(Behaviour::Crash);
        let (_registry, _tenant, driver, image) = machine(world, &app).await?;
        let id = driver.create("web", &spec(&image, &json!({}))).await?;
        driver.start(&id).await?;
        let heard = tokio::time::timeout(SOON, driver.changed()).await;
        heard.context("nothing was heard")?;
        eventually("web has ended", SOON, async || {
            let words = driver.last_words(&id).await?;
            let words = words.reported(&[]);
            ensure!(words.starts_with("state: exited, exit code 1"), "{words}");
            ensure!(words.contains("fatal: cannot load"), "{words}");
            Ok(())
        })
        .await
    });
}

/// What a user types, and what its successor has too.
const KEPT: &str = "--network front --network-alias db --publish 9000:8080 --volume named:/named --volume /anonymous \
    --volume /tmp:/host:ro --tmpfs /scratch --memory 64m --cpus 0.5 --cap-add NET_ADMIN --cap-drop MKNOD --read-only \
    --user 1000:1000 --device /dev/null:/dev/other --add-host peer:192.0.2.1 --dns 192.0.2.2 --ulimit nofile=900:900 --ulimit nproc=900:900 \
    --security-opt no-new-privileges --group-add 5 --shm-size 10m --hostname chosen --stop-timeout 21 --label a=b \
    --env KEY=VALUE --pids-limit 55";

/// The same, and what the refusal names of it, since its successor would not have it.
const LOST: [(&str, &[&str]); 2] = [
    (
        "--annotation x=y --tz Europe/Berlin --umask 0077 --log-opt max-size=1mb --sysctl net.core.somaxconn=100 \
         --network front --ip 10.89.0.77 --device /dev/null:/dev/other:r",
        &[
            "annotation x",
            "Config.Timezone",
            "Config.Umask",
            "HostConfig.LogConfig",
            "--sysctl",
            "--ip",
            "the permissions of --device",
        ],
    ),
    ("--pod pod", &["Pod"]),
];

#[test]
fn what_podman_keeps_is_carried_over_and_what_it_would_lose_is_refused() {
    scenario(async |world| {
        let (_registry, tenant, driver, image) = machine(world, &App::new("v1")).await?;
        tenant.podman(&["network", "create", "--subnet", "10.89.0.0/24", "front"])?;
        tenant.podman(&["pod", "create", "--infra=false", "pod"])?;
        let old = made_by_hand(&tenant, "kept", KEPT, &image)?;
        // It fills some settings in at the first start only.
        driver.start(&old).await?;
        driver.stop(&old, Duration::ZERO).await?;
        let next = replace(&driver, &old, &image).await?;
        driver.start(&next).await?;
        driver.stop(&next, Duration::ZERO).await?;
        let (was, is) = (driver.inspect(&old).await?, driver.inspect(&next).await?);
        let differing = differences(&settings(&was), &settings(&is));
        ensure!(
            differing.iter().all(|line| line.contains(REPLACES_LABEL)),
            "{differing:#?}"
        );
        for (at, (options, names)) in LOST.into_iter().enumerate() {
            let old = made_by_hand(&tenant, &format!("lost{at}"), options, &image)?;
            let before = driver.containers().await?.len();
            let Err(error) = replace(&driver, &old, &image).await else {
                anyhow::bail!("{options} was not refused")
            };
            let error = error.to_string();
            for name in names.iter().chain(&["Quadlet"]) {
                ensure!(error.contains(name), "{options}: {error}");
            }
            let left = driver.containers().await?.len();
            ensure!(left == before, "{options} left a container behind");
        }
        Ok(())
    });
}

fn made_by_hand(
    tenant: &Tenant,
    name: &str,
    options: &str,
    image: &ImageRef,
) -> anyhow::Result<ContainerId> {
    let image = image.to_string();
    let mut arguments = vec!["create", "--name", name];
    arguments.extend(options.split_whitespace());
    arguments.push(&image);
    Ok(ContainerId(tenant.podman(&arguments)?))
}

async fn replace(
    driver: &Docker,
    old: &ContainerId,
    image: &ImageRef,
) -> anyhow::Result<ContainerId> {
    let mut spec =
        respecified(driver, old, &driver.image(&image.to_string()).await?, image).await?;
    spec.body["Labels"][REPLACES_LABEL] = json!(old.to_string());
    Ok(driver.create(&format!("next.{old}"), &spec).await?)
}
