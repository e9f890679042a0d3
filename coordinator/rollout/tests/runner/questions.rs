//! What an operator asks without changing anything.

use pinion_model::{AgentId, RolloutId};
use pinion_rollout::commands::plan_rollout;
use pinion_rollout::{
    Approval, Counts, Reason, explain, explain_all, plan, plan_hash, summary, waiting_for,
};

use super::bench::Bench;
use super::kept;
use super::operators;
use super::words::Words;

/// The words that questions begin with.
pub(super) const ALL: [&str; 8] = [
    "plan",
    "explain",
    "summary",
    "stages",
    "preview",
    "machine",
    "pins",
    "strategies",
];

pub(super) fn answer(bench: &mut Bench, mut words: Words) -> Result<(), String> {
    let question = words.next("a question")?;
    let answers = match question.as_str() {
        "plan" => vec![next(bench)],
        "preview" => preview(bench, &mut words)?,
        "machine" => machine(bench, &words.parse("a machine")?)?,
        "pins" => pins(bench),
        "strategies" => kept::answers(bench),
        question => of_rollout(bench, question, &mut words)?,
    };
    words.end()?;
    for line in answers {
        bench.say(line);
    }
    Ok(())
}

/// What the planner waits for. It was asked after the last event, so it has
/// nothing to do now.
fn next(bench: &Bench) -> String {
    match plan(&bench.world, bench.now).wake_at {
        Some(at) => format!("nothing to do before {at}"),
        None => "nothing to do until something happens".to_owned(),
    }
}

fn of_rollout(bench: &Bench, question: &str, words: &mut Words) -> Result<Vec<String>, String> {
    let agent = match question {
        "explain" => words.maybe(|word| bench.machines.keys().any(|id| id.as_str() == word)),
        _ => None,
    };
    let rollout = operators::rollout(bench, words)?;
    Ok(match (question, agent) {
        ("explain", Some(agent)) => {
            let reason = explain(&bench.world, &rollout, &agent, bench.now);
            vec![reason.map_or_else(|| format!("{agent} is done"), |it| because(&agent, &it))]
        }
        ("explain", None) => {
            let reasons = explain_all(&bench.world, &rollout, bench.now);
            reasons
                .iter()
                .map(|(agent, it)| because(agent, it))
                .collect()
        }
        ("stages", _) => stages(bench, &rollout),
        _ => vec![summary(&bench.world, &rollout, bench.now)],
    })
}

fn because(agent: &AgentId, reason: &Reason) -> String {
    let stage = match &reason.stage {
        Some(stage) => format!("stage {stage}"),
        None => "no stage".to_owned(),
    };
    format!(
        "{agent} ({stage}): {} since {}: {}",
        reason.word, reason.since, reason.detail
    )
}

fn stages(bench: &Bench, id: &RolloutId) -> Vec<String> {
    let rollout = &bench.world.rollouts[id];
    let mut lines = Vec::new();
    for (number, stage) in rollout.stages.iter().enumerate() {
        let place = match (stage.opened_at, stage.passed_at) {
            (_, Some(_)) => "passed",
            (Some(_), None) => "open",
            (None, None) => "not open",
        };
        let counts = counts(bench.world.counts(id, number));
        let asks = stage.rules.approval == Approval::Manual && stage.opened_at.is_none();
        let plan = match asks {
            true => format!(" ({})", plan_hash(&bench.world, id, number)),
            false => String::new(),
        };
        lines.push(format!(
            "stage {} is {place}{plan}: {counts}",
            stage.rules.name
        ));
        for wait in waiting_for(&bench.world, id, number, bench.now) {
            lines.push(format!("  waits for {wait}"));
        }
    }
    lines
}

fn counts(counts: Counts) -> String {
    let all = [
        (counts.pending, "pending"),
        (counts.in_flight, "in flight"),
        (counts.soaking, "soaking"),
        (counts.settled, "settled"),
        (counts.staged, "staged"),
        (counts.failed, "failed"),
        (counts.skipped, "skipped"),
    ];
    let parts: Vec<_> = all
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    match parts.is_empty() {
        true => "no machine is in it".to_owned(),
        false => format!("{} of {} machine(s)", parts.join(", "), counts.agents),
    }
}

fn preview(bench: &Bench, words: &mut Words) -> Result<Vec<String>, String> {
    let request = operators::start(bench, words)?;
    let planned = match plan_rollout(&bench.world, &request, bench.now) {
        Ok(planned) => planned,
        Err(refusal) => return Ok(super::bench::refused(&refusal)),
    };
    let mut lines = vec![format!("{} to {}", planned.workload, planned.digest)];
    if let Some(old) = planned.supersedes {
        lines.push(format!("supersedes {old}"));
    }
    for stage in planned.stages {
        let agents: Vec<_> = stage
            .agents
            .iter()
            .map(|agent| agent.agent.to_string())
            .collect();
        lines.push(format!(
            "stage {} ({} at once, {} may fail): {}",
            stage.name,
            stage.max_in_flight,
            stage.failure_budget,
            agents.join(" ")
        ));
        for agent in stage
            .agents
            .iter()
            .filter(|agent| !agent.blocker.is_empty())
        {
            lines.push(format!("  {}: {}", agent.agent, agent.blocker));
        }
    }
    lines.extend(
        planned
            .blockers
            .iter()
            .map(|blocker| format!("but {blocker}")),
    );
    Ok(lines)
}

fn machine(bench: &Bench, id: &AgentId) -> Result<Vec<String>, String> {
    let machine = bench
        .machines
        .get(id)
        .ok_or_else(|| format!("there is no machine {:?}", id.as_str()))?;
    let mut lines: Vec<_> = machine
        .running
        .iter()
        .map(|(workload, digest)| format!("{id} runs {workload} {digest}"))
        .collect();
    let desired = bench.world.desired(id);
    for assignment in desired.assignments {
        let ahead = assignment.prefetch.as_ref();
        let run = match (assignment.digest(), ahead) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(ahead)) => format!("pull {}", ahead.digest),
            (None, None) => "nothing new".to_owned(),
        };
        lines.push(format!(
            "desired: {} {run}, generation {}",
            assignment.workload, assignment.generation
        ));
    }
    Ok(lines)
}

fn pins(bench: &Bench) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, workload) in &bench.world.workloads {
        for pin in &workload.pins {
            let notes = match pin.notes.as_str() {
                "" => String::new(),
                notes => format!(": {notes}"),
            };
            lines.push(format!(
                "{name} pin {} is {} by {}{notes}",
                pin.number, pin.digest, pin.promoted_by
            ));
        }
        let stable = bench
            .world
            .stable(name)
            .map_or("nothing".to_owned(), |pin| format!("pin {}", pin.number));
        lines.push(format!("{name}: stable is {stable}"));
    }
    lines
}
