use pinion_model::{AgentId, RolloutPhase, Timestamp, last_lines};
use pinion_proto::convert::{or_empty, timestamp};
use pinion_proto::v1;
use pinion_rollout::commands::{self, PlannedRollout};
use pinion_rollout::{Approval, Gate, Member, Reason, Rollout, Stage, Trimmed, World};

use super::{attribution, checks, strategy};

/// A rollout as it stands; `members` leaves every agent's line in or out.
pub(crate) fn rollout(
    world: &World,
    rollout: &Rollout,
    members: bool,
    now: Timestamp,
) -> v1::Rollout {
    let mut stages: Vec<_> = rollout
        .stages
        .iter()
        .enumerate()
        .map(|(index, spec)| stage(world, rollout, index, spec, now))
        .collect();
    if members {
        let mut in_order: Vec<_> = rollout.members.iter().collect();
        in_order.sort_by_key(|(_, member)| member.place);
        for (agent, of) in in_order {
            if let Some(stage) = stages.get_mut(of.stage as usize) {
                stage.members.push(member(agent, of));
            }
        }
    }
    v1::Rollout {
        id: rollout.id.to_string(),
        workload: rollout.workload.to_string(),
        pin: rollout.pin.0,
        digest: rollout.digest().to_string(),
        phase: v1::RolloutPhase::from(rollout.phase).into(),
        reason: rollout.reason.clone(),
        open_stage: u32::try_from(rollout.open_stage).unwrap_or(u32::MAX),
        stages,
        strategy: Some(strategy::spec(&rollout.spec)),
        started: Some(attribution(&rollout.started)),
        ended_at: rollout.ended_at.map(timestamp),
        superseded_by: or_empty(rollout.superseded_by.as_ref()),
        replaces: or_empty(rollout.replaces.as_ref()),
        waits_for: waits_for(world, rollout),
        selected: rollout.selected,
        left_out: rollout.left_out_count(),
        prefetch: prefetch(world, rollout),
        windows_overridden: rollout.windows_overridden.as_ref().map(attribution),
        not_kept: rollout.trimmed.as_deref().and_then(not_kept),
        taken_back: rollout.rolled_back,
        halted_by: rollout.halted_by.map_or(v1::Gate::Unspecified, gate).into(),
        quarantined: world.is_quarantined(rollout.digest()),
    }
}

fn gate(gate: Gate) -> v1::Gate {
    match gate {
        Gate::FailureBudget => v1::Gate::FailureBudget,
        Gate::RollbackFailed => v1::Gate::RollbackFailed,
        Gate::MinProven => v1::Gate::MinProven,
        Gate::Prefetch => v1::Gate::Prefetch,
        Gate::Quarantine => v1::Gate::Quarantine,
        Gate::Metric => v1::Gate::Metric,
        Gate::Nobody => v1::Gate::Nobody,
    }
}

/// The machines that are counted, and listed no more.
fn not_kept(trimmed: &Trimmed) -> Option<v1::MachinesNotKept> {
    (trimmed.agents > 0).then_some(v1::MachinesNotKept {
        agents: trimmed.agents,
        late: trimmed.late,
        sick: trimmed.sick,
    })
}

/// The rollout that goes before one that is queued.
fn waits_for(world: &World, rollout: &Rollout) -> String {
    let queued = rollout.phase == RolloutPhase::Queued;
    let first = queued.then(|| world.active_rollout(&rollout.workload));
    or_empty(first.flatten().map(|first| &first.id))
}

/// How far the pass ahead of the stages is.
fn prefetch(world: &World, rollout: &Rollout) -> Option<v1::PrefetchPass> {
    let pass = rollout.prefetch.as_ref()?;
    let counts = world.prefetch_counts(&rollout.id)?;
    Some(v1::PrefetchPass {
        agents: counts.agents,
        pending: counts.pending,
        in_flight: counts.in_flight,
        prefetched: counts.prefetched,
        failed: counts.failed,
        skipped: counts.skipped,
        max_in_flight: pass.max_in_flight,
        failure_budget: pass.failure_budget,
        open: pass.opened_at.is_some() && pass.passed_at.is_none() && !rollout.phase.is_terminal(),
        passed: pass.passed_at.is_some(),
        note: pass.note.clone(),
    })
}

