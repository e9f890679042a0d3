use super::{Act, Decision};
use crate::Purpose;

impl Decision {
    /// What was done, as a stable word for scripts, such as `pin.promoted`.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match &self.act {
            Act::PinPromoted { .. } => "pin.promoted",
            Act::RolloutStarted { .. } => "rollout.started",
            Act::RolloutQueued { .. } => "rollout.queued",
            Act::PrefetchOpened { .. } => "prefetch.opened",
            Act::PrefetchPassed { .. } => "prefetch.passed",
            Act::PrefetchFailed { .. } => "agent.prefetch_failed",
            Act::StageOpened { .. } => "stage.opened",
            Act::StagePassed { .. } => "stage.passed",
            Act::ApprovalAwaited { .. } => "stage.approval_awaited",
            Act::StageApproved { .. } => "stage.approved",
            Act::RolloutPaused { .. } => "rollout.paused",
            Act::RolloutResumed { .. } => "rollout.resumed",
            Act::RolloutHalted { .. } => "rollout.halted",
            Act::RolloutAborted { .. } => "rollout.aborted",
            Act::WindowsMoved { .. } => "rollout.windows_moved",
            Act::WindowsOverridden { .. } => "rollout.windows_overridden",
            Act::RollbackStarted { .. } => "rollout.rollback_started",
            Act::RolloutEnded { .. } => "rollout.ended",
            Act::AgentsRetried { .. } => "agent.retried",
            Act::MemberFailed { .. } => "agent.failed",
            Act::MemberJoined { .. } => "agent.joined",
            Act::Assigned { assignment, .. } => match assignment.purpose {
                Purpose::Withdraw { .. } => "agent.withdrawn",
                Purpose::Prefetch { .. } if assignment.prefetch.is_none() => {
                    "agent.prefetch_withdrawn"
                }
                Purpose::Prefetch { .. } => "agent.prefetch_asked",
                _ => "agent.assigned",
            },
            Act::RefreshAsked { .. } => "agent.refresh_asked",
            Act::DigestQuarantined { .. } => "digest.quarantined",
            Act::QuarantineLifted { .. } => "digest.quarantine_lifted",
            Act::GenerationRaised { .. } => "agent.generation_raised",
            Act::LabelsSet { .. } => "agent.labels_set",
            Act::AgentHeld { .. } => "agent.held",
            Act::AgentReleased { .. } => "agent.released",
            Act::HoldExpired { .. } => "agent.hold_expired",
            Act::HoldPlaced { .. } => "hold.placed",
            Act::HoldLifted { .. } => "hold.lifted",
            Act::AgentRevoked { .. } => "agent.revoked",
            Act::AgentRemoved { .. } => "agent.removed",
            Act::AgentEnrolled { .. } => "agent.enrolled",
            Act::CertificateRenewed { .. } => "agent.certificate_renewed",
            Act::StrategyPut { .. } => "strategy.put",
            Act::StrategyRemoved { .. } => "strategy.removed",
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
            Act::RolloutStarted { rollout } | Act::RolloutQueued { rollout } => {
                rollout.id.to_string()
            }
            Act::PrefetchOpened { rollout }
            | Act::PrefetchPassed { rollout, .. }
            | Act::StageOpened { rollout, .. }
            | Act::StagePassed { rollout, .. }
            | Act::ApprovalAwaited { rollout, .. }
            | Act::StageApproved { rollout, .. }
            | Act::RolloutPaused { rollout, .. }
            | Act::RolloutResumed { rollout, .. }
            | Act::RolloutHalted { rollout, .. }
            | Act::RolloutAborted { rollout, .. }
            | Act::WindowsMoved { rollout, .. }
            | Act::WindowsOverridden { rollout, .. }
            | Act::RollbackStarted { rollout, .. }
            | Act::RolloutEnded { rollout, .. }
            | Act::AgentsRetried { rollout, .. } => rollout.to_string(),
            Act::PrefetchFailed { agent, .. }
            | Act::MemberFailed { agent, .. }
            | Act::MemberJoined { agent, .. }
            | Act::Assigned { agent, .. }
            | Act::RefreshAsked { agent, .. }
            | Act::GenerationRaised { agent, .. }
            | Act::LabelsSet { agent, .. }
            | Act::AgentHeld { agent, .. }
            | Act::AgentReleased { agent, .. }
            | Act::HoldExpired { agent }
            | Act::AgentRevoked { agent, .. }
            | Act::AgentRemoved { agent, .. }
            | Act::AgentEnrolled { agent, .. }
            | Act::CertificateRenewed { agent, .. } => agent.to_string(),
            Act::DigestQuarantined { digest, .. } | Act::QuarantineLifted { digest, .. } => {
                digest.to_string()
            }
            Act::StrategyPut { name, .. } | Act::StrategyRemoved { name, .. } => name.to_string(),
            Act::TokenCreated { id, .. }
            | Act::TokenRevoked { id, .. }
            | Act::HoldPlaced { id, .. }
            | Act::HoldLifted { id, .. } => id.clone(),
            Act::OperatorIssued { name, .. } | Act::OperatorRevoked { name, .. } => {
                name.to_string()
            }
        }
    }
}
