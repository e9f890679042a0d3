//! Every other call, its errors, and what it does when it is made twice.

use std::time::Duration;

use anyhow::ensure;
use harness::fleet::REPOSITORY;
use harness::{App, Auth, Behaviour, EngineKind, Registry, Tenant, World, eventually, scenario};
use pinion_agent::driver::docker::{ConnectError, Docker, Limits};
use pinion_agent::driver::{Driver as _, EngineError};
use pinion_model::ImageRef;
use pinion_workload::{ContainerId, ContainerState, CreateSpec, Health};
use serde_json::{Value, json};

use crate::api::{ask, driver, ensure_gone, image_of, pull};

const SOON: Duration = Duration::from_secs(20);

pub(crate) async fn machine(
    world: &World,
    app: &App,
) -> anyhow::Result<(Registry, Tenant, Docker, ImageRef)> {
    machine_with(world, app, EngineKind::Docker).await
}

pub(crate) async fn machine_with(
    world: &World,
    app: &App,
    kind: EngineKind,
) -> anyhow::Result<(Registry, Tenant, Docker, ImageRef)> {
    let registry = Registry::start(world, "registry", Auth::None).await?;
    let tenant = Tenant::start_with(world, 1, kind).await?;
    let driver = driver(&tenant).await?;
    let image = image_of(&registry.push(world, REPOSITORY, app)?)?;
    pull(&driver, &image, None).await?;
    Ok((registry, tenant, driver, image))
}

pub(crate) fn spec(image: &ImageRef, host: &Value) -> CreateSpec {
    let body = json!({ "Image": image.to_string(), "HostConfig": host });
    CreateSpec {
        body,
        connect: Vec::new(),
        warnings: Vec::new(),
    }
}

#[test]
fn a_call_that_is_made_twice_is_done_once() {
    scenario(async |world| {
        let (_registry, tenant, driver, image) = machine(world, &App::new("v1")).await?;
        let id = driver
            .create("web.next.1", &spec(&image, &json!({})))
            .await?;
        driver.start(&id).await?;
        driver.start(&id).await?;
        driver.rename(&id, "web").await?;
        driver.rename(&id, "web").await?;
        driver.set_restart_policy(&id, "always", 5).await?;
        driver.set_restart_policy(&id, "no", 0).await?;
        driver.stop(&id, Duration::from_secs(5)).await?;
        driver.stop(&id, Duration::from_secs(5)).await?;
        let inspect = ask(
            &tenant,
            "GET",
            &format!("/containers/{id}/json"),
            &json!({}),
        )?;
        ensure!(inspect["Name"] == "/web", "{}", inspect["Name"]);
        ensure!(
            inspect["HostConfig"]["RestartPolicy"]["Name"] == "no",
            "the fence is not there"
        );
        ensure!(
            inspect["State"]["Status"] == "exited",
            "{}",
            inspect["State"]
        );
        driver.remove(&id).await?;
        driver.remove(&id).await?;
        ensure_gone(&driver, &ContainerId("0".repeat(64))).await?;
        Ok(())
    });
}

#[test]
fn a_refusal_is_told_from_a_conflict_and_leaves_nothing_behind() {
    scenario(async |world| {
        let (_registry, tenant, driver, image) = machine(world, &App::new("v1")).await?;
        let port = json!({ "PortBindings": { "8080/tcp": [{ "HostPort": "8500" }] } });
        let old = driver.create("web", &spec(&image, &port)).await?;
        driver.start(&old).await?;
        let taken = driver.create("web", &spec(&image, &port)).await;
        ensure!(
            matches!(taken, Err(EngineError::Conflict { .. })),
            "{taken:?}"
        );
        let next = driver.create("web.next.1", &spec(&image, &port)).await?;
        let outcomes = [
            ("rename", driver.rename(&next, "web").await),
            ("remove", driver.remove(&old).await),
        ];
        for (call, outcome) in outcomes {
            ensure!(
                matches!(outcome, Err(EngineError::Conflict { .. })),
                "{call}: {outcome:?}"
            );
        }
        let started = driver.start(&next).await;
        ensure!(
            matches!(&started, Err(EngineError::Refused { message, .. }) if message.contains("8500")),
            "{started:?}"
        );

        let bad = driver
            .create(
                "bad",
                &spec(&image, &json!({ "RestartPolicy": { "Name": "sometimes" } })),
            )
            .await;
        ensure!(matches!(bad, Err(EngineError::Refused { .. })), "{bad:?}");
        let mut nowhere = spec(&image, &json!({}));
        nowhere.connect.push(("nowhere".to_owned(), json!({})));
        let unconnected = driver.create("half", &nowhere).await;
        ensure!(
            matches!(unconnected, Err(EngineError::Refused { .. })),
            "{unconnected:?}"
        );
        let missing = spec(
            &format!("r.io/none@sha256:{}", "0".repeat(64)).parse()?,
            &json!({}),
        );
        let missing = driver.create("missing", &missing).await;
        ensure!(
            matches!(missing, Err(EngineError::NotFound(_))),
            "{missing:?}"
        );
        let left = ask(&tenant, "GET", "/containers/json?all=1", &json!({}))?;
        ensure!(left.as_array().map(Vec::len) == Some(2), "{left}");
        Ok(())
    });
}

