//! A desired state as it arrives at an agent.

use pinion_model::{ImageRef, Timestamp};
use pinion_rollout::{Assignment, Run};
use pinion_workload as agent;

use crate::scenario::Scenario;

/// The coordinator's words in the agent's.
pub(crate) fn on_the_wire(
    desired: &pinion_rollout::Desired,
    scenario: &Scenario,
) -> agent::Desired {
    let assignments = desired.assignments.iter().map(assignment);
    let entry = |line: &crate::scenario::Line| (line.name.clone(), line.entry.clone());
    agent::Desired {
        generation: desired.generation,
        assignments: assignments
            .map(|each| (each.workload.clone(), each))
            .collect(),
        catalog: scenario.lines.iter().map(entry).collect(),
    }
}

fn assignment(assignment: &Assignment) -> agent::Assignment {
    agent::Assignment {
        workload: assignment.workload.clone(),
        generation: assignment.generation,
        attempt: assignment.attempt,
        rollout: assignment.rollout().cloned(),
        stage: assignment.stage().cloned(),
        run: images(assignment.run.as_ref()),
        prefetch: images(assignment.prefetch.as_ref()),
        received_at: Timestamp::default(),
        start_within: assignment.timing.start_within,
        healthy_deadline: assignment.timing.healthy_deadline,
        min_healthy: assignment.timing.min_healthy,
        soak: assignment.timing.soak,
        defer_within: assignment.timing.defer_within,
        in_use: assignment.timing.in_use,
        local_tag: assignment.local_tag.to_string(),
    }
}

fn images(run: Option<&Run>) -> Vec<ImageRef> {
    let images = run.into_iter().flat_map(|run| {
        run.images.iter().map(|image| ImageRef {
            repository: image.repository.clone(),
            digest: run.digest.clone(),
        })
    });
    images.collect()
}

#[cfg(test)]
mod tests {
    use pinion_agent::convert;
    use pinion_coordinator::sessions::desired_state;

    use super::*;
    use crate::log::Log;
    use crate::sim::{Parameters, Sim};

    #[test]
    fn what_arrives_is_what_the_real_messages_would_carry() {
        let mut compared = 0;
        for seed in 1..=10 {
            let mut sim = Sim::new(&Parameters::new(seed, 20), Log::Off);
            sim.run().expect("every rule holds");
            let world = &sim.store.truth.world;
            for agent in world.agents.keys() {
                let desired = world.desired(agent);
                let here = on_the_wire(&desired, &sim.scenario);
                let message = desired_state(&desired);
                let real = convert::desired(message, &here.catalog, &[], Timestamp(0));
                assert_eq!(real.desired, here, "seed {seed}, {agent}");
                assert!(real.refused.is_empty());
                compared += here.assignments.len();
            }
        }
        assert!(compared > 100, "only {compared} assignments were compared");
    }
}
