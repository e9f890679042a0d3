//! Images without a health check, proven by what their containers answer.

use anyhow::ensure;
use harness::engine::Run;
use harness::fleet::{CONTAINER, PORT, REPOSITORY};
use harness::registry::{PASSWORD, USER};
use harness::{App, Behaviour, Fleet, FleetSpec, World, scenario};

use crate::support::{SOON, configuration, failure};

/// A secret of the tenant's own, and one that looks like one whoever owns it.
const SECRET: &str = "s3cr3t-of-acme";
const BEARER: &str = "abcdef0123456789abcdef";
const CONFIGURED: &str = r#"
[policy]
allow = ["{host}/molecule-ai/"]
[workload.workspace-server]
probe = "tcp:8081"
"#;

/// A machine without a container; what fails there fails within seconds.
async fn machine(world: &World, agent_config: Option<&str>) -> anyhow::Result<Fleet> {
    let changes = [("healthy_deadline", "\"8s\""), ("soak", "\"3s\"")];
    let spec = FleetSpec {
        configuration: configuration(&changes),
        containers: false,
        agent_config: agent_config.map(str::to_owned),
        ..FleetSpec::of(1)
    };
    Fleet::start(world, &spec).await
}

/// Brings an image without a health check to the machine, and answers its name.
async fn pulled(world: &World, fleet: &Fleet) -> anyhow::Result<String> {
    let app = App::new("v1n").without_health_check();
    let v1 = fleet.registry.push(world, REPOSITORY, &app)?.reference();
    let engine = fleet.machines[0].tenant.engine();
    engine.pull(&v1, USER, PASSWORD).await?;
    Ok(v1)
}

/// Starts the workload's container by hand.
async fn start(fleet: &Fleet, image: &str, probe: Option<&str>) -> anyhow::Result<()> {
    let engine = fleet.machines[0].tenant.engine();
    let mut run = Run::new(CONTAINER, image)
        .port(PORT)
        .env(&format!("API_TOKEN={SECRET}"))
        .env(&format!("APP_SAYS=token {SECRET}, header Bearer {BEARER}"));
    if let Some(probe) = probe {
        run = run.label("pinion.probe", probe);
    }
    engine.run(&run).await.map(drop)
}

fn tells_no_secret(text: &str) -> anyhow::Result<()> {
    let told = text.contains(SECRET) || text.contains(BEARER);
    ensure!(!told, "a secret left the machine: {text}");
    Ok(())
}

#[test]
fn a_probe_that_fails_takes_it_back_with_its_log_and_without_its_secrets() {
    scenario(async |world| {
        let fleet = machine(world, None).await?;
        let v1 = pulled(world, &fleet).await?;
        start(&fleet, &v1, Some("http:8080/healthz")).await?;
        let before = fleet.machines[0].container().await?;
        let sick = App::new("v2").that(Behaviour::Unhealthy);
        let (v2, rollout) = fleet.release(world, &sick.without_health_check())?;
        let member = fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", SOON)
            .await?;
        let (kind, message) = failure(&member);
        ensure!(kind == "FAILURE_KIND_HEALTH", "{member:#}");
        for part in ["http:8080/healthz", "answers 503"] {
            ensure!(message.contains(part), "{member:#}");
        }
        let tail = member["failure"]["log_tail"].as_str().unwrap_or_default();
        ensure!(tail.contains("app v2 listens on 8080"), "{member:#}");
        let said = "token [removed], header Bearer [removed]";
        ensure!(tail.contains(said), "{tail}");
        let now = fleet.machines[0].container().await?;
        ensure!(now.id == before.id && now.running, "{} is not back", now.id);
        ensure!(!now.has(&v2.digest), "v2 is left running");
        fleet.machines[0].is_tidy(SOON).await?;

        for arguments in [
            &["rollout", "explain", &rollout][..],
            &["agent", "show", "t1"],
        ] {
            let shown = fleet.cli.output(arguments)?;
            let text = String::from_utf8_lossy(&shown.stdout).into_owned();
            ensure!(
                text.contains("app v2 listens on 8080"),
                "{arguments:?}: {text}"
            );
            tells_no_secret(&text)?;
        }
        tells_no_secret(&member.to_string())?;
        tells_no_secret(&fleet.machines[0].agent.printed())?;
        tells_no_secret(&fleet.coordinator.printed())
    });
}

#[test]
fn a_probe_that_passes_proves_it_whichever_it_is() {
    scenario(async |world| {
        let fleet = machine(world, None).await?;
        let engine = fleet.machines[0].tenant.engine();
        let v1 = pulled(world, &fleet).await?;
        for (probe, version) in [
            ("http:8080/healthz", "v2"),
            ("tcp:8080", "v3"),
            ("exec:/app health", "v4"),
        ] {
            start(&fleet, &v1, Some(probe)).await?;
            let slow = App::new(version).that(Behaviour::SlowStart(2.0));
            let (next, rollout) = fleet.release(world, &slow.without_health_check())?;
            fleet
                .member_is(&rollout, "t1", "AGENT_PHASE_SETTLED", SOON)
                .await?;
            let now = fleet.machines[0].container().await?;
            ensure!(now.running && now.has(&next.digest), "{probe}: {}", now.id);
            ensure!(now.health == "none", "{probe}: it has a health check");
            fleet.machines[0].is_tidy(SOON).await?;
            let force = bollard::query_parameters::RemoveContainerOptions {
                force: true,
                ..Default::default()
            };
            engine
                .docker()
                .remove_container(CONTAINER, Some(force))
                .await?;
        }
        Ok(())
    });
}

#[test]
fn a_probe_of_the_machines_own_configuration_counts_too() {
    scenario(async |world| {
        let fleet = machine(world, Some(CONFIGURED)).await?;
        let v1 = pulled(world, &fleet).await?;
        start(&fleet, &v1, None).await?;
        let before = fleet.machines[0].container().await?;
        let (_, rollout) = fleet.release(world, &App::new("v2"))?;
        let member = fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", SOON)
            .await?;
        let (_, message) = failure(&member);
        ensure!(message.contains("its probe tcp:8081 fails"), "{member:#}");
        let now = fleet.machines[0].container().await?;
        ensure!(now.id == before.id && now.running, "{} is not back", now.id);
        Ok(())
    });
}

#[test]
fn a_probe_that_nobody_can_read_is_refused_before_anything_is_pulled() {
    scenario(async |world| {
        let fleet = machine(world, None).await?;
        let v1 = pulled(world, &fleet).await?;
        start(&fleet, &v1, Some("https:8080/healthz")).await?;
        let before = fleet.machines[0].container().await?;
        let (_, rollout) = fleet.release(world, &App::new("v2"))?;
        let member = fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_REFUSED", SOON)
            .await?;
        let (kind, message) = failure(&member);
        ensure!(kind == "FAILURE_KIND_POLICY", "{member:#}");
        ensure!(message.contains("allowed: tcp:PORT"), "{member:#}");
        let now = fleet.machines[0].container().await?;
        ensure!(now.id == before.id && now.running, "it was touched");
        fleet.machines[0].is_tidy(SOON).await
    });
}
