//! Conversions between messages and the words of [`pinion_model`].
//!
//! From a word to a message always works. From a message to a word fails with
//! [`InvalidField`], which names the field. An enum value that this version
//! does not know is `None`, never an error: versions N−1 and N work together.

use std::time::Duration;

use pinion_model::{
    Actor, AgentPhase, Deferral, Digest, Failure, FailureKind, Holder, HolderKind, InUse,
    ParseError, Role, RolloutPhase, Timestamp,
};

use crate::v1;

/// A field of a message that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct InvalidField {
    /// Path of the field, such as `assignments.run.digest`.
    pub field: String,
    /// What was sent (cut) and what is allowed.
    pub message: String,
}

impl InvalidField {
    /// `field` is not what it should be.
    #[must_use]
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

/// Parses a required text field.
///
/// # Errors
///
/// If the text is empty or not what `T` allows.
pub fn text<T: std::str::FromStr<Err = ParseError>>(
    field: &str,
    text: &str,
) -> Result<T, InvalidField> {
    text.parse()
        .map_err(|error: ParseError| InvalidField::new(field, error.to_string()))
}

/// Parses a text field in which empty means absent.
///
/// # Errors
///
/// If the text is not empty and not what `T` allows.
pub fn optional_text<T: std::str::FromStr<Err = ParseError>>(
    field: &str,
    value: &str,
) -> Result<Option<T>, InvalidField> {
    if value.is_empty() {
        Ok(None)
    } else {
        text(field, value).map(Some)
    }
}

/// Text of an optional word; empty if absent.
#[must_use]
pub fn or_empty<T: std::fmt::Display>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// A digest, or none where it is empty or unknown in form.
#[must_use]
pub fn lenient_digest(text: &str) -> Option<Digest> {
    text.parse().ok()
}

/// An instant as a message.
#[must_use]
pub fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: i64::try_from(at.0 / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(at.0 % 1000).unwrap_or(0) * 1_000_000,
    }
}

/// An instant from a message; before 1970 is 1970.
#[must_use]
pub fn from_timestamp(at: &prost_types::Timestamp) -> Timestamp {
    let seconds = u64::try_from(at.seconds).unwrap_or(0);
    let millis = u64::try_from(at.nanos / 1_000_000).unwrap_or(0);
    Timestamp(seconds.saturating_mul(1000).saturating_add(millis))
}

