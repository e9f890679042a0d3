//! Pulls that go wrong touch no container and say what went wrong.

use anyhow::ensure;
use harness::fault::{Fault, Proxy, Rule};
use harness::{App, Auth, Fleet, FleetSpec, Registry, World, scenario};

use crate::support::{SOON, configuration, ensure_untouched, failure, halts};

/// A fleet of one machine that pulls through a proxy.
async fn behind_a_proxy(world: &World) -> anyhow::Result<(Fleet, Proxy)> {
    let registry = Registry::start(world, "registry", Auth::Basic).await?;
    let proxy = Proxy::start(world, registry.address()).await?;
    let spec = FleetSpec {
        through: Some(proxy.host()),
        configuration: configuration(&[("healthy_deadline", "\"8s\"")]),
        ..FleetSpec::of(1)
    };
    Ok((Fleet::start_with(world, &spec, registry).await?, proxy))
}

/// With `fault` in the way of every pull, the rollout halts with one of `kinds`, and the running
/// container was not touched.
async fn fails_as(world: &World, rule: Rule, kinds: &[&str]) -> anyhow::Result<()> {
    let (fleet, proxy) = behind_a_proxy(world).await?;
    let before = fleet.machines[0].container().await?;
    proxy.rule(rule);
    let member = halts(&fleet, world, &App::new("v2"), SOON * 3).await?;
    let (kind, message) = failure(&member);
    ensure!(kinds.contains(&kind), "{member:#}");
    ensure!(
        !message.is_empty(),
        "it does not say what to do: {member:#}"
    );
    ensure_untouched(&before, &fleet.machines[0].container().await?)?;
    fleet.machines[0].is_tidy(SOON).await
}

#[test]
fn a_refused_credential_is_a_credentials_failure() {
    scenario(async |world| {
        let rule = Rule::any("/v2/", Fault::error(401, "UNAUTHORIZED"));
        fails_as(world, rule, &["FAILURE_KIND_CREDENTIALS"]).await
    });
}

#[test]
fn a_forbidden_repository_is_a_credentials_failure() {
    scenario(async |world| {
        let rule = Rule::any("/manifests/", Fault::error(403, "DENIED"));
        fails_as(world, rule, &["FAILURE_KIND_CREDENTIALS"]).await
    });
}

#[test]
fn an_unknown_digest_is_not_found() {
    scenario(async |world| {
        let rule = Rule::any("/manifests/", Fault::error(404, "MANIFEST_UNKNOWN"));
        fails_as(world, rule, &["FAILURE_KIND_NOT_FOUND"]).await
    });
}

#[test]
fn too_many_requests_for_ever_is_a_registry_failure() {
    scenario(async |world| {
        let rule = Rule::any("/manifests/", Fault::error(429, "TOOMANYREQUESTS"));
        fails_as(
            world,
            rule,
            &["FAILURE_KIND_REGISTRY", "FAILURE_KIND_TIMEOUT"],
        )
        .await
    });
}

#[test]
fn a_broken_registry_is_a_registry_failure() {
    scenario(async |world| {
        let rule = Rule::any("/manifests/", Fault::error(503, "UNAVAILABLE"));
        fails_as(
            world,
            rule,
            &["FAILURE_KIND_REGISTRY", "FAILURE_KIND_TIMEOUT"],
        )
        .await
    });
}

#[test]
fn a_corrupt_layer_is_refused() {
    scenario(async |world| {
        let kinds = [
            "FAILURE_KIND_REGISTRY",
            "FAILURE_KIND_NETWORK",
            "FAILURE_KIND_TIMEOUT",
        ];
        fails_as(world, Rule::get("/blobs/", Fault::Corrupt), &kinds).await
    });
}

#[test]
fn a_layer_that_stalls_ends_at_the_deadline() {
    scenario(async |world| {
        let kinds = [
            "FAILURE_KIND_NETWORK",
            "FAILURE_KIND_REGISTRY",
            "FAILURE_KIND_TIMEOUT",
        ];
        fails_as(world, Rule::get("/blobs/", Fault::Stall(100)), &kinds).await
    });
}

#[test]
fn a_registry_that_recovers_in_time_costs_nothing_but_time() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::Basic).await?;
        let proxy = Proxy::start(world, registry.address()).await?;
        let spec = FleetSpec {
            through: Some(proxy.host()),
            configuration: configuration(&[
                ("healthy_deadline", "\"90s\""),
                ("progress_deadline", "\"120s\""),
            ]),
            ..FleetSpec::of(1)
        };
        let fleet = Fleet::start_with(world, &spec, registry).await?;
        proxy.rule(Rule::any("/manifests/", Fault::error(503, "UNAVAILABLE")).first(1));
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON * 3)
            .await?;
        fleet.machines[0].runs(&v2.digest, SOON).await.map(drop)
    });
}
