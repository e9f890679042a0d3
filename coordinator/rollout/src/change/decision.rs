use std::collections::BTreeSet;

use pinion_model::{
    Actor, AgentId, Digest, Failure, Generation, Labels, OperatorName, RolloutId, RolloutPhase,
    StageName, StrategyName, Timestamp, WorkloadName,
};
use serde::{Deserialize, Serialize};

use crate::commands::AbortMode;
use crate::{
    Assignment, Certificate, FleetHold, Gate, Openings, Operator, Pin, Rollout, Strategy,
    StrategySource, Token, Use,
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
    /// A rollout began, or one that was queued; those of its workload that are
    /// not over are superseded.
    RolloutStarted { rollout: Box<Rollout> },
    /// A rollout waits for the end of the active one; another one that waits is
    /// superseded.
    RolloutQueued { rollout: Box<Rollout> },
    /// The pass ahead of the stages asks machines to pull from now on.
    PrefetchOpened { rollout: RolloutId },
    /// Its machines have the image, or get it when their turn comes.
    PrefetchPassed { rollout: RolloutId, note: String },
    /// A machine did not pull in time.
    PrefetchFailed {
        rollout: RolloutId,
        agent: AgentId,
        failure: Failure,
    },
    /// A stage takes machines from now on.
    StageOpened { rollout: RolloutId, stage: usize },
    /// A stage's machines are done.
    StagePassed {
        rollout: RolloutId,
        stage: usize,
        note: String,
    },
    /// A stage needs a person's approval; one of another plan has lapsed.
    ApprovalAwaited {
        rollout: RolloutId,
        stage: usize,
        note: String,
    },
    /// A person approved a stage.
    StageApproved {
        rollout: RolloutId,
        stage: StageName,
        plan: String,
        reason: String,
    },
    /// An operator stopped it.
    RolloutPaused { rollout: RolloutId, reason: String },
    /// An operator let it go on. After a halt, the failures known now are acknowledged.
    RolloutResumed { rollout: RolloutId, reason: String },
    /// A gate stopped it.
    RolloutHalted {
        rollout: RolloutId,
        gate: Gate,
        reason: String,
    },
    /// An operator ends it; machines in flight finish or are withdrawn.
    RolloutAborted {
        rollout: RolloutId,
        mode: AbortMode,
        reason: String,
    },
    /// Windows of its calendar opened or shut, or freezes began or ended.
    WindowsMoved {
        rollout: RolloutId,
        openings: Openings,
    },
    /// An operator said that its windows and freezes do not count.
    WindowsOverridden { rollout: RolloutId, reason: String },
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
    /// A machine that came late, or came back late, belongs to this stage now.
    MemberJoined {
        rollout: RolloutId,
        agent: AgentId,
        stage: usize,
    },
    /// An agent must converge to this. Withdrawals are assignments that run nothing.
    Assigned {
        agent: AgentId,
        assignment: Assignment,
        reason: String,
    },
    /// An operator wants a machine at its stable digest, one workload after the other.
    RefreshAsked {
        agent: AgentId,
        workload: WorkloadName,
        reason: String,
    },
    /// No more machines get this digest, in any rollout.
    DigestQuarantined {
        digest: Digest,
        workload: WorkloadName,
        agents: u32,
        reason: String,
    },
    /// They may get it again; the machines on which it fails are counted anew.
    QuarantineLifted { digest: Digest, reason: String },
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
    /// Rollouts go round machines with some labels, or a workload.
    HoldPlaced { id: String, hold: FleetHold },
    /// They do not any more.
    HoldLifted { id: String, reason: String },
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
    /// A strategy was kept under a name: its next version.
    StrategyPut {
        name: StrategyName,
        version: u32,
        strategy: Box<Strategy>,
        source: StrategySource,
        reason: String,
    },
    /// A name of a strategy is not used any more.
    StrategyRemoved { name: StrategyName, reason: String },
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
}