/// A duration as a message.
#[must_use]
pub fn duration(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// A duration from a message; absent stays absent.
///
/// # Errors
///
/// If it is negative or longer than 366 days.
pub fn from_duration(
    field: &str,
    duration: Option<&prost_types::Duration>,
) -> Result<Option<Duration>, InvalidField> {
    let Some(duration) = duration else {
        return Ok(None);
    };
    let error = || InvalidField::new(field, "a duration must be between 0 and 366 days");
    let seconds = u64::try_from(duration.seconds).map_err(|_| error())?;
    let nanos = u32::try_from(duration.nanos).map_err(|_| error())?;
    if seconds > 366 * 86_400 || nanos >= 1_000_000_000 {
        return Err(error());
    }
    Ok(Some(Duration::new(seconds, nanos)))
}

macro_rules! same_names {
    ($model:ident <=> $proto:ident: $($variant:ident),+ $(,)?) => {
        impl From<$model> for v1::$proto {
            fn from(value: $model) -> Self {
                match value { $($model::$variant => Self::$variant),+ }
            }
        }

        impl v1::$proto {
            /// The word; `None` for unspecified and for values that are newer than this version.
            #[must_use]
            pub fn known(value: i32) -> Option<$model> {
                match Self::try_from(value).ok()? {
                    $(Self::$variant => Some($model::$variant),)+
                    #[allow(unreachable_patterns)]
                    _ => None,
                }
            }
        }
    };
}

same_names!(AgentPhase <=> AgentPhase:
    Pending, Prefetching, Prefetched, Waiting, Pulling, Creating, CuttingOver, Verifying, Soaking,
    Settled, RollingBack, RolledBack, RollbackFailed, Staged, Refused, Withdrawn);
same_names!(RolloutPhase <=> RolloutPhase:
    Queued, AwaitingApproval, Running, Paused, Halted, RollingBack, Aborting, Completed, RolledBack,
    Aborted, Superseded);
same_names!(FailureKind <=> FailureKind:
    Credentials, NotFound, Network, Registry, Disk, Platform, Policy, Create, Start, Health,
    Timeout, InUse, Offline, Engine, Internal, Indeterminate);
same_names!(Role <=> Role: Viewer, Promoter, Operator, Admin);
same_names!(InUse <=> InUsePolicy: Fail, Skip, Force);
same_names!(HolderKind <=> HolderKind: Lock, Hook, Probe, Connections);

impl From<&Holder> for v1::Holder {
    fn from(holder: &Holder) -> Self {
        Self {
            kind: v1::HolderKind::from(holder.kind).into(),
            owner: holder.owner.clone(),
            reason: holder.reason.clone(),
            until: holder.until.map(timestamp),
        }
    }
}

impl From<&v1::Holder> for Holder {
    /// A kind that is newer than this version is a lock; what is too long is cut.
    fn from(holder: &v1::Holder) -> Self {
        let kind = v1::HolderKind::known(holder.kind).unwrap_or(HolderKind::Lock);
        let until = holder.until.as_ref().map(from_timestamp);
        Self::new(kind, &holder.owner, &holder.reason, until)
    }
}

impl From<&Deferral> for v1::Deferral {
    fn from(deferral: &Deferral) -> Self {
        Self {
            since: Some(timestamp(deferral.since)),
            until: Some(timestamp(deferral.until)),
            then: v1::InUsePolicy::from(deferral.then).into(),
            holders: deferral.holders.iter().map(Into::into).collect(),
            forced: deferral.forced,
        }
    }
}

impl From<&v1::Deferral> for Deferral {
    /// A policy that is newer than this version is to fail.
    fn from(deferral: &v1::Deferral) -> Self {
        let at = |at: Option<&prost_types::Timestamp>| at.map(from_timestamp).unwrap_or_default();
        let holders = deferral.holders.iter().take(Self::HOLDER_LIMIT);
        Self {
            since: at(deferral.since.as_ref()),
            until: at(deferral.until.as_ref()),
            then: v1::InUsePolicy::known(deferral.then).unwrap_or_default(),
            holders: holders.map(Into::into).collect(),
            forced: deferral.forced,
        }
    }
}

impl From<&Failure> for v1::Failure {
    fn from(failure: &Failure) -> Self {
        Self {
            kind: v1::FailureKind::from(failure.kind).into(),
            message: failure.message.clone(),
            log_tail: failure.log_tail.clone(),
        }
    }
}

impl From<&v1::Failure> for Failure {
    /// A kind that is newer than this version is `Internal`; what is too long is cut.
    fn from(failure: &v1::Failure) -> Self {
        let kind = v1::FailureKind::known(failure.kind).unwrap_or(FailureKind::Internal);
        Self::new(kind, failure.message.clone()).with_log(failure.log_tail.clone())
    }
}

impl From<&Actor> for v1::Actor {
    fn from(actor: &Actor) -> Self {
        let role = match actor {
            Actor::System => v1::Role::Unspecified,
            Actor::Operator { role, .. } => (*role).into(),
            Actor::Agent(_) => v1::Role::Agent,
        };
        let name = match actor {
            Actor::Agent(agent) => agent.to_string(),
            other => other.to_string(),
        };
        Self {
            name,
            role: role.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back_from_its_message() {
        for phase in AgentPhase::ALL {
            assert_eq!(
                v1::AgentPhase::known(v1::AgentPhase::from(*phase).into()),
                Some(*phase)
            );
        }
        for phase in RolloutPhase::ALL {
            assert_eq!(
                v1::RolloutPhase::known(v1::RolloutPhase::from(*phase).into()),
                Some(*phase)
            );
        }
        for kind in FailureKind::ALL {
            assert_eq!(
                v1::FailureKind::known(v1::FailureKind::from(*kind).into()),
                Some(*kind)
            );
        }
        for policy in InUse::ALL {
            assert_eq!(
                v1::InUsePolicy::known(v1::InUsePolicy::from(*policy).into()),
                Some(*policy)
            );
        }
        for role in Role::ALL {
            assert_eq!(v1::Role::known(v1::Role::from(*role).into()), Some(*role));
        }
    }

    #[test]
    fn a_value_from_a_newer_version_is_unknown_and_no_error() {
        assert_eq!(v1::AgentPhase::known(9999), None);
        assert_eq!(v1::AgentPhase::known(0), None);
        let failure = v1::Failure {
            kind: 9999,
            ..Default::default()
        };
        assert_eq!(Failure::from(&failure).kind, FailureKind::Internal);
    }

    #[test]
    fn a_deferral_comes_back_from_its_message_and_a_newer_one_is_read_as_far_as_it_goes() {
        let holder = |kind| Holder::new(kind, "backup", "nightly dump", Some(Timestamp(5)));
        let deferral = Deferral {
            since: Timestamp(1),
            until: Timestamp(2),
            then: InUse::Skip,
            holders: HolderKind::ALL.iter().copied().map(holder).collect(),
            forced: true,
        };
        let mut message = v1::Deferral::from(&deferral);
        assert_eq!(Deferral::from(&message), deferral);
        message.then = 99;
        message.holders[0].kind = 99;
        message.holders[0].owner = "x".repeat(1000);
        let read = Deferral::from(&message);
        assert_eq!(
            (read.then, read.holders[0].kind),
            (InUse::Fail, HolderKind::Lock)
        );
        assert_eq!(read.holders[0].owner.len(), Holder::OWNER_LIMIT);
    }

    #[test]
    fn a_field_that_is_wrong_is_named() {
        let error = text::<Digest>("pin.digest", "latest").expect_err("no digest");
        assert!(error.to_string().starts_with("pin.digest: "), "{error}");
        assert!(error.to_string().contains("sha256:"), "{error}");
        let negative = prost_types::Duration {
            seconds: -1,
            nanos: 0,
        };
        assert!(from_duration("soak", Some(&negative)).is_err());
    }

    #[test]
    fn instants_keep_their_milliseconds() {
        let at = Timestamp(1_700_000_000_123);
        assert_eq!(from_timestamp(&timestamp(at)), at);
    }
}
