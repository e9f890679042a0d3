//! What a rollout would do.

use pinion_proto::v1;

use super::age;
use super::table::{Table, fields};
use super::{checks, text, whole, words};

/// A dry run: the stages, the machines of each, and what blocks them.
pub(crate) fn plan(plan: &v1::PlanRolloutResponse) -> String {
    let machines: usize = plan.stages.iter().map(|stage| stage.agents.len()).sum();
    let mut out = format!(
        "{} pin {} ({}) to {} in {}\n",
        plan.workload,
        plan.pin,
        words::digest(&plan.digest),
        text::count(machines as u64, "agent"),
        text::count(plan.stages.len() as u64, "stage"),
    );
    if plan.selected > 0 {
        out.push_str(&format!(
            "{} selected, of which every percent of the fleet is one\n",
            text::count(plan.selected, "machine")
        ));
    }
    if let Some(strategy) = &plan.strategy {
        out.push_str(&format!("\n{}", self::strategy(strategy)));
    }
    out.push_str(&format!("\n{}", stages(plan)));
    if let Some(strategy) = &plan.strategy {
        out.push_str(&checks::asked(strategy));
    }
    if machines > 0 {
        out.push_str(&format!("\n{}", agents(plan)));
    }
    for blocker in &plan.blockers {
        out.push_str(&format!("\nblocked: {}", text::line(blocker)));
    }
    if !plan.supersedes.is_empty() {
        out.push_str(&format!(
            "\nIt would take the place of {}, which is under way.",
            plan.supersedes
        ));
    }
    out
}

fn stages(plan: &v1::PlanRolloutResponse) -> String {
    let mut table = Table::new(["STAGE", "AGENTS", "AT ONCE", "MAY FAIL", "APPROVAL"]);
    for stage in &plan.stages {
        table.row([
            stage.name.clone(),
            stage.agents.len().to_string(),
            stage.max_in_flight.to_string(),
            stage.failure_budget.to_string(),
            words::approval(stage.approval),
        ]);
    }
    table.render()
}

fn agents(plan: &v1::PlanRolloutResponse) -> String {
    let mut table = Table::new(["AGENT", "STAGE", "RUNNING", "SICK", "BLOCKED BY"]);
    for stage in &plan.stages {
        for agent in &stage.agents {
            let running: Vec<_> = agent
                .running
                .iter()
                .map(|digest| words::digest(digest))
                .collect();
            table.row([
                agent.agent.clone(),
                stage.name.clone(),
                if running.is_empty() {
                    "-".into()
                } else {
                    running.join(",")
                },
                if agent.sick { "yes".into() } else { "-".into() },
                if agent.blocker.is_empty() {
                    "-".into()
                } else {
                    text::line(&agent.blocker)
                },
            ]);
        }
    }
    table.render()
}

/// How it goes, on a few lines.
pub(crate) fn strategy(strategy: &v1::Strategy) -> String {
    fields([
        ("strategy", whole::strategy(Some(strategy))),
        ("soak", age::duration(strategy.soak.as_ref())),
        ("healthy for", age::duration(strategy.min_healthy.as_ref())),
        (
            "healthy within",
            age::duration(strategy.healthy_deadline.as_ref()),
        ),
        (
            "progress within",
            age::duration(strategy.progress_deadline.as_ref()),
        ),
        (
            "start within",
            age::duration(strategy.start_within.as_ref()),
        ),
        (
            "in use",
            words::in_use(strategy.in_use, strategy.defer_within.as_ref()),
        ),
        ("on failure", words::failure_action(strategy.on_failure)),
        ("offline", words::offline_policy(strategy.offline)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_names_stages_machines_blockers_and_what_it_replaces() {
        let answer = v1::PlanRolloutResponse {
            workload: "codex".into(),
            pin: 7,
            stages: vec![v1::PlannedStage {
                name: "canary".into(),
                agents: vec![v1::PlannedAgent {
                    agent: "t1".into(),
                    blocker: "offline".into(),
                    ..Default::default()
                }],
                max_in_flight: 1,
                ..Default::default()
            }],
            blockers: vec!["no agent is online".into()],
            supersedes: "codex-6-1".into(),
            ..Default::default()
        };
        let text = plan(&answer);
        for part in [
            "codex pin 7",
            "1 agent in 1 stage",
            "canary",
            "t1",
            "offline",
            "blocked: no agent",
            "codex-6-1",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
    }
}
