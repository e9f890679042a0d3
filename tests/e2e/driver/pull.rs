//! Pulls that work and pulls that fail, each with its typed reason.

use std::time::Duration;

use anyhow::ensure;
use harness::fault::{Fault, Proxy, Rule};
use harness::fleet::REPOSITORY;
use harness::registry::{PASSWORD, TRICKY_PASSWORD, TRICKY_USER, USER};
use harness::{App, Auth, Registry, Tenant, World, scenario};
use pinion_agent::driver::Driver as _;
use pinion_agent::driver::docker::{Docker, Limits};
use pinion_agent::room::Disk;
use pinion_model::{Failure, FailureKind, ImageRef};

use crate::api::{credential, credential_of, driver, image_of};

#[test]
fn any_password_arrives_at_a_registry_that_asks_for_it() {
    scenario(async |world| arrives(world, Auth::Basic).await);
}

#[test]
fn any_password_arrives_at_a_registry_that_asks_for_a_token() {
    scenario(async |world| arrives(world, Auth::Bearer).await);
}

async fn arrives(world: &World, auth: Auth) -> anyhow::Result<()> {
    let registry = Registry::start(world, "registry", auth).await?;
    let tenant = Tenant::start(world, 1).await?;
    let driver = driver(&tenant).await?;
    let image = image_of(&registry.push(world, REPOSITORY, &App::new("v1"))?)?;

    let wrong = credential_of(&registry.host(), TRICKY_USER, "wrong");
    fails(
        driver.pull(&image, Some(&wrong), &anywhere()).await,
        FailureKind::Credentials,
    )?;
    fails(
        driver.pull(&image, None, &anywhere()).await,
        FailureKind::Credentials,
    )?;

    let tricky = credential_of(&registry.host(), TRICKY_USER, TRICKY_PASSWORD);
    let pulled = driver.pull(&image, Some(&tricky), &anywhere()).await;
    let pulled = pulled.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    ensure!(
        pulled.image.repo_digests.contains(&image) && !pulled.was_there,
        "{pulled:?}"
    );
    Ok(())
}

#[test]
fn a_pull_that_cannot_work_says_why_in_a_type() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::Basic).await?;
        let proxy = Proxy::start(world, registry.address()).await?;
        let tenant = Tenant::start(world, 1).await?;
        let driver = driver(&tenant).await?;
        let pushed = registry.push(world, REPOSITORY, &App::new("v1"))?;
        let image: ImageRef = format!("{}/{REPOSITORY}@{}", proxy.host(), pushed.digest).parse()?;
        let credential = credential(&proxy.host());
        let pull =
            async |image: &ImageRef| driver.pull(image, Some(&credential), &anywhere()).await;

        let unknown = format!("{}/{REPOSITORY}@sha256:{}", proxy.host(), "0".repeat(64)).parse()?;
        fails(pull(&unknown).await, FailureKind::NotFound)?;
        let nobody = format!("{}:1/{REPOSITORY}@{}", world.address(), pushed.digest).parse()?;
        fails(pull(&nobody).await, FailureKind::Network)?;

        let scripted = [
            (
                "/manifests/",
                Fault::error(403, "DENIED"),
                FailureKind::Credentials,
            ),
            (
                "/manifests/",
                Fault::error(429, "TOOMANYREQUESTS"),
                FailureKind::Registry,
            ),
            (
                "/manifests/",
                Fault::error(503, "UNAVAILABLE"),
                FailureKind::Registry,
            ),
            ("/manifests/", Fault::Corrupt, FailureKind::Registry),
            (
                "/blobs/",
                Fault::error(429, "TOOMANYREQUESTS"),
                FailureKind::Registry,
            ),
            ("/blobs/", Fault::Corrupt, FailureKind::Registry),
        ];
        for (path, fault, kind) in scripted {
            proxy.clear();
            proxy.rule(Rule::get(path, fault.clone()));
            let what = format!("{path} {fault:?}");
            fails(pull(&image).await, kind).map_err(|error| error.context(what))?;
        }
        proxy.clear();
        let pulled = pull(&image).await;
        ensure!(pulled.is_ok(), "{pulled:?}");
        Ok(())
    });
}

