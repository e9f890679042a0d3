//! `kill -9` of the agent.

use anyhow::ensure;
use harness::fleet::Machine;
use harness::{App, Behaviour, Fleet, FleetSpec, scenario};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::invariants::{
    Order, Tally, give_volumes, hold_in_the_end, hold_now, is_back, stands_in_its_place,
};
use crate::moment::Moment;
use crate::size::{self, SOON};

#[test]
fn agents_killed_at_random_moments_of_updates_lose_nothing() {
    agents_killed(Order::StopFirst, size::of((1, 9), (4, 50)));
}

#[test]
fn agents_killed_while_they_replace_start_first_never_stop_the_last() {
    agents_killed(Order::StartFirst, size::of((1, 6), (4, 25)));
}

fn agents_killed(order: Order, (machines, rounds): (u8, usize)) {
    let seed = harness::seed();
    scenario(async move |world| {
        let mut random = StdRng::seed_from_u64(seed);
        let spec = FleetSpec {
            configuration: size::configuration(),
            ..FleetSpec::of(machines)
        };
        let mut fleet = Fleet::start(world, &spec).await?;
        give_volumes(&fleet, order).await?;
        let mut tally = Tally::default();
        let mut stands = fleet.v1.clone();
        for round in 0..rounds {
            let app = App::new(&format!("v{}", round + 2));
            // Every third image is a bad one.
            let is_good = round % 3 != 1;
            let app = match is_good {
                true => app,
                false => app.that(Behaviour::CrashAfter(0.7)),
            };
            let (pushed, rollout) = fleet.release(world, &app)?;
            let moments: Vec<_> = (0..machines)
                .map(|_| Moment::of(&mut random, order))
                .collect();
            let killed = fleet.machines.iter_mut().zip(moments);
            let killed = killed.map(|(machine, moment)| kill(machine, moment));
            for containers in futures_util::future::try_join_all(killed).await? {
                tally.note(&containers, &pushed.digest);
            }
            let phase = match is_good {
                true => "ROLLOUT_PHASE_COMPLETED",
                false => "ROLLOUT_PHASE_HALTED",
            };
            fleet.rollout_is(&rollout, phase, SOON).await?;
            if is_good {
                stands = pushed;
            }
            for machine in &fleet.machines {
                hold_in_the_end(machine, &stands.digest, SOON).await?;
            }
        }
        tally.tell(&format!("kills of the agent, {order:?}"), world);
        Ok(())
    });
}

/// Kills an agent at that moment, and starts it again. What the engine showed in between.
async fn kill(
    machine: &mut Machine,
    moment: Moment,
) -> anyhow::Result<Vec<harness::engine::Container>> {
    moment.comes(machine).await?;
    machine.agent.kill()?;
    let containers = hold_now(machine).await?;
    machine.agent.start_again(&machine.tenant).await?;
    is_back(machine).await?;
    Ok(containers)
}

#[test]
fn what_was_under_way_is_recovered_without_configuration_identity_or_coordinator() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let bad = App::new("v2").that(Behaviour::Unhealthy);
        let (pushed, _) = fleet.release(world, &bad)?;
        let machine = &mut fleet.machines[0];
        stands_in_its_place(machine, &pushed.digest).await?;
        machine.agent.kill()?;
        fleet.coordinator.kill()?;
        // None of these is of any use to the agent that starts now.
        std::fs::write(machine.agent.state().join("agent.toml"), "[polcy]\n")?;
        std::fs::remove_dir_all(machine.agent.state().join("identity"))?;
        machine.agent.launch(&machine.tenant)?;
        machine.runs(&fleet.v1.digest, SOON).await?;
        machine.is_tidy(SOON).await?;
        let said = machine.agent.printed();
        ensure!(said.contains("polcy"), "it says what is wrong: {said}");
        ensure!(!said.contains("ready agent="), "it is not ready: {said}");
        Ok(())
    });
}
