use std::collections::BTreeSet;

use pinion_model::{
    Actor, AgentId, Failure, Generation, Labels, OperatorName, RolloutId, RolloutPhase, StageName,
    Timestamp, WorkloadName,
};
use serde::{Deserialize, Serialize};

use crate::{Assignment, Certificate, Gate, Operator, Pin, Purpose, Rollout, Token, Use};

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
}
