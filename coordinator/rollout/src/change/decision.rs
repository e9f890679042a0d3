use std::collections::BTreeSet;

use pinion_model::{
    Actor, AgentId, Failure, Generation, LabelSelector, Labels, OperatorName, RolloutId,
    RolloutPhase, StageName, Timestamp, WorkloadName,
};
use serde::{Deserialize, Serialize};

use crate::{
    Assignment, Certificate, Gate, Operator, Pin, Purpose, Rollout, Token, TokenKind, Use,
};

/// Something decided: what, by whom and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub act: Act,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "the fields are named for what they are; the variants say the rest"
)]
pub enum Act {
    /// A digest became a workload's current pin.
    PinPromoted { workload: WorkloadName, pin: Pin },
    /// A rollout began; an active one of its workload is superseded.
    RolloutStarted { rollout: Box<Rollout> },
    /// A stage takes machines from now on.
    StageOpened { rollout: RolloutId, stage: usize },
    /// A stage's machines are done.
    StagePassed {
        rollout: RolloutId,
        stage: usize,
        note: String,
    },
    /// A stage needs a person's approval.
    ApprovalAwaited { rollout: RolloutId, stage: usize },
    /// A person approved a stage.
    StageApproved {
        rollout: RolloutId,
        stage: StageName,
        reason: String,
    },
    /// An operator stopped it.
    RolloutPaused { rollout: RolloutId, reason: String },
    /// An operator let it go on. The failures known now are acknowledged.
    RolloutResumed { rollout: RolloutId, reason: String },
    /// A gate stopped it.
    RolloutHalted {
        rollout: RolloutId,
        gate: Gate,
        reason: String,
    },
    /// An operator ends it; machines in flight finish or are withdrawn.
    RolloutAborted { rollout: RolloutId, reason: String },
    /// Its machines go back to what they ran before.
    RollbackStarted { rollout: RolloutId, reason: String },
    /// It is completed, rolled back or aborted.
    RolloutEnded {
        rollout: RolloutId,
        phase: RolloutPhase,
        reason: String,
    },
    /// An operator asked agents that had failed to try once more.
    AgentsRetried {
        rollout: RolloutId,
        agents: BTreeSet<AgentId>,
        reason: String,
    },
    /// A machine failed by the coordinator's own judgement: a deadline, or being offline.
    MemberFailed {
        rollout: RolloutId,
        agent: AgentId,
        failure: Failure,
    },
    /// An agent must converge to this. Withdrawals are assignments that run nothing.
    Assigned {
        agent: AgentId,
        assignment: Assignment,
        reason: String,
    },
    /// An agent knew a higher generation than we did; ours is above it now.
    GenerationRaised {
        agent: AgentId,
        generation: Generation,
    },
    /// A machine's labels were replaced.
    LabelsSet { agent: AgentId, labels: Labels },
    /// Rollouts go round a machine.
    AgentHeld {
        agent: AgentId,
        reason: String,
        expires_at: Option<Timestamp>,
    },
    /// They do not any more.
    AgentReleased { agent: AgentId, reason: String },
    /// The hold ended by itself.
    HoldExpired { agent: AgentId },
    /// A machine's certificates are refused from now on.
    AgentRevoked { agent: AgentId, reason: String },
    /// A machine is forgotten; its name is free.
    AgentRemoved { agent: AgentId, reason: String },
    /// A key redeemed an enrolment token.
    AgentEnrolled {
        agent: AgentId,
        token: String,
        key: String,
        labels: Labels,
        certificate: Certificate,
        answer: Use,
    },
    /// An agent got a newer certificate.
    CertificateRenewed {
        agent: AgentId,
        presented: String,
        certificate: Certificate,
    },
    /// A token was made.
    TokenCreated { id: String, token: Token },
    /// A token is worth nothing any more.
    TokenRevoked { id: String, reason: String },
    /// An operator got a certificate.
    OperatorIssued {
        name: OperatorName,
        operator: Operator,
    },
    /// An operator's certificate is refused.
    OperatorRevoked { name: OperatorName, reason: String },
}

impl Decision {
    /// A decision of Pinion itself.
    #[must_use]
    pub fn system(at: Timestamp, act: Act) -> Self {
        Self {
            at,
            actor: Actor::System,
            act,
        }
    }

