use pinion_proto::convert::InvalidField;
use pinion_rollout::{Fault, Refusal};
use pinion_strategy::message::InvalidFields;
use tonic::Status;

use crate::ledger::DecideError;
use crate::store::StoreError;

/// Why a call was not carried out: the one place that knows what each reason
/// becomes for a client, over gRPC and (see [`crate::http`]) over HTTP.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A field of the request cannot be what it is.
    #[error("{0}")]
    Invalid(#[from] InvalidField),
    /// A field of the request names what is not there: NOT_FOUND, 404.
    #[error("{0}")]
    Absent(InvalidField),
    /// The command said no.
    #[error("{0}")]
    Refused(#[from] Refusal),
    /// Others kept coming first.
    #[error("other changes kept coming first: try again")]
    Contended,
    /// The store could not keep or read it. The cause stays in the log.
    #[error(
        "the coordinator's store failed; nothing was changed: try again, and see the coordinator's log"
    )]
    Store(#[source] StoreError),
    /// A defect of ours. The cause stays in the log.
    #[error("the coordinator failed; see its log")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl CallError {
    /// `field` cannot be what it is, because of `message`.
    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(InvalidField::new(field, message))
    }

    /// There is no `what` called `name`.
    pub(crate) fn not_found(what: &'static str, name: impl std::fmt::Display) -> Self {
        Self::Refused(Refusal::NotFound {
            what,
            name: name.to_string(),
        })
    }

    /// A defect of ours.
    pub(crate) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Box::new(error))
    }

    /// Writes down what the client is not told.
    pub(crate) fn log(&self) {
        if let Self::Store(_) | Self::Internal(_) = self {
            let cause = std::error::Error::source(self);
            tracing::error!(cause, "a call failed");
        }
    }
}

impl From<InvalidFields> for CallError {
    fn from(InvalidFields(fields): InvalidFields) -> Self {
        let faults = fields.into_iter();
        let faults = faults.map(|field| Fault::new(field.field, field.message));
        Self::Refused(Refusal::Invalid {
            faults: faults.collect(),
        })
    }
}

impl From<DecideError> for CallError {
    fn from(error: DecideError) -> Self {
        match error {
            DecideError::Refused(refusal) => Self::Refused(refusal),
            DecideError::Contended => Self::Contended,
            DecideError::Store(error) => Self::Store(error),
        }
    }
}

impl From<StoreError> for CallError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        error.log();
        let message = error.to_string();
        match error {
            CallError::Invalid(_) | CallError::Refused(Refusal::Invalid { .. }) => {
                Self::invalid_argument(message)
            }
            CallError::Absent(_) | CallError::Refused(Refusal::NotFound { .. }) => {
                Self::not_found(message)
            }
            CallError::Refused(Refusal::Precondition { .. }) => Self::failed_precondition(message),
            CallError::Refused(Refusal::Conflict { .. }) => Self::already_exists(message),
            CallError::Contended => Self::aborted(message),
            CallError::Store(_) => Self::unavailable(message),
            CallError::Internal(_) => Self::internal(message),
        }
    }
}