#[test]
fn containers_are_seen_with_their_digests_health_and_policies() {
    scenario(async |world| {
        let (registry, _tenant, driver, image) = machine(world, &App::new("v1")).await?;
        let host = json!({ "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 4 } });
        let id = driver.create("web", &spec(&image, &host)).await?;
        let fresh = driver.containers().await?;
        ensure!(
            fresh.len() == 1 && fresh[0].state == ContainerState::Created,
            "{fresh:?}"
        );
        ensure!(fresh[0].started_at.is_none(), "{fresh:?}");
        driver.start(&id).await?;
        eventually("web is healthy", SOON, async || {
            let seen = driver.containers().await?;
            let [web] = seen.as_slice() else {
                anyhow::bail!("{seen:?}")
            };
            ensure!(
                (web.state, web.health) == (ContainerState::Running, Health::Healthy),
                "{web:?}"
            );
            ensure!(
                web.id == id && web.name == "web" && web.repo_digests == [image.clone()],
                "{web:?}"
            );
            ensure!(
                web.restart_policy == "on-failure" && web.restart_retries == 4,
                "{web:?}"
            );
            ensure!(
                web.health_timing
                    .is_some_and(|timing| timing.interval == Duration::from_secs(1)),
                "{web:?}"
            );
            ensure!(web.started_at.is_some(), "{web:?}");
            Ok(())
        })
        .await?;
        let repository = format!("{}/{REPOSITORY}", registry.host());
        let (kept, other) = (
            format!("{repository}:current"),
            format!("{repository}:other"),
        );
        driver
            .tag(&image.to_string(), &repository, "current")
            .await?;
        let only = driver.untag(&kept).await;
        ensure!(
            matches!(only, Err(EngineError::Conflict { .. })),
            "the last tag of an image in use: {only:?}"
        );
        driver.tag(&image.to_string(), &repository, "other").await?;
        driver.untag(&other).await?;
        let gone = driver.image(&other).await;
        ensure!(matches!(gone, Err(EngineError::NotFound(_))), "{gone:?}");
        let tagged = driver.image(&kept).await?;
        ensure!(tagged.repo_digests.contains(&image), "{tagged:?}");
        let info = driver.info().await?;
        ensure!(
            info.os == "linux" && info.api_version == driver.api_version().await?,
            "{info:?}"
        );
        Ok(())
    });
}

#[test]
fn a_containers_last_words_say_how_it_ended() {
    scenario(async |world| {
        let (_registry, _tenant, driver, image) =
            machine(world, &App::new("v1").that(Behaviour::Crash)).await?;
        let id = driver.create("web", &spec(&image, &json!({}))).await?;
        driver.start(&id).await?;
        eventually("web has ended", SOON, async || {
            let words = driver.last_words(&id).await?;
            let words = words.reported(&[]);
            ensure!(words.starts_with("state: exited, exit code 1"), "{words}");
            ensure!(
                words.contains("fatal: cannot load the model catalogue"),
                "{words}"
            );
            Ok(())
        })
        .await
    });
}

#[test]
fn what_happens_to_a_container_is_heard_also_when_nobody_listened() {
    scenario(async |world| {
        let (_registry, mut tenant, driver, image) = machine(world, &App::new("v1")).await?;
        let id = driver.create("web", &spec(&image, &json!({}))).await?;
        driver.start(&id).await?;
        heard(&driver).await?;
        let quiet = async || {
            while tokio::time::timeout(Duration::from_millis(500), driver.changed())
                .await
                .is_ok()
            {}
        };
        eventually("web is healthy", SOON, async || {
            let seen = driver.containers().await?;
            ensure!(seen[0].health == Health::Healthy, "{seen:?}");
            Ok(())
        })
        .await?;
        tokio::time::timeout(SOON, quiet())
            .await
            .map_err(|_| anyhow::anyhow!("health checks make noise"))?;
        driver.stop(&id, Duration::ZERO).await?;
        heard(&driver).await?;

        tenant.kill_engine()?;
        heard(&driver).await?;
        let dead = driver.containers().await;
        ensure!(matches!(dead, Err(EngineError::Unknown { .. })), "{dead:?}");
        let stopped = driver.stop(&id, Duration::ZERO).await;
        ensure!(
            matches!(stopped, Err(EngineError::Unknown { .. })),
            "{stopped:?}"
        );

        tenant.start_engine().await?;
        eventually("events are heard again", SOON, async || {
            driver.start(&id).await?;
            driver.stop(&id, Duration::ZERO).await?;
            heard(&driver).await
        })
        .await
    });
}

async fn heard(driver: &Docker) -> anyhow::Result<()> {
    let heard = tokio::time::timeout(SOON, driver.changed()).await;
    heard.map_err(|_| anyhow::anyhow!("nothing was heard"))
}

#[test]
fn without_an_engine_the_error_names_the_address() {
    scenario(async |_world| {
        for (address, wanted) in [
            ("tcp://127.0.0.1:2375", "unix://"),
            ("unix:///nowhere.sock", "/nowhere.sock"),
        ] {
            let Err(error) = Docker::connect(address, Limits::default()).await else {
                anyhow::bail!("connected to {address}");
            };
            ensure!(error.to_string().contains(wanted), "{error}");
            ensure!(
                matches!(error, ConnectError::Address(_)) == address.starts_with("tcp"),
                "{error:?}"
            );
        }
        Ok(())
    });
}
