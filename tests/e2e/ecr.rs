//! Amazon's own credential helper logs a machine in to its registry.

use anyhow::ensure;
use harness::aws::{Aws, HELPER, REGISTRY};
use harness::fault::Proxy;
use harness::{App, Auth, Fleet, FleetSpec, Registry, scenario};

use crate::support::{SOON, ensure_untouched, failure, halts};

#[test]
fn amazons_helper_logs_in_for_a_pull() {
    scenario(async |world| {
        let aws = Aws::start(world).await?;
        let fleet = Fleet::start(world, &bound(&aws)).await?;

        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        fleet.machines[0].runs(&v2.digest, SOON).await?;
        // The registry lets nobody in without a password, and this machine knows no other.
        let asked = aws.requests();
        ensure!(
            asked.iter().any(|line| line.contains("api.ecr.us-east-1")),
            "AWS was asked for {asked:?}"
        );
        Ok(())
    });
}

#[test]
fn aws_that_does_not_answer_is_a_failure_and_never_an_anonymous_pull() {
    scenario(async |world| {
        let mut aws = Aws::start(world).await?;
        // This registry would give the image to anybody.
        let registry = Registry::start(world, "registry", Auth::None).await?;
        let proxy = Proxy::start(world, registry.address()).await?;
        let spec = FleetSpec {
            through: Some(proxy.host()),
            ..bound(&aws)
        };
        let fleet = Fleet::start_with(world, &spec, registry).await?;
        let machine = &fleet.machines[0];
        let before = machine.container().await?;
        let asked_before = proxy.seen().len();
        aws.kill()?;

        let member = halts(&fleet, world, &App::new("v2"), SOON).await?;
        let (kind, message) = failure(&member);
        ensure!(
            kind == "FAILURE_KIND_CREDENTIALS" && message.contains(HELPER),
            "{member:#}"
        );
        let asked = &proxy.seen()[asked_before..];
        ensure!(
            asked.is_empty(),
            "the registry was asked without credentials: {asked:?}"
        );
        ensure_untouched(&before, &machine.container().await?)
    });
}

/// A machine that knows its registry's password from `aws` alone.
fn bound(aws: &Aws) -> FleetSpec {
    let config = format!(
        r#"
[policy]
allow = ["{{host}}/molecule-ai/"]
[credentials."{{host}}"]
helper = "{HELPER}"
helper_key = "{REGISTRY}"
"#
    );
    FleetSpec {
        agent_config: Some(config),
        agent_environment: aws.environment(),
        credentials: None,
        ..FleetSpec::of(1)
    }
}
