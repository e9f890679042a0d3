//! A desired state as it arrives at an agent.

use pinion_model::ImageRef;
use pinion_rollout::Assignment;
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
    let images = assignment.run.iter().flat_map(|run| {
        run.images.iter().map(|image| ImageRef {
            repository: image.repository.clone(),
            digest: run.digest.clone(),
        })
    });
    agent::Assignment {
        workload: assignment.workload.clone(),
        generation: assignment.generation,
        attempt: assignment.attempt,
        rollout: assignment.rollout().cloned(),
        stage: assignment.stage().cloned(),
        run: images.collect(),
        prefetch: Vec::new(),
        received_at: pinion_model::Timestamp::default(),
        start_within: assignment.timing.start_within,
        healthy_deadline: assignment.timing.healthy_deadline,
        min_healthy: assignment.timing.min_healthy,
        soak: assignment.timing.soak,
        local_tag: assignment.local_tag.to_string(),
    }
}