    /// What was done, as a stable word for scripts, such as `pin.promoted`.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match &self.act {
            Act::PinPromoted { .. } => "pin.promoted",
            Act::RolloutStarted { .. } => "rollout.started",
            Act::StageOpened { .. } => "stage.opened",
            Act::StagePassed { .. } => "stage.passed",
            Act::ApprovalAwaited { .. } => "stage.approval_awaited",
            Act::StageApproved { .. } => "stage.approved",
            Act::RolloutPaused { .. } => "rollout.paused",
            Act::RolloutResumed { .. } => "rollout.resumed",
            Act::RolloutHalted { .. } => "rollout.halted",
            Act::RolloutAborted { .. } => "rollout.aborted",
            Act::RollbackStarted { .. } => "rollout.rollback_started",
            Act::RolloutEnded { .. } => "rollout.ended",
            Act::AgentsRetried { .. } => "agent.retried",
            Act::MemberFailed { .. } => "agent.failed",
            Act::Assigned { assignment, .. } => match assignment.purpose {
                Purpose::Withdraw { .. } => "agent.withdrawn",
                _ => "agent.assigned",
            },
            Act::GenerationRaised { .. } => "agent.generation_raised",
            Act::LabelsSet { .. } => "agent.labels_set",
            Act::AgentHeld { .. } => "agent.held",
            Act::AgentReleased { .. } => "agent.released",
            Act::HoldExpired { .. } => "agent.hold_expired",
            Act::AgentRevoked { .. } => "agent.revoked",
            Act::AgentRemoved { .. } => "agent.removed",
            Act::AgentEnrolled { .. } => "agent.enrolled",
            Act::CertificateRenewed { .. } => "agent.certificate_renewed",
            Act::TokenCreated { .. } => "token.created",
            Act::TokenRevoked { .. } => "token.revoked",
            Act::OperatorIssued { .. } => "operator.issued",
            Act::OperatorRevoked { .. } => "operator.revoked",
        }
    }

    /// What it was done to: the name of a workload, rollout, agent, token or operator.
    #[must_use]
    pub fn subject(&self) -> String {
        match &self.act {
            Act::PinPromoted { workload, .. } => workload.to_string(),
            Act::RolloutStarted { rollout } => rollout.id.to_string(),
            Act::StageOpened { rollout, .. }
            | Act::StagePassed { rollout, .. }
            | Act::ApprovalAwaited { rollout, .. }
            | Act::StageApproved { rollout, .. }
            | Act::RolloutPaused { rollout, .. }
            | Act::RolloutResumed { rollout, .. }
            | Act::RolloutHalted { rollout, .. }
            | Act::RolloutAborted { rollout, .. }
            | Act::RollbackStarted { rollout, .. }
            | Act::RolloutEnded { rollout, .. }
            | Act::AgentsRetried { rollout, .. } => rollout.to_string(),
            Act::MemberFailed { agent, .. }
            | Act::Assigned { agent, .. }
            | Act::GenerationRaised { agent, .. }
            | Act::LabelsSet { agent, .. }
            | Act::AgentHeld { agent, .. }
            | Act::AgentReleased { agent, .. }
            | Act::HoldExpired { agent }
            | Act::AgentRevoked { agent, .. }
            | Act::AgentRemoved { agent, .. }
            | Act::AgentEnrolled { agent, .. }
            | Act::CertificateRenewed { agent, .. } => agent.to_string(),
            Act::TokenCreated { id, .. } | Act::TokenRevoked { id, .. } => id.clone(),
            Act::OperatorIssued { name, .. } | Act::OperatorRevoked { name, .. } => {
                name.to_string()
            }
        }
    }

    /// The rest for people: what exactly, and why. Holds no secret.
    #[must_use]
    pub fn detail(&self) -> String {
        match &self.act {
            Act::PinPromoted { pin, .. } => format!(
                "pin {} is {}{}",
                pin.number,
                pin.digest,
                because(&pin.notes)
            ),
            Act::RolloutStarted { rollout } => format!(
                "pin {} ({}) to {} machine(s) in {} stage(s){}",
                rollout.pin,
                rollout.digest().short(),
                rollout.members.len(),
                rollout.stages.len(),
                because(&rollout.started.reason)
            ),
            Act::StageOpened { stage, .. } | Act::ApprovalAwaited { stage, .. } => {
                format!("stage {}", stage + 1)
            }
            Act::StagePassed { stage, note, .. } => format!("stage {}{}", stage + 1, because(note)),
            Act::StageApproved { stage, reason, .. } => format!("stage {stage}{}", because(reason)),
            Act::RolloutHalted { gate, reason, .. } => {
                format!("{}{}", gate.word(), because(reason))
            }
            Act::RolloutEnded { phase, reason, .. } => format!("{phase}{}", because(reason)),
            Act::AgentsRetried { agents, reason, .. } => {
                let names: Vec<_> = agents.iter().map(AgentId::as_str).collect();
                format!("{}{}", names.join(", "), because(reason))
            }
            Act::MemberFailed {
                rollout, failure, ..
            } => format!("{rollout}: {failure}"),
            Act::Assigned {
                assignment, reason, ..
            } => assigned(assignment, reason),
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
            Act::AgentEnrolled { token, .. } => format!("with token {token}"),
            Act::CertificateRenewed { certificate, .. } => {
                format!("until {}", certificate.not_after)
            }
            Act::TokenCreated { token, .. } => match &token.kind {
                TokenKind::Enrollment { max_uses, .. } => {
                    format!("enrolment, for {max_uses} machine(s)")
                }
                TokenKind::Api { holder, role } => format!("API, {role} {holder}"),
            },
            Act::OperatorIssued { operator, .. } => {
                format!("{} until {}", operator.role, operator.certificate.not_after)
            }
            Act::HoldExpired { .. } => String::new(),
            Act::RolloutPaused { reason, .. }
            | Act::RolloutResumed { reason, .. }
            | Act::RolloutAborted { reason, .. }
            | Act::RollbackStarted { reason, .. }
            | Act::AgentReleased { reason, .. }
            | Act::AgentRevoked { reason, .. }
            | Act::AgentRemoved { reason, .. }
            | Act::TokenRevoked { reason, .. }
            | Act::OperatorRevoked { reason, .. } => reason.clone(),
        }
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
    let what = match assignment.digest() {
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