fn stage(
    world: &World,
    rollout: &Rollout,
    index: usize,
    stage: &Stage,
    now: Timestamp,
) -> v1::Stage {
    let counts = world.counts(&rollout.id, index);
    v1::Stage {
        name: stage.rules.name.to_string(),
        open: rollout.is_open(index),
        passed: stage.passed_at.is_some(),
        approved: stage.approved.is_some(),
        agents: counts.agents,
        pending: counts.pending,
        in_flight: counts.in_flight,
        soaking: counts.soaking,
        settled: counts.settled,
        staged: counts.staged,
        failed: counts.failed,
        skipped: counts.skipped,
        max_in_flight: stage.max_in_flight,
        failure_budget: stage.failure_budget,
        waiting_for: pinion_rollout::waiting_for(world, &rollout.id, index, now),
        members: Vec::new(),
        plan_hash: plan(world, rollout, index, stage),
        note: stage.note.clone(),
        checks: checks::measured(rollout, stage, now),
    }
}

/// What an approval would be for. It is worked out machine by machine, so it
/// stands only where there is something to approve.
fn plan(world: &World, rollout: &Rollout, index: usize, stage: &Stage) -> String {
    let waits = stage.rules.approval == Approval::Manual && stage.opened_at.is_none();
    if waits && !rollout.phase.is_terminal() {
        return pinion_rollout::plan_hash(world, &rollout.id, index);
    }
    String::new()
}

fn member(agent: &AgentId, member: &Member) -> v1::Member {
    v1::Member {
        agent: agent.to_string(),
        phase: member
            .phase
            .map_or(v1::AgentPhase::Unspecified, Into::into)
            .into(),
        failure: member.failure.as_deref().map(Into::into),
        since: Some(timestamp(member.since)),
        baseline: or_empty(member.baseline.as_ref()),
        running: or_empty(member.running.as_ref()),
        attempt: member.attempt.0,
        sick: member.sick,
        late: member.late,
    }
}

/// Bytes of each log where every agent is asked about.
const LOG_EXCERPT: usize = 2 * 1024;

/// Why one agent is not done; of its failure, an excerpt of the log or all.
pub(crate) fn explanation(
    rollout: &Rollout,
    (agent, reason): (AgentId, Reason),
    excerpt: bool,
) -> v1::Explanation {
    let member = rollout.members.get(&agent);
    let failure = member.and_then(|member| member.failure.as_deref());
    let mut failure: Option<v1::Failure> = failure.map(Into::into);
    if let Some(failure) = failure.as_mut().filter(|_| excerpt) {
        failure.log_tail = last_lines(&failure.log_tail, LOG_EXCERPT).to_owned();
    }
    v1::Explanation {
        failure,
        agent: agent.to_string(),
        stage: or_empty(reason.stage.as_ref()),
        reason: reason.word.to_owned(),
        detail: reason.detail,
        since: Some(timestamp(reason.since)),
    }
}

/// What starting a rollout would do now.
pub(crate) fn planned(planned: PlannedRollout) -> v1::PlanRolloutResponse {
    let agent = |agent: commands::PlannedAgent| v1::PlannedAgent {
        agent: agent.agent.to_string(),
        running: agent.running.iter().map(ToString::to_string).collect(),
        blocker: agent.blocker,
        sick: agent.sick,
    };
    let stage = |stage: commands::PlannedStage| v1::PlannedStage {
        name: stage.name.to_string(),
        agents: stage.agents.into_iter().map(agent).collect(),
        approval: strategy::approval_message(stage.approval).into(),
        max_in_flight: stage.max_in_flight,
        failure_budget: stage.failure_budget,
        plan_hash: stage.plan,
    };
    v1::PlanRolloutResponse {
        workload: planned.workload.to_string(),
        pin: planned.pin.0,
        digest: planned.digest.to_string(),
        stages: planned.stages.into_iter().map(stage).collect(),
        blockers: planned.blockers,
        supersedes: or_empty(planned.supersedes.as_ref()),
        strategy: Some(strategy::spec(&planned.spec)),
        selected: planned.selected,
    }
}

#[cfg(test)]
mod tests {
    use pinion_model::Attempt;

    use super::*;

    #[test]
    fn every_gate_has_its_own_word_in_the_protocol() {
        for of in [
            Gate::FailureBudget,
            Gate::RollbackFailed,
            Gate::MinProven,
            Gate::Prefetch,
            Gate::Quarantine,
            Gate::Metric,
            Gate::Nobody,
        ] {
            let word = format!("GATE_{}", of.word().to_uppercase());
            assert_eq!(gate(of).as_str_name(), word);
        }
    }

    #[test]
    fn a_member_says_what_its_machine_was_when_the_rollout_came_to_it() {
        let name = "tenant-1".parse().expect("a name");
        for (sick, late) in [(true, false), (false, true), (false, false)] {
            let of = Member {
                sick,
                late,
                ..Member::pending(0, 0, true, Attempt::default(), Timestamp(0))
            };
            let told = member(&name, &of);
            assert_eq!((told.sick, told.late), (sick, late));
        }
    }
}
