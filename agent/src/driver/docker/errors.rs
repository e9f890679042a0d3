//! What an answer that is not the wanted one means.

use bollard::errors::Error as ClientError;

use crate::driver::EngineError;
use crate::tls::chain;

/// Calls whose 5xx is about the container (a taken port, a bad device): the
/// engine says so with 500, and will say it again.
const REFUSES_WITH_500: [&str; 3] = ["connect a network", "create", "start"];

/// How Podman ends its refusal of a name.
const NAME_IS_TAKEN: &str = "name is already in use";

/// What an engine (20.10) that was killed while it started a container says of
/// that one from then on: its own leftover is in the way, and no image's fault.
fn is_left_over(call: &str, message: &str) -> bool {
    call == "start" && message.starts_with("task ") && message.ends_with(": already exists")
}

/// The engine answered, and the answer is no.
pub(super) fn refusal(call: &'static str, what: &str, status: u16, message: String) -> EngineError {
    match status {
        // Of a network or a device that the container needs: the container itself is there.
        404 if call == "start"
            && !message.is_empty()
            && !message.to_lowercase().contains("no such container") =>
        {
            EngineError::Refused {
                call,
                message: or_status(message, status),
            }
        }
        404 if message.is_empty() => EngineError::NotFound(what.to_owned()),
        404 => EngineError::NotFound(format!("{what} ({message})")),
        409 => EngineError::Conflict { call, message },
        // Podman's way to say it.
        500 if message.contains(NAME_IS_TAKEN) => EngineError::Conflict { call, message },
        // Another engine took the place of the one that the version was agreed
        // upon with: nothing was done, and the next link speaks another.
        400 if message.contains("client version ") => EngineError::Unknown { call, message },
        400..500 => EngineError::Refused {
            call,
            message: or_status(message, status),
        },
        500.. if is_left_over(call, &message) => EngineError::Unknown { call, message },
        _ if !message.is_empty() && REFUSES_WITH_500.contains(&call) => {
            EngineError::Refused { call, message }
        }
        _ => EngineError::Unknown {
            call,
            message: or_status(message, status),
        },
    }
}

fn or_status(message: String, status: u16) -> String {
    if message.is_empty() {
        format!("HTTP status {status}")
    } else {
        message
    }
}

/// The typed client's error.
pub(super) fn from_client(call: &'static str, what: &str, error: ClientError) -> EngineError {
    match error {
        ClientError::DockerResponseServerError {
            status_code,
            message,
        } => refusal(call, what, status_code, message.trim().to_owned()),
        error => unknown(call, &error),
    }
}

/// No answer, or none that can be read.
pub(super) fn unknown(
    call: &'static str,
    error: &(dyn std::error::Error + 'static),
) -> EngineError {
    EngineError::Unknown {
        call,
        message: chain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_engines_own_404_means_that_it_is_not_there() {
        let refusal =
            |call, status, message: &str| refusal(call, "container x", status, message.to_owned());
        assert!(matches!(
            refusal("start", 404, "network front not found"),
            EngineError::Refused { .. }
        ));
        assert!(matches!(
            refusal("start", 404, "No such container: x"),
            EngineError::NotFound(_)
        ));
        assert_eq!(
            refusal("stop", 404, ""),
            EngineError::NotFound("container x".to_owned())
        );
        assert!(matches!(
            refusal("create", 409, "taken"),
            EngineError::Conflict { .. }
        ));
        assert!(matches!(
            refusal("create", 500, "creating: that name is already in use"),
            EngineError::Conflict { .. }
        ));
        assert!(matches!(
            refusal("start", 500, "task 0123abcd: already exists"),
            EngineError::Unknown { .. }
        ));
        assert!(matches!(
            refusal("start", 500, "file /x already exists"),
            EngineError::Refused { .. }
        ));
        assert!(matches!(
            refusal("start", 403, "address in use"),
            EngineError::Refused { .. }
        ));
        assert!(matches!(
            refusal("start", 500, "port is taken"),
            EngineError::Refused { .. }
        ));
        assert!(matches!(
            refusal("create", 400, "client version 1.41 is too old"),
            EngineError::Unknown { .. }
        ));
        assert!(matches!(
            refusal("start", 502, ""),
            EngineError::Unknown { .. }
        ));
        assert!(matches!(
            refusal("stop", 500, "cannot stop"),
            EngineError::Unknown { .. }
        ));
        assert!(matches!(
            refusal("inspect", 503, "wait"),
            EngineError::Unknown { .. }
        ));
    }

    #[test]
    fn a_time_limit_leaves_the_effect_unknown() {
        let error = from_client("stop", "container x", ClientError::RequestTimeoutError);
        assert!(matches!(error, EngineError::Unknown { call: "stop", .. }));
    }
}
