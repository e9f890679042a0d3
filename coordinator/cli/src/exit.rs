//! What the exit codes mean, in one place.

use std::process::ExitCode;

use crate::error::Error;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: it was done; a watched rollout completed.
    Done,
    /// 1: it failed, or a watched rollout was aborted or superseded.
    Failed,
    /// 2: the arguments, the profile file or a file to send are wrong; nothing was asked.
    Usage,
    /// 3: a watched rollout halted or was rolled back.
    Stopped,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Stopped => 3,
        })
    }
}

/// How a command ends that met `error`.
pub(crate) fn of(error: &Error) -> Exit {
    match error {
        Error::Usage(_)
        | Error::Profile(_)
        | Error::Settings(_)
        | Error::Strategy(_)
        | Error::Read { .. } => Exit::Usage,
        // Whoever read our output has seen enough, as in `pinion agent list | head`.
        error if error.is_broken_pipe() => Exit::Done,
        _ => Exit::Failed,
    }
}
