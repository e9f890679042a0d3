//! A registry that goes wrong at every kind of request, in every way: no container is touched, and
//! the next attempt gets there.

use std::time::Duration;

use anyhow::ensure;
use harness::fault::{Fault, Proxy, Rule};
use harness::{App, Auth, Fleet, FleetSpec, Registry, scenario};

use crate::invariants::hold_soon;
use crate::size::{self, SOON};

fn too_many(retry_after: Option<&str>) -> Fault {
    let after = retry_after.map(|seconds| ("retry-after", seconds.to_owned()));
    Fault::Answer(
        429,
        after.into_iter().collect(),
        r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"scripted"}]}"#.to_owned(),
    )
}

fn faults() -> Vec<(&'static str, Fault)> {
    vec![
        ("401", Fault::error(401, "UNAUTHORIZED")),
        ("403", Fault::error(403, "DENIED")),
        ("404", Fault::error(404, "MANIFEST_UNKNOWN")),
        ("429", too_many(None)),
        ("429 with Retry-After", too_many(Some("2"))),
        ("500", Fault::error(500, "UNKNOWN")),
        ("cut", Fault::Drop),
        ("truncated", Fault::Truncate(100)),
        ("corrupt", Fault::Corrupt),
        ("slow", Fault::Delay(Duration::from_millis(700))),
        ("stalled", Fault::Stall(100)),
    ]
}

#[test]
fn a_registry_that_goes_wrong_in_any_way_touches_no_container() {
    scenario(async |world| {
        let registry = Registry::start(world, "registry", Auth::Basic).await?;
        let proxy = Proxy::start(world, registry.address()).await?;
        let spec = FleetSpec {
            through: Some(proxy.host()),
            configuration: size::configuration().replace("\"20s\"", "\"6s\""),
            ..FleetSpec::of(1)
        };
        let fleet = Fleet::start_with(world, &spec, registry).await?;
        let mut version = 1;
        let paths = size::of(vec!["/blobs/"], vec!["/manifests/", "/blobs/"]);
        for path in paths {
            for (name, fault) in faults().into_iter().take(size::of(4, usize::MAX)) {
                version += 1;
                let before = fleet.machines[0].container().await?;
                proxy.rule(Rule::any(path, fault));
                let (pushed, rollout) = fleet.release(world, &App::new(&format!("v{version}")))?;
                let is_completed = fleet.completes(&rollout, SOON * 3).await?;
                println!("{path} {name}: completed {is_completed}");
                hold_soon(&fleet.machines[0], SOON).await?;
                let now = fleet.machines[0].container().await?;
                let is_done = is_completed && now.runs(&pushed.digest);
                ensure!(
                    is_done || now.id == before.id && now.running,
                    "{path} {name}: {}",
                    now.id
                );
                fleet.machines[0].is_tidy(SOON).await?;
                proxy.clear();
            }
        }
        let (pushed, rollout) = fleet.release(world, &App::new("last"))?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        fleet.machines[0].runs(&pushed.digest, SOON).await.map(drop)
    });
}
