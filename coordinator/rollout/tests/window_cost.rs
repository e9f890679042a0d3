//! Windows cost what changes, not what exists.

use std::time::{Duration, Instant};

use pinion_model::{Actor, AgentId, LabelSelector, Labels, PinNumber, Timestamp, WorkloadName};
use pinion_rollout::{
    Act, Agent, Calendar, Certificate, Decision, Pin, Presence, Strategy, Window, World, apply,
    commands, plan, summary,
};

/// A Wednesday at noon in Berlin.
const NOON: Timestamp = Timestamp(1_782_900_000_000);

fn workload() -> WorkloadName {
    "app".parse().expect("a name")
}

fn pin() -> Pin {
    Pin {
        number: PinNumber(1),
        digest: format!("sha256:{}", "02".repeat(32))
            .parse()
            .expect("a digest"),
        source_sha: None,
        notes: String::new(),
        images: Vec::new().into(),
        local_tag: "current".into(),
        promoted_by: Actor::System,
        at: NOON,
    }
}

/// That many machines, all online.
fn fleet(machines: usize) -> World {
    let certificate = Certificate {
        fingerprint: "print".to_owned(),
        serial: "01".to_owned(),
        not_after: Timestamp(u64::MAX),
    };
    let mut world = World::default();
    for n in 0..machines {
        let id: AgentId = format!("m{n}").parse().expect("a name");
        let mut agent = Agent::enrolled(Labels::new(), certificate.clone(), NOON);
        agent.presence = Presence::Online;
        world.agents.insert(id, agent);
    }
    let written = serde_json::to_string(&world).expect("a world is written");
    serde_json::from_str(&written).expect("a world is read back, with its index")
}

/// A rollout to all of them, which waits for the night.
fn shut(machines: usize) -> World {
    let mut world = fleet(machines);
    let act = Act::PinPromoted {
        workload: workload(),
        pin: pin(),
    };
    apply(&mut world, &Decision::system(NOON, act).into());
    let night = Window {
        agents: LabelSelector::default(),
        days: Default::default(),
        start: "22:00".parse().expect("a time"),
        duration: Duration::from_secs(4 * 3600),
        time_zone: "Europe/Berlin".parse().expect("a zone"),
    };
    let request = commands::StartRollout {
        workload: workload(),
        pin: None,
        strategy: Strategy {
            calendar: Calendar {
                windows: vec![night],
                freezes: Vec::new(),
            },
            ..Strategy::default()
        },
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let started = commands::start_rollout(&world, request, &Actor::System, NOON);
    let changes = started.expect("a rollout").changes;
    changes.iter().for_each(|change| apply(&mut world, change));
    let planned = plan(&world, NOON).changes;
    planned.iter().for_each(|change| apply(&mut world, change));
    let id = world.rollouts.keys().next().expect("the rollout");
    assert!(summary(&world, id, NOON).contains("outside their maintenance windows"));
    world
}

/// The fastest of many, so that a busy machine does not count.
fn planning(world: &World) -> Duration {
    let times = (0..200).map(|_| {
        let begun = Instant::now();
        assert!(plan(world, NOON).changes.is_empty());
        begun.elapsed()
    });
    times.min().expect("200 of them")
}

#[test]
fn while_everybody_is_shut_a_plan_costs_the_same_for_a_hundred_times_the_machines() {
    let (few, many) = (planning(&shut(100)), planning(&shut(10_000)));
    assert!(many < few * 10, "{few:?} for 100, {many:?} for 10,000");
}
