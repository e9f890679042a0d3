use pinion_model::{AgentId, Digest, PinNumber, RolloutId, Timestamp, WorkloadName};

use super::StartRollout;
use super::begin::{asked, begun, spec};
use super::reach::unmatched;
use super::start::pin_of;
use super::supersede::{Course, course};
use crate::explain::{held, shut};
use crate::naming::few;
use crate::plan_hash::of_stage;
use crate::{Agent, Approval, Presence, Refusal, Rollout, SickPolicy, Spec, World};

/// What `StartRollout` would do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRollout {
    /// Which workload.
    pub workload: WorkloadName,
    /// Which pin.
    pub pin: PinNumber,
    /// Its digest.
    pub digest: Digest,
    /// How many machines are selected: the whole of every share of the fleet.
    pub selected: u32,
    /// In order.
    pub stages: Vec<PlannedStage>,
    /// What would keep it from starting or finishing, in words.
    pub blockers: Vec<String>,
    /// The rollout that it would supersede: the active one, or one that is queued.
    pub supersedes: Option<RolloutId>,
    /// With every default filled in.
    pub spec: Spec,
}

/// One stage of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStage {
    /// Its name.
    pub name: pinion_model::StageName,
    /// In the order in which they would be assigned.
    pub agents: Vec<PlannedAgent>,
    /// Whether a person opens it.
    pub approval: Approval,
    /// What its approval would be for; empty if it needs none.
    pub plan: String,
    /// In machines, after rounding.
    pub max_in_flight: u32,
    /// In machines, after rounding.
    pub failure_budget: u32,
}

/// One machine of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAgent {
    /// Which.
    pub agent: AgentId,
    /// What its containers run now; empty if unknown or none.
    pub running: Vec<Digest>,
    /// One of its containers is not running or not healthy now.
    pub sick: bool,
    /// What would block it now, or empty.
    pub blocker: String,
}

/// Says stage by stage what starting a rollout would do now. Changes nothing,
/// so it answers alone.
///
/// # Errors
///
/// Those of `start_rollout`, but for a selector that matches nobody: that is a blocker here.
pub fn plan_rollout(
    world: &World,
    request: &StartRollout,
    now: Timestamp,
) -> Result<PlannedRollout, Refusal> {
    let pin = pin_of(world, request)?;
    let system = pinion_model::Actor::System;
    let spec = spec(world, request, now)?;
    let course = course(world, &request.workload, pin, &spec, now)?;
    let rollout = begun(world, asked(world, request, pin, spec, &system, now), now);
    let stages: Vec<_> = rollout
        .stages
        .iter()
        .map(|stage| planned(world, &rollout, stage, now))
        .collect();
    Ok(PlannedRollout {
        workload: rollout.workload.clone(),
        pin: rollout.pin,
        digest: rollout.digest().clone(),
        blockers: blockers(world, request, &course, &rollout, &stages),
        selected: rollout.selected,
        stages,
        supersedes: match course {
            Course::Now { replaces } | Course::Later { replaces, .. } => replaces,
        },
        spec: Spec::clone(&rollout.spec),
    })
}

fn planned(world: &World, rollout: &Rollout, stage: &crate::Stage, now: Timestamp) -> PlannedStage {
    let agents = stage.order.iter().map(|id| {
        let agent = world.agents.get(id);
        PlannedAgent {
            agent: id.clone(),
            running: agent
                .map(|agent| running(agent, &rollout.workload))
                .unwrap_or_default(),
            sick: is_sick(rollout, id),
            blocker: agent
                .map(|agent| blocker(world, rollout, id, agent, now))
                .unwrap_or_default(),
        }
    });
    PlannedStage {
        name: stage.rules.name.clone(),
        agents: agents.collect(),
        approval: stage.rules.approval,
        plan: match stage.rules.approval {
            Approval::Manual => of_stage(world, rollout, stage),
            Approval::Automatic => String::new(),
        },
        max_in_flight: stage.max_in_flight,
        failure_budget: stage.failure_budget,
    }
}

fn running(agent: &Agent, workload: &WorkloadName) -> Vec<Digest> {
    let containers = agent
        .placements
        .get(workload)
        .map(|placement| &*placement.containers);
    let running = containers
        .unwrap_or_default()
        .iter()
        .filter(|container| container.running);
    let mut digests: Vec<_> = running
        .filter_map(|container| container.digest.clone())
        .collect();
    digests.sort();
    digests.dedup();
    digests
}

