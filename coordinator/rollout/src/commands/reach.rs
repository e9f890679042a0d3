use super::StartRollout;
use crate::{Agent, Cohort, Fault, World};

/// Selectors of a request that match no machine that is enrolled: that of the
/// rollout, or, within it, those of its stages.
pub(super) fn unmatched(world: &World, request: &StartRollout) -> Vec<Fault> {
    let agents = world.agents.values();
    let selected = || {
        agents
            .clone()
            .filter(|agent| agent.revoked.is_none() && request.agents.matches(&agent.labels))
    };
    if selected().next().is_none() {
        return vec![Fault::new("agents", nobody(request))];
    }
    let stages = request.strategy.stages.iter().enumerate();
    let unmatched = stages.filter_map(|(place, stage)| match &stage.cohort {
        Cohort::Selector(selector) => {
            let matches = |agent: &Agent| selector.matches(&agent.labels);
            let message = format!("no machine that is selected has the labels {selector}");
            let path = format!("strategy.stages[{place}].selector");
            (!selected().any(matches)).then(|| Fault::new(path, message))
        }
        _ => None,
    });
    unmatched.collect()
}

fn nobody(request: &StartRollout) -> String {
    if request.agents.0.is_empty() {
        return "no machine is enrolled; enrol one with `pinion token create` and `pinion-agent enroll`".to_owned();
    }
    format!("no enrolled machine has the labels {}", request.agents)
}
