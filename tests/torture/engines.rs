//! `kill -9` of the engine.

use anyhow::bail;
use harness::fleet::Machine;
use harness::{App, Fleet, FleetSpec, eventually, scenario};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::invariants::{Order, Tally, give_volumes_alone, hold_in_the_end, hold_soon, is_back};
use crate::moment::Moment;
use crate::size::{self, SOON};

/// How the failure ends of one whose health check does not decide.
const NOT_ASKED: &str = "its state is running, its health check says starting";
/// How the failure ends of one that its engine was just starting.
const LEFT_OVER: &str = ": already exists";

#[test]
fn engines_killed_at_random_moments_of_updates_lose_nothing() {
    engines_killed(false);
}

#[test]
fn engines_killed_whose_containers_live_on_lose_nothing() {
    engines_killed(true);
}

fn engines_killed(live_on: bool) {
    let seed = harness::seed();
    scenario(async move |world| {
        let mut random = StdRng::seed_from_u64(seed);
        let (machines, rounds) = size::of((1, 2), (2, 13));
        let spec = FleetSpec {
            configuration: size::configuration(),
            ..FleetSpec::of(machines)
        };
        let mut fleet = Fleet::start(world, &spec).await?;
        for machine in &mut fleet.machines {
            let daemon = format!(r#"{{"live-restore": {live_on}}}"#);
            machine.tenant.configure_engine(&daemon)?;
            machine.tenant.stop_engine().await?;
            machine.tenant.start_engine().await?;
        }
        give_volumes_alone(&fleet).await?;
        let mut tally = Tally::default();
        let mut stands = vec![fleet.v1.digest.clone(); fleet.machines.len()];
        for round in 0..rounds {
            let (pushed, rollout) = fleet.release(world, &App::new(&format!("v{}", round + 2)))?;
            let moments: Vec<_> = (0..machines)
                .map(|_| Moment::of(&mut random, Order::StopFirst))
                .collect();
            let killed = fleet.machines.iter_mut().zip(moments);
            let killed = killed.map(|(machine, moment)| kill(machine, moment));
            for containers in futures_util::future::try_join_all(killed).await? {
                tally.note(&containers, &pushed.digest);
            }
            for (machine, stands) in fleet.machines.iter().zip(&mut stands) {
                if is_proven(&fleet, &rollout, machine, live_on).await? {
                    stands.clone_from(&pushed.digest);
                }
                hold_in_the_end(machine, stands, SOON).await?;
            }
        }
        tally.tell(
            &format!("kills of the engine, live-restore {live_on}"),
            world,
        );
        Ok(())
    });
}

/// Waits for the end of it there. An engine's end is not the image's fault; but of what it was just
/// starting, an engine (20.10) was seen to say from then on that it exists already, or, where the
/// containers live on, to forget the health check: that may be taken back.
async fn is_proven(
    fleet: &Fleet,
    rollout: &str,
    machine: &Machine,
    live_on: bool,
) -> anyhow::Result<bool> {
    eventually("it is proven, or taken back", SOON, async || {
        let member = fleet.member(rollout, machine.tenant.name())?;
        let why = member["failure"]["message"].as_str().unwrap_or_default();
        match member["phase"].as_str() {
            Some("AGENT_PHASE_SETTLED") => Ok(true),
            Some("AGENT_PHASE_ROLLED_BACK") if live_on && why.ends_with(NOT_ASKED) => Ok(false),
            Some("AGENT_PHASE_ROLLED_BACK")
                if member["failure"]["kind"] == "FAILURE_KIND_ENGINE"
                    && why.ends_with(LEFT_OVER) =>
            {
                Ok(false)
            }
            _ => bail!("{member:#}"),
        }
    })
    .await
}

/// Kills an engine at that moment, and starts it again. What it showed then.
async fn kill(
    machine: &mut Machine,
    moment: Moment,
) -> anyhow::Result<Vec<harness::engine::Container>> {
    moment.comes(machine).await?;
    machine.tenant.kill_engine()?;
    machine.tenant.start_engine().await?;
    let containers = hold_soon(machine, SOON).await?;
    is_back(machine).await?;
    Ok(containers)
}
