//! Every pull goes with that registry's own credentials, or not at all.

use anyhow::ensure;
use harness::fault::Proxy;
use harness::registry::{PASSWORD, TRICKY_PASSWORD, TRICKY_USER, USER, docker_config};
use harness::{App, Auth, Fleet, FleetSpec, Registry, World, scenario};

use crate::support::{SOON, ensure_untouched, failure, halts};

const BOUND: &str = r#"
[policy]
allow = ["{host}/molecule-ai/"]
[credentials."{host}"]
helper = "tests"
"#;

#[test]
fn a_bearer_token_is_fetched_with_the_machines_credentials() {
    scenario(async |world| {
        let spec = FleetSpec {
            auth: Auth::Bearer,
            ..FleetSpec::of(1)
        };
        rolls_out(world, &Fleet::start(world, &spec).await?).await
    });
}

#[test]
fn a_password_that_standard_base64_would_spoil_works() {
    scenario(async |world| {
        let credentials = Some((TRICKY_USER.into(), TRICKY_PASSWORD.into()));
        let spec = FleetSpec {
            credentials,
            ..FleetSpec::of(1)
        };
        rolls_out(world, &Fleet::start(world, &spec).await?).await
    });
}

#[test]
fn a_bound_helper_is_asked_by_dockers_protocol() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &bound()).await?;
        let secret = format!(r#"{{"ServerURL":"x","Username":"{USER}","Secret":"{PASSWORD}"}}"#);
        let script = format!("read host; echo \"$1 $host\" >> \"$HOME/asked\"; echo '{secret}'");
        fleet.machines[0].agent.install_helper("tests", &script)?;
        rolls_out(world, &fleet).await?;
        let asked = std::fs::read_to_string(fleet.machines[0].agent.directory().join("asked"))?;
        ensure!(
            asked.starts_with(&format!("get {}", fleet.registry.host())),
            "{asked}"
        );
        Ok(())
    });
}

#[test]
fn a_helper_of_dockers_configuration_is_asked_and_goes_before_auths() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let host = fleet.registry.host();
        let agent = &fleet.machines[0].agent;
        let config = serde_json::json!({
            "credHelpers": {host.as_str(): "tests"},
            "auths": {host.as_str(): {"auth": "d3Jvbmc6d3Jvbmc="}},
        });
        std::fs::write(agent.docker_config(), config.to_string())?;
        let secret = format!(r#"{{"ServerURL":"x","Username":"{USER}","Secret":"{PASSWORD}"}}"#);
        agent.install_helper("tests", &format!("cat >/dev/null; echo '{secret}'"))?;
        rolls_out(world, &fleet).await
    });
}

#[test]
fn a_bound_helper_that_fails_is_an_error_and_never_an_anonymous_pull() {
    scenario(async |world| {
        // This registry would give the image to anybody.
        let registry = Registry::start(world, "registry", Auth::None).await?;
        let proxy = Proxy::start(world, registry.address()).await?;
        let spec = FleetSpec {
            through: Some(proxy.host()),
            ..bound()
        };
        let fleet = Fleet::start_with(world, &spec, registry).await?;
        let machine = &fleet.machines[0];
        let script = "cat >/dev/null; echo 'credentials not found in native keychain'; exit 1";
        machine.agent.install_helper("tests", script)?;
        let before = machine.container().await?;
        let asked_before = proxy.seen().len();

        let member = halts(&fleet, world, &App::new("v2"), SOON).await?;
        ensure!(
            failure(&member).0 == "FAILURE_KIND_CREDENTIALS",
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

#[test]
fn a_wrong_password_is_a_typed_failure_and_in_no_log() {
    const CANARY: &str = "canary-4f1d9a-not-the-password";
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let machine = &fleet.machines[0];
        let wrong = docker_config(&[(&fleet.registry.host(), USER, CANARY)]);
        std::fs::write(machine.agent.docker_config(), wrong)?;
        let before = machine.container().await?;

        let (_, rollout) = fleet.release(world, &App::new("v2"))?;
        let halted = fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        let member = fleet.member(&rollout, "t1")?;
        ensure!(
            failure(&member).0 == "FAILURE_KIND_CREDENTIALS",
            "{member:#}"
        );
        ensure_untouched(&before, &machine.container().await?)?;
        let said = [
            halted.to_string(),
            machine.agent.printed(),
            fleet.coordinator.printed(),
        ];
        ensure!(
            said.iter().all(|text| !text.contains(CANARY)),
            "the password was told"
        );
        let database = std::fs::read(fleet.coordinator.data().join("pinion.db"));
        let found = database.is_ok_and(|bytes| {
            bytes
                .windows(CANARY.len())
                .any(|window| window == CANARY.as_bytes())
        });
        ensure!(!found, "the password is in the database");
        Ok(())
    });
}

fn bound() -> FleetSpec {
    FleetSpec {
        agent_config: Some(BOUND.to_owned()),
        credentials: None,
        ..FleetSpec::of(1)
    }
}

async fn rolls_out(world: &World, fleet: &Fleet) -> anyhow::Result<()> {
    let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
    fleet
        .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
        .await?;
    fleet.machines[0].runs(&v2.digest, SOON).await.map(drop)
}
