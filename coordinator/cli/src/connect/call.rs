//! One call, and what a person is told when it is refused.

use std::time::Duration;

use pinion_proto::roles::allowed_roles;
use pinion_proto::v1;
use tonic::{Code, Response, Status};

use super::Link;
use super::trouble::{Trouble, cause, classify};

/// A call that did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct CallError {
    message: String,
    advice: Option<String>,
    /// Whether the same call may work if it is made again.
    pub(crate) transient: bool,
}

impl CallError {
    /// What to do next, where we know.
    pub(crate) fn advice(&self) -> Option<String> {
        self.advice.clone()
    }
}

/// Whether asking again cannot help.
pub(crate) fn is_final(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
    )
}

impl Link {
    /// Waits for the answer of `method`, such as `PinService/ListPins`, for as
    /// long as `--timeout` says.
    ///
    /// # Errors
    ///
    /// If it is refused, fails, or takes longer.
    pub(crate) async fn ask<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        self.ask_for(self.timeout, method, call).await
    }

    /// The same, for at most `limit`.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub(crate) async fn ask_for<T>(
        &self,
        limit: Duration,
        method: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, CallError> {
        tracing::debug!(method, "asking");
        match tokio::time::timeout(limit, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(self.refused(method, &status)),
            Err(_) => Err(CallError {
                message: format!("{} did not answer {method} within {limit:?}", self.endpoint()),
                advice: Some("it may have been done all the same: look before asking again; --timeout waits longer".into()),
                transient: true,
            }),
        }
    }

    /// `status`, as an answer to `method`, in words.
    pub(crate) fn refused(&self, method: &str, status: &Status) -> CallError {
        tracing::debug!(method, code = ?status.code(), "refused");
        // Only what this side noticed has a source; what was sent has none.
        let broken = std::error::Error::source(status).map(cause);
        let message = match (status.code(), &broken) {
            (_, Some(why)) => format!("the connection to {} broke: {why}", self.endpoint()),
            (Code::Unauthenticated, None) => {
                format!("{} does not know us: {}", self.endpoint(), status.message())
            }
            (Code::PermissionDenied, None) => format!("not allowed: {}", status.message()),
            (Code::Unavailable, None) => {
                format!("{} is not available: {}", self.endpoint(), status.message())
            }
            (Code::Internal | Code::Unknown, None) => {
                format!("the coordinator failed: {}", status.message())
            }
            (_, None) => status.message().to_owned(),
        };
        CallError {
            message: with_details(message, status),
            advice: match broken {
                Some(why) => self.advice_about_trouble(classify(&why)),
                None => self.advice_about(method, status),
            },
            transient: !is_final(status),
        }
    }

    fn advice_about_trouble(&self, trouble: Trouble) -> Option<String> {
        (trouble != Trouble::Other).then(|| self.advice(trouble))
    }

    fn advice_about(&self, method: &str, status: &Status) -> Option<String> {
        match status.code() {
            Code::Unauthenticated => Some(format!(
                "{} was shown: it may be revoked, expired or another coordinator's; an admin makes a new one with `pinion operator create` or `pinion token create --kind api`",
                self.credential()
            )),
            Code::PermissionDenied => needed_role(method).map(|role| {
                format!(
                    "this needs the role {role} or a higher one: ask somebody who has it, or an admin for it (`pinion operator create`, `pinion token create --kind api`)"
                )
            }),
            Code::NotFound => {
                look_up(method).map(|command| format!("see which there are with `{command}`"))
            }
            Code::Unimplemented => {
                Some("the coordinator is older than this command: upgrade it".into())
            }
            Code::Aborted => {
                Some("somebody else changed it at the same time: look, and ask again".into())
            }
            Code::ResourceExhausted => Some("wait a little, and ask again".into()),
            _ => None,
        }
    }
}

/// The message, and below it what the details say, if they are text.
fn with_details(message: String, status: &Status) -> String {
    let message = if message.trim().is_empty() {
        format!("{:?}", status.code())
    } else {
        message
    };
    match std::str::from_utf8(status.details()) {
        Ok(details)
            if !details.trim().is_empty()
                && !details.contains(|c: char| c.is_control() && c != '\n') =>
        {
            format!("{message}\n  {}", details.trim().replace('\n', "\n  "))
        }
        _ => message,
    }
}

/// The least role that may call `method`.
fn needed_role(method: &str) -> Option<String> {
    let roles = allowed_roles(&format!("/pinion.v1.{method}"))?;
    let words: Vec<_> = roles
        .iter()
        .filter(|role| **role != v1::Role::Anyone)
        .map(|role| crate::output::words::role((*role).into()))
        .collect();
    Some(words.join(" or "))
}

/// The command that lists what `method` did not find.
fn look_up(method: &str) -> Option<&'static str> {
    match method.split('/').next()? {
        "PinService" => Some("pinion pin list"),
        "RolloutService"
            if method.ends_with("/StartRollout") || method.ends_with("/PlanRollout") =>
        {
            Some("pinion pin list")
        }
        "RolloutService" => Some("pinion rollout list"),
        // Of quarantined digests and what is held, only the workload is looked for.
        "QuarantineService" => Some("pinion pin list"),
        "FleetService" if method.ends_with("/PlaceHold") => Some("pinion pin list"),
        "FleetService" if method.ends_with("/LiftHold") => Some("pinion hold list"),
        "FleetService" => Some("pinion agent list"),
        "AccessService" if method.ends_with("Operator") => Some("pinion operator list"),
        "AccessService" => Some("pinion token list"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_role_that_the_proto_declares() {
        assert_eq!(
            needed_role("AccessService/CreateToken").as_deref(),
            Some("admin")
        );
        assert_eq!(
            needed_role("PinService/PromotePin").as_deref(),
            Some("promoter")
        );
        assert_eq!(needed_role("NoService/No"), None);
    }

    #[test]
    fn details_are_told_if_they_are_text() {
        let status = Status::with_details(
            Code::InvalidArgument,
            "bad",
            "field: digest".to_owned().into_bytes().into(),
        );
        assert_eq!(with_details("bad".into(), &status), "bad\n  field: digest");
        let bytes = Status::with_details(Code::InvalidArgument, "bad", vec![0, 159, 1].into());
        assert_eq!(with_details("bad".into(), &bytes), "bad");
        assert_eq!(
            with_details(String::new(), &Status::not_found("")),
            "NotFound"
        );
    }

    #[test]
    fn what_cannot_be_found_is_listed_by_a_command() {
        assert_eq!(look_up("FleetService/GetAgent"), Some("pinion agent list"));
        assert_eq!(
            look_up("RolloutService/StartRollout"),
            Some("pinion pin list")
        );
        assert_eq!(look_up("FleetService/LiftHold"), Some("pinion hold list"));
        assert_eq!(
            look_up("QuarantineService/QuarantineDigest"),
            Some("pinion pin list")
        );
        assert_eq!(
            look_up("AccessService/RevokeOperator"),
            Some("pinion operator list")
        );
    }
}
