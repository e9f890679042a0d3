use serde::{Deserialize, Serialize};

/// Where one agent's assignment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentPhase {
    /// Received, nothing begun.
    Pending,
    /// Pulling ahead of time; no container is touched.
    Prefetching,
    /// Pulled ahead of time.
    Prefetched,
    /// Something holds the cut-over.
    Waiting,
    /// Pulling the image.
    Pulling,
    /// Creating the next containers beside the running ones.
    Creating,
    /// Stopping the old, starting the next: cannot be withdrawn any more.
    CuttingOver,
    /// The next runs and is not proven yet.
    Verifying,
    /// Proven; the old container is kept until the soak ends.
    Soaking,
    /// Terminal: proven and soaked.
    Settled,
    /// Going back to the old container.
    RollingBack,
    /// Terminal: failed, and the old container is back and healthy.
    RolledBack,
    /// Terminal: failed, and the old container did not come back.
    RollbackFailed,
    /// Terminal: pulled and tagged, no container ran it. Not a success.
    Staged,
    /// Terminal: nothing was touched, because it may not or could not be.
    Refused,
    /// Terminal: taken back before the cut-over.
    Withdrawn,
}

impl AgentPhase {
    /// Nothing follows for this attempt.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Settled
                | Self::RolledBack
                | Self::RollbackFailed
                | Self::Staged
                | Self::Refused
                | Self::Withdrawn
        )
    }

    /// The running digest was observed healthy.
    #[must_use]
    pub fn is_proven(self) -> bool {
        matches!(self, Self::Soaking | Self::Settled)
    }

    /// Terminal, and not as asked.
    #[must_use]
    pub fn is_failure(self) -> bool {
        matches!(
            self,
            Self::RolledBack | Self::RollbackFailed | Self::Refused
        )
    }

    /// The old container may have been stopped: a withdrawal comes too late.
    #[must_use]
    pub fn has_cut_over(self) -> bool {
        matches!(
            self,
            Self::CuttingOver
                | Self::Verifying
                | Self::Soaking
                | Self::Settled
                | Self::RollingBack
                | Self::RolledBack
                | Self::RollbackFailed
        )
    }
}

/// Where a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RolloutPhase {
    /// It begins when the one before it is over.
    Queued,
    /// The next stage needs an operator's approval.
    AwaitingApproval,
    /// Machines are assigned as the limits allow.
    Running,
    /// An operator stopped it.
    Paused,
    /// A gate stopped it.
    Halted,
    /// Machines go back to what they ran before.
    RollingBack,
    /// Machines in flight finish; nothing more is assigned.
    Aborting,
    /// Terminal: every stage passed.
    Completed,
    /// Terminal: taken back.
    RolledBack,
    /// Terminal: ended by an operator.
    Aborted,
    /// Terminal: a newer rollout took its place.
    Superseded,
}

impl RolloutPhase {
    /// Nothing follows.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Completed | Self::RolledBack | Self::Aborted | Self::Superseded
        )
    }
}

macro_rules! words {
    ($name:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word that people and scripts read.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}
pub(crate) use words;

words!(AgentPhase {
    Pending => "pending",
    Prefetching => "prefetching",
    Prefetched => "prefetched",
    Waiting => "waiting",
    Pulling => "pulling",
    Creating => "creating",
    CuttingOver => "cutting over",
    Verifying => "verifying",
    Soaking => "soaking",
    Settled => "settled",
    RollingBack => "rolling back",
    RolledBack => "rolled back",
    RollbackFailed => "rollback failed",
    Staged => "staged",
    Refused => "refused",
    Withdrawn => "withdrawn",
});

words!(RolloutPhase {
    Queued => "queued",
    AwaitingApproval => "awaiting approval",
    Running => "running",
    Paused => "paused",
    Halted => "halted",
    RollingBack => "rolling back",
    Aborting => "aborting",
    Completed => "completed",
    RolledBack => "rolled back",
    Aborted => "aborted",
    Superseded => "superseded",
});
