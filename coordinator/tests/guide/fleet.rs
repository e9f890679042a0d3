//! A plausible fleet, as the engine knows it.

use std::collections::BTreeMap;

use pinion_model::{
    Actor, AgentId, Digest, Generation, Image, LabelSelector, Labels, SessionEpoch, Timestamp,
    WorkloadName,
};
use pinion_rollout::commands::{Promote, StartRollout, promote, start_rollout};
use pinion_rollout::{
    Act, Certificate, Change, Decision, Health, Observation, ObservedContainer, Rollout, Strategy,
    Use, Versions, World, apply,
};

/// Tuesday, 3 November 2026, 23:30 in Berlin and 16:30 in Chicago.
pub(super) const NIGHT: Timestamp = Timestamp(1_793_745_000_000);

pub(super) fn digest(n: u8) -> Digest {
    let digest = format!("sha256:{}", format!("{n:02x}").repeat(32));
    digest.parse().expect("a digest")
}

fn commit(world: &mut World, changes: impl IntoIterator<Item = Change>) {
    for change in changes {
        apply(world, &change);
    }
}

/// So many machines in three regions, each online with one healthy container;
/// the first three are canaries, and one is alice's.
pub(super) fn world(machines: usize, workload: &WorkloadName) -> World {
    let mut world = World::default();
    for number in 0..machines {
        let region = ["syd", "fra", "ord"][number % 3];
        let mut labels = Labels::from([("region".to_owned(), region.to_owned())]);
        if number < 3 {
            labels.insert("canary".to_owned(), "yes".to_owned());
        }
        if number == 7 {
            labels.insert("owner".to_owned(), "alice".to_owned());
        }
        let agent = format!("t{number}").parse().expect("a name");
        commit(&mut world, joins(&agent, labels, workload));
    }
    world
}

fn joins(agent: &AgentId, labels: Labels, workload: &WorkloadName) -> [Change; 3] {
    let at = NIGHT;
    let certificate = Certificate {
        fingerprint: format!("fingerprint of {agent}"),
        serial: "1".to_owned(),
        not_after: Timestamp(u64::MAX),
    };
    let enrolled = Act::AgentEnrolled {
        agent: agent.clone(),
        token: "t1".to_owned(),
        key: format!("key of {agent}"),
        labels,
        answer: Use {
            agent: agent.clone(),
            certificate: String::new(),
            not_after: certificate.not_after,
            at,
        },
        certificate,
    };
    let hello = Observation::Hello {
        agent: agent.clone(),
        epoch: SessionEpoch(1),
        generation: Generation(0),
        process_id: format!("process of {agent}"),
        facts: BTreeMap::new(),
        versions: Versions::default(),
        at,
    };
    let container = ObservedContainer {
        name: "app".into(),
        id: "c1".into(),
        digest: Some(digest(1)),
        running: true,
        health: Health::Healthy,
    };
    let inventory = Observation::Inventory {
        agent: agent.clone(),
        workloads: BTreeMap::from([(workload.clone(), vec![container])]),
        at,
    };
    [
        Decision::system(at, enrolled).into(),
        hello.into(),
        inventory.into(),
    ]
}

/// Pins a new image, and says how it is to be started.
pub(super) fn pin(
    world: &mut World,
    workload: &WorkloadName,
    strategy: Strategy,
    agents: LabelSelector,
) -> StartRollout {
    let image = Image {
        registry: "ghcr".parse().expect("a name"),
        repository: "ghcr.io/your-org/app".parse().expect("a repository"),
    };
    let request = Promote {
        workload: workload.clone(),
        digest: digest(2),
        source_sha: None,
        notes: String::new(),
        images: vec![image],
        local_tag: "current".to_owned(),
        auto: None,
    };
    let pinned = promote(world, request, &Actor::System, NIGHT).expect("a pin");
    commit(world, pinned.changes);
    StartRollout {
        workload: workload.clone(),
        pin: None,
        strategy,
        agents,
        reason: String::new(),
    }
}

/// Starts it and plans once.
pub(super) fn begin(world: &mut World, request: StartRollout) -> Rollout {
    let started = start_rollout(world, request, &Actor::System, NIGHT).expect("a rollout");
    commit(world, started.changes);
    let planned = pinion_rollout::plan(world, NIGHT);
    commit(world, planned.changes);
    let rollout = world.active_rollouts().next().expect("it is under way");
    rollout.clone()
}
