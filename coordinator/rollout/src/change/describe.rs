use pinion_model::{AgentId, LabelSelector};

use super::{Act, Decision};
use crate::commands::AbortMode;
use crate::{Assignment, FleetHold, TokenKind};

impl Decision {
    /// The rest for people: what exactly, and why. Holds no secret.
    #[must_use]
    pub fn detail(&self) -> String {
        of_rollout(&self.act)
            .or_else(|| of_machine(&self.act))
            .or_else(|| of_access(&self.act))
            .unwrap_or_else(|| reason(&self.act).to_owned())
    }
}

fn of_rollout(act: &Act) -> Option<String> {
    Some(match act {
        Act::PinPromoted { pin, .. } => {
            format!(
                "pin {} is {}{}",
                pin.number,
                pin.digest,
                because(&pin.notes)
            )
        }
        Act::RolloutStarted { rollout } => format!(
            "pin {} ({}) to {} machine(s) in {} stage(s){}",
            rollout.pin,
            rollout.digest().short(),
            rollout.members.len(),
            rollout.stages.len(),
            because(&rollout.started.reason)
        ),
        Act::RolloutQueued { rollout } => format!(
            "pin {} ({}), {}{}",
            rollout.pin,
            rollout.digest().short(),
            rollout.reason,
            because(&rollout.started.reason)
        ),
        Act::StageOpened { stage, .. } => format!("stage {}", stage + 1),
        Act::ApprovalAwaited { stage, note, .. } => {
            format!("stage {}{}", stage + 1, because(note))
        }
        Act::PrefetchPassed { note, .. } => note.clone(),
        Act::DigestQuarantined {
            workload,
            agents,
            reason,
            ..
        } => format!("of {workload}{}{}", failed_on(*agents), because(reason)),
        Act::StagePassed { stage, note, .. } => format!("stage {}{}", stage + 1, because(note)),
        Act::StageApproved {
            stage,
            plan,
            reason,
            ..
        } => format!("stage {stage}, plan {plan}{}", because(reason)),
        Act::RolloutHalted { gate, reason, .. } => format!("{}{}", gate.word(), because(reason)),
        Act::RolloutAborted {
            mode: AbortMode::Revert,
            reason,
            ..
        } => format!("every machine goes back{}", because(reason)),
        Act::RolloutEnded { phase, reason, .. } => format!("{phase}{}", because(reason)),
        Act::WindowsMoved { openings, .. } => openings.to_string(),
        _ => return None,
    })
}

fn of_machine(act: &Act) -> Option<String> {
    Some(match act {
        Act::AgentsRetried { agents, reason, .. } => {
            let names: Vec<_> = agents.iter().map(AgentId::as_str).collect();
            format!("{}{}", names.join(", "), because(reason))
        }
        Act::PrefetchFailed {
            rollout, failure, ..
        }
        | Act::MemberFailed {
            rollout, failure, ..
        } => format!("{rollout}: {failure}"),
        Act::MemberJoined { rollout, stage, .. } => format!("{rollout}: stage {}", stage + 1),
        Act::Assigned {
            assignment, reason, ..
        } => assigned(assignment, reason),
        Act::RefreshAsked {
            workload, reason, ..
        } => format!("{workload}{}", because(reason)),
        Act::GenerationRaised { generation, .. } => format!(
            "generation {generation}: the agent knew a higher one than we did (was a backup restored?)"
        ),
        Act::LabelsSet { labels, .. } => LabelSelector(labels.clone()).to_string(),
        Act::AgentHeld {
            reason, expires_at, ..
        } => match expires_at {
            Some(end) => format!("until {end}{}", because(reason)),
            None => format!("until released{}", because(reason)),
        },
        Act::HoldPlaced { hold, .. } => held(hold),
        _ => return None,
    })
}

fn held(hold: &FleetHold) -> String {
    let workload = match &hold.workload {
        Some(workload) => format!("workload {workload}"),
        None => "every workload".to_owned(),
    };
    let machines = if hold.agents.0.is_empty() {
        "on every machine".to_owned()
    } else {
        format!("on machines with {}", hold.agents)
    };
    let end = hold
        .expires_at
        .map_or_else(|| "until lifted".to_owned(), |end| format!("until {end}"));
    format!("{workload} {machines} {end}{}", because(&hold.by.reason))
}

fn of_access(act: &Act) -> Option<String> {
    Some(match act {
        Act::AgentEnrolled { token, .. } => format!("with token {token}"),
        Act::CertificateRenewed { certificate, .. } => format!("until {}", certificate.not_after),
        Act::StrategyPut {
            version, reason, ..
        } => format!("version {version}{}", because(reason)),
        Act::TokenCreated { token, .. } => match &token.kind {
            TokenKind::Enrollment { max_uses, .. } => {
                format!("enrolment, for {max_uses} machine(s)")
            }
            TokenKind::Api { holder, role } => format!("API, {role} {holder}"),
        },
        Act::OperatorIssued { operator, .. } => {
            format!("{} until {}", operator.role, operator.certificate.not_after)
        }
        _ => return None,
    })
}

/// For acts of which a person's reason says all; empty for the others.
fn reason(act: &Act) -> &str {
    match act {
        Act::RolloutPaused { reason, .. }
        | Act::RolloutResumed { reason, .. }
        | Act::RolloutAborted { reason, .. }
        | Act::WindowsOverridden { reason, .. }
        | Act::RollbackStarted { reason, .. }
        | Act::AgentReleased { reason, .. }
        | Act::HoldLifted { reason, .. }
        | Act::QuarantineLifted { reason, .. }
        | Act::AgentRevoked { reason, .. }
        | Act::AgentRemoved { reason, .. }
        | Act::StrategyRemoved { reason, .. }
        | Act::TokenRevoked { reason, .. }
        | Act::OperatorRevoked { reason, .. } => reason,
        _ => "",
    }
}

fn failed_on(agents: u32) -> String {
    match agents {
        0 => String::new(),
        agents => format!(", failed on {agents} machine(s)"),
    }
}

fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

fn assigned(assignment: &Assignment, reason: &str) -> String {
    let ahead = assignment.prefetch.as_ref().map(|run| &run.digest);
    let what = match assignment.digest().or(ahead) {
        Some(digest) => digest.short(),
        None => "nothing new",
    };
    let (workload, generation) = (&assignment.workload, assignment.generation);
    format!(
        "{workload}: {what}, generation {generation}, attempt {}{}",
        assignment.attempt,
        because(reason)
    )
}
