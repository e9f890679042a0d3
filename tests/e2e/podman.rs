//! Machines whose engine is Podman, by the API that it has of Docker's.

use anyhow::ensure;
use harness::command::run_command;
use harness::fleet::{CONTAINER, PORT};
use harness::{App, Behaviour, EngineKind, Fleet, FleetSpec, scenario};

use crate::support::{SOON, ensure_untouched, failure, halts};

fn spec() -> FleetSpec {
    FleetSpec {
        engine: EngineKind::Podman,
        ..FleetSpec::of(1)
    }
}

#[test]
fn podman_runs_a_new_image_and_takes_a_bad_one_back() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &spec()).await?;
        let machine = &fleet.machines[0];
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        let now = machine.runs(&v2.digest, SOON).await?;
        let completed = "ROLLOUT_PHASE_COMPLETED";
        fleet.rollout_is(&rollout, completed, SOON).await?;
        machine.is_tidy(SOON).await?;
        ensure!(machine.tenant.http_get(PORT)? == "v2", "nobody is served");
        let env = now.inspect.config.unwrap_or_default().env;
        let env = env.unwrap_or_default();
        ensure!(env.contains(&"TENANT=acme".to_owned()), "{env:?}");

        let before = machine.container().await?;
        let bad = App::new("v3").that(Behaviour::Unhealthy);
        let member = halts(&fleet, world, &bad, SOON).await?;
        ensure!(member["phase"] == "AGENT_PHASE_ROLLED_BACK", "{member:#}");
        ensure!(failure(&member).0 == "FAILURE_KIND_HEALTH", "{member:#}");
        let back = machine.runs(&v2.digest, SOON).await?;
        ensure!(back.id == before.id, "it was made anew");
        machine.is_tidy(SOON).await
    });
}

/// How a container is run there, and why it is left alone.
const REFUSED: [(&[&str], &str); 3] = [
    (&["--restart", "always"], "cannot take its restart policy"),
    (&["--annotation", "owner=platform"], "annotation owner"),
    // As in the unit that `podman generate systemd` writes, and in Quadlet's.
    (&["--replace"], "a systemd unit runs it"),
];

#[test]
fn what_podman_cannot_do_is_refused_with_what_to_do_and_nothing_is_touched() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &spec()).await?;
        let machine = &fleet.machines[0];
        for (at, (options, why)) in REFUSED.into_iter().enumerate() {
            machine
                .tenant
                .podman(&["rm", "--force", "--time=0", CONTAINER])?;
            let mut run = machine.tenant.podman_command();
            if options == ["--replace"] {
                run.env("PODMAN_SYSTEMD_UNIT", "workspace.service");
            }
            run.args(["run", "--detach", "--name", CONTAINER])
                .args(options)
                .arg(fleet.v1.reference());
            run_command(&mut run)?;
            let before = machine.runs(&fleet.v1.digest, SOON).await?;

            let next = App::new(&format!("v{}", at + 2));
            let member = halts(&fleet, world, &next, SOON).await?;
            ensure!(member["phase"] == "AGENT_PHASE_REFUSED", "{member:#}");
            let (_, message) = failure(&member);
            ensure!(message.contains(why), "{message}");
            ensure!(message.contains("nothing was touched"), "{message}");
            ensure_untouched(&before, &machine.container().await?)?;
            machine.is_tidy(SOON).await?;
        }
        Ok(())
    });
}