#[test]
fn a_pull_without_progress_is_cancelled_and_the_next_one_works() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::Basic).await?;
        let proxy = Proxy::start(world, registry.address()).await?;
        let tenant = Tenant::start(world, 1).await?;
        let limits = Limits {
            stall: Duration::from_secs(2),
            resumes: 1,
            ..Limits::default()
        };
        let driver = Docker::connect(&tenant.docker_host(), limits).await?;
        let app = App::new("v1").with_ballast(1_000_000);
        let pushed = registry.push(world, REPOSITORY, &app)?;
        let image: ImageRef = format!("{}/{REPOSITORY}@{}", proxy.host(), pushed.digest).parse()?;
        let credential = credential(&proxy.host());

        proxy.rule(Rule::get("/blobs/", Fault::Stall(10_000)));
        let failure = fails(
            driver.pull(&image, Some(&credential), &anywhere()).await,
            FailureKind::Network,
        )?;
        let said = "no progress for 2s, cancelled; taken up again 1 times";
        ensure!(failure.message.contains(said), "{failure}");
        proxy.clear();
        let pulled = driver.pull(&image, Some(&credential), &anywhere()).await;
        ensure!(pulled.is_ok(), "{pulled:?}");

        let short = Limits {
            pull: Duration::from_secs(1),
            ..Limits::default()
        };
        let hasty = Docker::connect(&tenant.docker_host(), short).await?;
        proxy.rule(Rule::any("/v2/", Fault::Delay(Duration::from_secs(30))));
        let other = format!("{}/{REPOSITORY}@sha256:{}", proxy.host(), "1".repeat(64)).parse()?;
        fails(
            hasty.pull(&other, Some(&credential), &anywhere()).await,
            FailureKind::Timeout,
        )?;
        Ok(())
    });
}

#[test]
fn an_image_that_is_there_is_not_asked_for_again() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::Basic).await?;
        let proxy = Proxy::start(world, registry.address()).await?;
        let tenant = Tenant::start(world, 1).await?;
        let driver = driver(&tenant).await?;
        let pushed = registry.push(world, REPOSITORY, &App::new("v1"))?;
        let image: ImageRef = format!("{}/{REPOSITORY}@{}", proxy.host(), pushed.digest).parse()?;
        let first = driver
            .pull(&image, Some(&credential(&proxy.host())), &anywhere())
            .await;
        ensure!(first.is_ok(), "{first:?}");
        let asked = proxy.seen().len();
        ensure!(asked > 0, "the first pull asked nobody");
        let second = driver.pull(&image, None, &anywhere()).await;
        let (first, second) = (first.map_err(said)?, second.map_err(said)?);
        ensure!(
            second.image == first.image && second.was_there && !first.was_there,
            "{second:?}"
        );
        ensure!(
            proxy.seen().len() == asked,
            "the registry was asked for what is there"
        );

        // The same digest from another registry is another pull: there is no proof that it has it.
        let elsewhere: ImageRef =
            format!("{}/{REPOSITORY}@{}", registry.host(), pushed.digest).parse()?;
        fails(
            driver.pull(&elsewhere, None, &anywhere()).await,
            FailureKind::Credentials,
        )?;
        Ok(())
    });
}

#[test]
fn an_image_for_another_platform_says_which() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::None).await?;
        let tenant = Tenant::start(world, 1).await?;
        let driver = driver(&tenant).await?;
        let foreign = App::new("v1").built_for("s390x");
        let image = image_of(&registry.push(world, REPOSITORY, &foreign)?)?;
        // Whether it may run here is decided once, with what else the platform allows.
        let pulled = driver.pull(&image, None, &anywhere()).await;
        let architecture = pulled.map(|pulled| pulled.image.architecture);
        ensure!(architecture.as_deref() == Ok("s390x"), "{architecture:?}");
        Ok(())
    });
}

/// However full the disk is.
fn anywhere() -> Disk {
    Disk::default()
}

fn said(failure: Failure) -> anyhow::Error {
    anyhow::anyhow!("{failure}")
}

/// The failure, if it is one of that kind, with no secret in it.
fn fails<T: std::fmt::Debug>(
    outcome: Result<T, Failure>,
    kind: FailureKind,
) -> anyhow::Result<Failure> {
    match outcome {
        Err(failure) if failure.kind == kind => {
            for secret in [PASSWORD, TRICKY_PASSWORD] {
                ensure!(!failure.message.contains(secret), "a secret in {failure}");
            }
            ensure!(!failure.message.contains(USER), "a user in {failure}");
            Ok(failure)
        }
        other => anyhow::bail!("not a failure of kind {kind:?}: {other:?}"),
    }
}
