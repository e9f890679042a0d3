//! The harness's own parts: a test that leans on them may believe them.

use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use harness::engine::Run;
use harness::fault::{Fault, Proxy, Rule};
use harness::fleet::REPOSITORY;
use harness::registry::{PASSWORD, USER};
use harness::wait::eventually;
use harness::{App, Auth, Behaviour, Registry, Tenant, World, scenario, sweep};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn an_engine_pulls_from_a_registry_that_asks_for_a_password() {
    scenario(async |world| pulls_and_runs(world, Auth::Basic).await);
}

#[test]
fn an_engine_pulls_from_a_registry_that_asks_for_a_token() {
    scenario(async |world| pulls_and_runs(world, Auth::Bearer).await);
}

async fn pulls_and_runs(world: &World, auth: Auth) -> anyhow::Result<()> {
    let registry = Registry::start(world, "registry", auth).await?;
    let tenant = Tenant::start(world, 1).await?;
    let v1 = registry.push(world, REPOSITORY, &App::new("v1"))?;
    let engine = tenant.engine();
    let refused = engine.pull(&v1.reference(), USER, "wrong").await;
    ensure!(refused.is_err(), "a wrong password pulled");
    engine.pull(&v1.reference(), USER, PASSWORD).await?;
    engine
        .run(&Run::new("web", &v1.reference()).port(8080))
        .await?;
    eventually("web is healthy", SOON, async || {
        let web = engine.container("web").await?;
        ensure!(web.runs(&v1.digest), "{} {:?}", web.health, web.digests);
        Ok(())
    })
    .await?;
    ensure!(tenant.http_get(8080)? == "v1", "another version answers");
    Ok(())
}

#[test]
fn two_worlds_stand_side_by_side_and_leave_nothing() {
    scenario(async |world| {
        let other = World::new()?;
        let (one, two) = tokio::try_join!(Tenant::start(world, 1), Tenant::start(&other, 1))?;
        ensure!(world.number() != other.number(), "both have one subnet");
        one.engine().docker().ping().await?;
        two.engine().docker().ping().await?;
        let (k, directory) = (other.number(), other.directory().to_owned());
        drop((two, other));
        ensure!(
            sweep::processes_of(&directory).is_empty(),
            "processes are left"
        );
        ensure!(!directory.exists(), "files are left");
        ensure!(
            !Path::new(&format!("/sys/class/net/pn{k}")).exists(),
            "the bridge is left"
        );
        one.engine().docker().ping().await?;
        Ok(())
    });
}

#[test]
fn a_killed_engine_comes_back_with_its_containers() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::Basic).await?;
        let mut tenant = Tenant::start(world, 1).await?;
        let v1 = registry.push(world, REPOSITORY, &App::new("v1"))?;
        tenant
            .engine()
            .pull(&v1.reference(), USER, PASSWORD)
            .await?;
        let id = tenant
            .engine()
            .run(&Run::new("web", &v1.reference()))
            .await?;
        tenant.kill_engine()?;
        ensure!(
            tenant.engine().docker().ping().await.is_err(),
            "a killed engine answers"
        );
        tenant.start_engine().await?;
        eventually("web runs again", SOON, async || {
            let web = tenant.engine().container("web").await?;
            ensure!(web.running && web.id == id, "{:?}", web.inspect.state);
            Ok(())
        })
        .await
    });
}

#[test]
fn a_cut_machine_reaches_nothing_until_it_is_healed() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::None).await?;
        let tenant = Tenant::start(world, 1).await?;
        let url = format!("https://{}/v2/", registry.host());
        let ca = world.authority().pem_file();
        let asks = || {
            let mut curl = tenant.command("curl");
            curl.args(["-fsS", "--max-time", "2", "--cacert"])
                .arg(ca)
                .arg(&url);
            harness::command::run_command(&mut curl)
        };
        asks()?;
        tenant.cut()?;
        ensure!(asks().is_err(), "the network was cut");
        tenant.heal()?;
        eventually("the network is back", SOON, async || asks().map(drop)).await
    });
}

#[test]
fn a_scripted_fault_hits_the_request_that_it_names() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::Basic).await?;
        let proxy = Proxy::start(world, registry.address()).await?;
        let tenant = Tenant::start(world, 1).await?;
        let v1 = registry.push(world, REPOSITORY, &App::new("v1"))?;
        let image = format!("{}/{REPOSITORY}@{}", proxy.host(), v1.digest);
        let pull = async || tenant.engine().pull(&image, USER, PASSWORD).await;

        proxy.rule(Rule::get("/manifests/", Fault::error(429, "TOOMANYREQUESTS")).first(1));
        let refused = format!("{:#}", pull().await.expect_err("429"));
        ensure!(refused.contains("toomanyrequests"), "{refused}");

        proxy.rule(Rule::get("/blobs/", Fault::Corrupt));
        let corrupt = format!("{:#}", pull().await.expect_err("a corrupt layer"));
        ensure!(
            corrupt.contains("verification failed") || corrupt.contains("invalid"),
            "{corrupt}"
        );

        proxy.clear();
        pull().await?;
        ensure!(
            proxy.seen().iter().any(|seen| seen.authorized),
            "nobody sent credentials"
        );
        Ok(())
    });
}

#[test]
fn the_program_of_the_images_fails_as_it_is_told() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::None).await?;
        let tenant = Tenant::start(world, 1).await?;
        let engine = tenant.engine();
        for (name, behaviour) in [
            ("crash", Behaviour::Crash),
            ("unhealthy", Behaviour::Unhealthy),
            ("regress", Behaviour::RegressAfter(2.0)),
        ] {
            let pushed = registry.push(world, REPOSITORY, &App::new(name).that(behaviour))?;
            engine.pull(&pushed.reference(), USER, PASSWORD).await?;
            engine.run(&Run::new(name, &pushed.reference())).await?;
        }
        eventually("crash is started again and again", SOON, async || {
            let restarts = engine.container("crash").await?.inspect.restart_count;
            ensure!(restarts > Some(0), "{restarts:?}");
            Ok(())
        })
        .await?;
        for name in ["unhealthy", "regress"] {
            eventually(&format!("{name} is unhealthy"), SOON, async || {
                let health = engine.container(name).await?.health;
                ensure!(health == "unhealthy", "{health}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    });
}