fn is_sick(rollout: &Rollout, id: &AgentId) -> bool {
    let member = rollout.members.get(id);
    member.is_some_and(|member| member.sick)
}

fn blocker(
    world: &World,
    rollout: &Rollout,
    id: &AgentId,
    agent: &Agent,
    now: Timestamp,
) -> String {
    if let Some((_, detail, _)) = held(world, id, agent, &rollout.workload) {
        return detail;
    }
    if is_sick(rollout, id) && rollout.spec.sick == SickPolicy::Skip {
        return "its containers are sick, and the rollout goes round such machines".to_owned();
    }
    if let Some(shut) = shut(rollout, &rollout.openings, &agent.labels, now) {
        return shut.detail;
    }
    match agent.presence {
        Presence::Online => String::new(),
        Presence::Offline => format!("offline since {}", agent.presence_since),
        Presence::Unknown => "not seen since the coordinator started".to_owned(),
    }
}

/// Rollouts of other workloads that go first on the machines that they are for.
fn goes_first(world: &World, rollout: &Rollout) -> impl Iterator<Item = String> {
    let first = rollout.spec.after.iter();
    let first = first.filter_map(|workload| world.active_rollout(workload));
    first.map(|first| {
        format!(
            "{} goes first: a machine of {} ({}) waits until that has finished there",
            first.workload, first.id, first.phase
        )
    })
}

fn blockers(
    world: &World,
    request: &StartRollout,
    course: &Course,
    rollout: &Rollout,
    stages: &[PlannedStage],
) -> Vec<String> {
    let digest = rollout.digest();
    let quarantined = world.quarantined(digest);
    let mut blockers = Vec::from_iter(quarantined.and_then(|known| known.sentence(digest)));
    blockers.extend(goes_first(world, rollout));
    if let Course::Later { reason, .. } = course {
        blockers.push(format!(
            "it would be queued: {reason}; its stages are frozen when it begins"
        ));
    }
    if rollout.members.is_empty() {
        blockers.push("no machine is in it: none is enrolled, selected and in a stage".to_owned());
    } else {
        let unmatched = unmatched(world, request);
        blockers.extend(unmatched.iter().map(ToString::to_string));
    }
    if !rollout.left_out.is_empty() {
        blockers.push(format!(
            "{} selected machine(s) are in no stage; add one with rest = true to reach them",
            rollout.left_out.len()
        ));
    }
    for (planned, stage) in stages.iter().zip(&rollout.stages) {
        if planned.approval == Approval::Manual {
            blockers.push(format!("stage {} waits for approval", planned.name));
        }
        let blocked = planned
            .agents
            .iter()
            .filter(|agent| !agent.blocker.is_empty())
            .count();
        if blocked > 0 {
            blockers.push(format!(
                "stage {}: {blocked} of {} machine(s) cannot be assigned now",
                planned.name,
                planned.agents.len()
            ));
        }
        blockers.extend(sick(rollout, planned));
        let mut members = stage
            .order
            .iter()
            .filter_map(|agent| rollout.members.get(agent));
        let unproven = !stage.order.is_empty() && !members.any(|member| member.has_containers);
        if unproven && stage.rules.min_proven > 0 {
            blockers.push(format!("stage {}: no machine of it runs the workload, so none can prove the digest; it would halt as inconclusive (min_proven = 0 lets it pass)", planned.name));
        }
    }
    blockers
}

/// The machines of a stage that are sick before anything has begun.
fn sick(rollout: &Rollout, planned: &PlannedStage) -> Option<String> {
    let sick = planned.agents.iter().filter(|agent| agent.sick);
    let names: Vec<_> = sick.map(|agent| agent.agent.as_str()).collect();
    let then = match rollout.spec.sick {
        SickPolicy::Include => {
            "they are updated like the others, and what fails there is blamed on nobody"
        }
        SickPolicy::Skip => "the rollout goes round them",
    };
    (!names.is_empty()).then(|| {
        format!(
            "stage {}: {} of {} machine(s) are sick ({}): {then}",
            planned.name,
            names.len(),
            planned.agents.len(),
            few(names.iter())
        )
    })
}
