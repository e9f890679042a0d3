//! An engine's socket that goes wrong: calls that are lost before or after their effect, answers
//! that come late, in part, never, or make no sense.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::fault::{Fault, Rule};
use harness::{App, Behaviour, Fleet, FleetSpec, SocketProxy, World, eventually, scenario};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::invariants::{Order, give_volumes, hold_in_the_end, hold_soon};
use crate::size::{self, SOON};

/// A machine whose agent reaches its engine through a proxy.
async fn behind_a_proxy(world: &World) -> anyhow::Result<(Fleet, SocketProxy)> {
    let spec = FleetSpec {
        configuration: size::configuration(),
        ..FleetSpec::of(1)
    };
    let mut fleet = Fleet::start(world, &spec).await?;
    give_volumes(&fleet, Order::StopFirst).await?;
    let machine = &mut fleet.machines[0];
    let path = machine.tenant.directory().join("proxy.sock");
    let proxy = SocketProxy::start(&path, &machine.tenant.socket())?;
    machine.agent.stop().await?;
    machine.agent.find_engine_at(&proxy.docker_host());
    machine.agent.start_again(&machine.tenant).await?;
    fleet.all_online().await?;
    Ok((fleet, proxy))
}

/// Each call of an update, by a part of its path.
const CALLS: &[&str] = &[
    "/containers/json",
    "/images/",
    "/containers/create",
    "/update",
    "/stop",
    "/rename",
    "/start",
    "/tag",
    "/events",
];

fn faults() -> Vec<(&'static str, Fault)> {
    let say = |body: &str| Fault::Answer(200, Vec::new(), body.to_owned());
    vec![
        ("drop", Fault::Drop),
        ("forget", Fault::Forget),
        ("delay", Fault::Delay(Duration::from_millis(900))),
        ("truncate", Fault::Truncate(7)),
        ("503", Fault::Answer(503, Vec::new(), String::new())),
        ("garbage", say("\u{1}garbage")),
        ("null", say("null")),
        ("empty", say("[]")),
    ]
}

#[test]
fn an_update_gets_there_whichever_answer_of_the_engine_goes_wrong_once() {
    scenario(async |world| {
        let (mut fleet, proxy) = behind_a_proxy(world).await?;
        let mut version = 1;
        let calls = &CALLS[..size::of(2, CALLS.len())];
        for call in calls {
            for (name, fault) in faults().into_iter().take(size::of(3, usize::MAX)) {
                version += 1;
                proxy.rule(Rule::any(call, fault).first(1));
                if *call == "/events" {
                    // Asked once in an agent's life.
                    let machine = &mut fleet.machines[0];
                    machine.agent.kill()?;
                    machine.agent.start_again(&machine.tenant).await?;
                }
                let (pushed, rollout) = fleet.release(world, &App::new(&format!("v{version}")))?;
                let phase = "ROLLOUT_PHASE_COMPLETED";
                let ended = fleet.rollout_is(&rollout, phase, SOON).await;
                ended.with_context(|| format!("{name} at {call}"))?;
                hold_in_the_end(&fleet.machines[0], &pushed.digest, SOON).await?;
                ensure!(proxy.is_spent(), "nobody asked for {call}");
                proxy.clear();
            }
        }
        println!(
            "{} updates, each with one answer that went wrong",
            version - 1
        );
        Ok(())
    });
}

#[test]
fn an_engine_that_never_answers_is_waited_for_and_nothing_is_concluded() {
    scenario(async |world| {
        let (fleet, proxy) = behind_a_proxy(world).await?;
        let before = fleet.machines[0].container().await?;
        proxy.rule(Rule::any("/", Fault::Hang));
        let (pushed, rollout) = fleet.release(world, &App::new("v2"))?;
        eventually("the agent asked, and waits", SOON, async || {
            let asked = proxy.seen().len();
            ensure!(asked > 0, "it did not ask");
            let member = fleet.member(&rollout, "t1")?;
            ensure!(member["phase"] != "AGENT_PHASE_SETTLED", "{member}");
            Ok(())
        })
        .await?;
        let now = fleet.machines[0].container().await?;
        ensure!(now.id == before.id && now.running, "it was touched");
        proxy.clear();
        // Calls that hang end by themselves within a minute.
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON * 2)
            .await?;
        hold_in_the_end(&fleet.machines[0], &pushed.digest, SOON).await
    });
}

#[test]
fn an_engine_that_goes_wrong_at_random_loses_nothing() {
    let seed = harness::seed();
    scenario(async move |world| {
        let mut random = StdRng::seed_from_u64(seed);
        let (fleet, proxy) = behind_a_proxy(world).await?;
        let mut stands = fleet.v1.clone();
        for round in 0..size::of(3, 40) {
            let app = App::new(&format!("v{}", round + 2));
            let is_good = random.random_ratio(2, 3);
            let app = match is_good {
                true => app,
                false => app.that(Behaviour::CrashAfter(0.7)),
            };
            proxy.chaos(random.random(), 10);
            let (pushed, rollout) = fleet.release(world, &app)?;
            tokio::time::sleep(Duration::from_millis(random.random_range(500..4000))).await;
            hold_soon(&fleet.machines[0], SOON).await?;
            proxy.clear();
            let is_completed = fleet.completes(&rollout, SOON * 2).await?;
            ensure!(is_good || !is_completed, "a bad image stays");
            println!("round {round}, good {is_good}: completed {is_completed}");
            if is_completed {
                stands = pushed;
            }
            hold_in_the_end(&fleet.machines[0], &stands.digest, SOON).await?;
        }
        Ok(())
    });
}
