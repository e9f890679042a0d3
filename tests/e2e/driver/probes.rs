//! Probes of containers on a real engine.

use std::time::Duration;

use anyhow::ensure;
use harness::{App, Behaviour, eventually, scenario};
use pinion_agent::driver::Driver as _;
use pinion_agent::driver::docker::Docker;
use pinion_workload::ContainerId;
use pinion_workload::probe::{Probe, ProbeAnswer};
use serde_json::{Value, json};

use crate::calls::{machine, spec};

const SOON: Duration = Duration::from_secs(20);

async fn run(
    driver: &Docker,
    image: &pinion_model::ImageRef,
    name: &str,
    host: Value,
) -> anyhow::Result<ContainerId> {
    let id = driver.create(name, &spec(image, &host)).await?;
    driver.start(&id).await?;
    Ok(id)
}

async fn ask(driver: &Docker, id: &ContainerId, probe: &str) -> anyhow::Result<ProbeAnswer> {
    let probe: Probe = probe.parse()?;
    Ok(driver.probe(id, &probe).await)
}

fn fails_with(answer: &ProbeAnswer, words: &str) -> anyhow::Result<()> {
    match answer {
        ProbeAnswer::Failed(why) if why.contains(words) => Ok(()),
        other => anyhow::bail!("it should say {words:?}: {other:?}"),
    }
}

/// The engine's agents live beside it, so its addresses are reached from its own namespace alone:
/// what needs no address is tried here, and the rest by the agent itself.
#[test]
fn a_command_passes_fails_is_missing_and_is_not_begun_twice() {
    scenario(async |world| {
        let app = App::new("v1").that(Behaviour::SlowStart(3.0));
        let (_registry, _tenant, driver, image) = machine(world, &app).await?;
        let id = run(&driver, &image, "web", json!({})).await?;
        fails_with(
            &ask(&driver, &id, "exec:/app health").await?,
            "exits with code 1",
        )?;
        eventually("the command passes", SOON, async || {
            let answer = ask(&driver, &id, "exec:/app health").await?;
            ensure!(answer == ProbeAnswer::Passed, "{answer:?}");
            Ok(())
        })
        .await?;
        let missing = ask(&driver, &id, "exec:/none").await?;
        ensure!(matches!(missing, ProbeAnswer::Failed(_)), "{missing:?}");
        let hung = "exec:/app sleep";
        fails_with(&ask(&driver, &id, hung).await?, "did not end within 5 s")?;
        fails_with(&ask(&driver, &id, hung).await?, "still runs")?;
        driver.stop(&id, Duration::from_secs(1)).await?;
        let stopped = ask(&driver, &id, "exec:/app health").await?;
        ensure!(!matches!(stopped, ProbeAnswer::Passed), "{stopped:?}");
        let gone = ask(&driver, &ContainerId("f".repeat(64)), "exec:/app health").await?;
        ensure!(matches!(gone, ProbeAnswer::Unknown(_)), "{gone:?}");
        Ok(())
    });
}

#[test]
fn a_container_without_an_address_is_told_to_be_asked_otherwise() {
    scenario(async |world| {
        let (_registry, _tenant, driver, image) = machine(world, &App::new("v1")).await?;
        let id = run(&driver, &image, "web", json!({ "NetworkMode": "none" })).await?;
        fails_with(&ask(&driver, &id, "tcp:8080").await?, "exec:")?;
        eventually("a command passes all the same", SOON, async || {
            let answer = ask(&driver, &id, "exec:/app health").await?;
            ensure!(answer == ProbeAnswer::Passed, "{answer:?}");
            Ok(())
        })
        .await
    });
}
