//! Refreshing machines: asked once, answered when every one is done.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{Actor, AgentId, AgentPhase, Failure, FailureKind, Generation, WorkloadName};
use pinion_proto::v1;
use pinion_rollout::commands::{self, Refreshed};
use pinion_rollout::{Purpose, World};
use tokio::time::Instant;
use tonic::metadata::MetadataMap;

use super::field::texts;
use super::{CallError, Context};

/// How long to wait for a client that names no deadline: longer than a
/// recreate with every default can take.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
/// The answer must be there before the client's own deadline.
const MARGIN: Duration = Duration::from_millis(500);

/// How long the client waits, by its `grpc-timeout`.
pub(super) fn patience(metadata: &MetadataMap) -> Duration {
    let header = metadata
        .get("grpc-timeout")
        .and_then(|value| value.to_str().ok());
    let asked = header.and_then(|text| {
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: u64 = number.parse().ok()?;
        Some(match unit {
            "H" => Duration::from_secs(number.saturating_mul(3600)),
            "M" => Duration::from_secs(number.saturating_mul(60)),
            "S" => Duration::from_secs(number),
            "m" => Duration::from_millis(number),
            "u" => Duration::from_micros(number),
            "n" => Duration::from_nanos(number),
            _ => return None,
        })
    });
    asked.map_or(PATIENCE, |asked| asked.saturating_sub(MARGIN).min(PATIENCE))
}

/// Asks, and waits until every machine is proven or terminal, or `patience` ends.
pub(super) async fn refresh(
    context: &Context,
    request: v1::RefreshAgentsRequest,
    by: &Actor,
    patience: Duration,
) -> Result<v1::RefreshAgentsResponse, CallError> {
    let v1::RefreshAgentsRequest {
        agents,
        workloads,
        reason,
    } = request;
    let ask = commands::Refresh {
        agents: texts("agents", &agents)?,
        workloads: texts("workloads", &workloads)?,
        reason,
    };
    let mut revisions = context.ledger.revisions();
    let asked = context
        .decide(|world, now| commands::refresh(world, ask.clone(), by, now))
        .await?;
    let deadline = Instant::now() + patience;
    loop {
        revisions.mark_unchanged();
        let late = Instant::now() >= deadline;
        let (answer, done) = context.ledger.read(|world| look(world, &asked, late));
        if done {
            return Ok(v1::RefreshAgentsResponse { agents: answer });
        }
        tokio::select! {
            () = context.stop.cancelled() => return Err(CallError::Contended),
            changed = revisions.changed() => if changed.is_err() {
                return Err(CallError::Contended);
            },
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

/// The answer as of now, and whether it is whole. Once it is `late`, what has
/// no outcome yet is a failure.
fn look(world: &World, asked: &[Refreshed], late: bool) -> (Vec<v1::RefreshedAgent>, bool) {
    let mut done = true;
    let mut answer = Vec::new();
    for refreshed in asked {
        let mut line = v1::RefreshedAgent {
            agent: refreshed.agent.to_string(),
            failed: failures(&refreshed.failed),
            ..v1::RefreshedAgent::default()
        };
        for (workload, generation) in &refreshed.asked {
            match outcome(world, &refreshed.agent, workload, *generation) {
                Outcome::Recreated => {
                    line.pulled.push(workload.to_string());
                    line.recreated.push(workload.to_string());
                }
                Outcome::Staged => line.pulled.push(workload.to_string()),
                Outcome::Failed(failure) => {
                    line.failed.insert(workload.to_string(), (&failure).into());
                }
                Outcome::Open if late => {
                    let why = "no outcome within the time that the caller gave it; it goes on";
                    let failure = Failure::new(FailureKind::Timeout, why);
                    line.failed.insert(workload.to_string(), (&failure).into());
                }
                Outcome::Open => done = false,
            }
        }
        answer.push(line);
    }
    (answer, done)
}

fn failures(failed: &BTreeMap<WorkloadName, Failure>) -> BTreeMap<String, v1::Failure> {
    failed
        .iter()
        .map(|(workload, failure)| (workload.to_string(), failure.into()))
        .collect()
}

enum Outcome {
    Open,
    Recreated,
    Staged,
    Failed(Failure),
}

fn outcome(world: &World, agent: &AgentId, workload: &WorkloadName, asked: Generation) -> Outcome {
    let failed = |message: String| Outcome::Failed(Failure::new(FailureKind::Internal, message));
    let Some(agent) = world.agents.get(agent) else {
        return failed("the agent was removed meanwhile".to_owned());
    };
    let Some(placement) = agent.placements.get(workload) else {
        return Outcome::Open;
    };
    // Another workload's turn comes first on that machine.
    if placement.refresh.is_some() || placement.generation() <= asked {
        return Outcome::Open;
    }
    // Also when what the machine restored is its assignment since.
    if let Some(failure) = placement.failure_since(asked) {
        return Outcome::Failed(failure.clone());
    }
    let purpose = placement.assignment.as_ref().map(|asked| &asked.purpose);
    if purpose != Some(&Purpose::Stable) {
        return failed("another assignment took its place meanwhile".to_owned());
    }
    match placement.phase {
        Some(AgentPhase::Staged) => Outcome::Staged,
        Some(phase) if phase.is_proven() => Outcome::Recreated,
        Some(phase) if phase.is_terminal() => failed(format!("it ended as {phase}")),
        _ => Outcome::Open,
    }
}
