//! How containers are called while one takes the place of another.
//!
//! ```text
//!   web ──▶ web.prev.g12a1          (old, stopped, kept until the end)
//!           web.next.g12a1 ──▶ web  (next, created beside the old)
//!                          ──▶ web.failed.g12a1
//!           web.back.g12a1 ──▶ web  (the old one, made again because it is gone)
//! ```

use pinion_model::{Attempt, Generation};
use serde::{Deserialize, Serialize};

/// Label that names the workload of a container.
pub const WORKLOAD_LABEL: &str = "pinion.workload";
/// Label that, set to `true`, keeps Pinion's hands off a container.
pub const IGNORE_LABEL: &str = "pinion.ignore";
/// Label that, set to `true`, allows that a container of `--rm` is replaced,
/// though stopping it deletes it and there is nothing to go back to.
pub const ALLOW_RM_LABEL: &str = "pinion.allow-rm";
/// Label that says whether that container ran: `running` or `stopped`. It is
/// what recovery goes by when the journal is lost.
pub const OLD_STATE_LABEL: &str = "pinion.old-state";
/// Label with that container's restart policy, `<name>:<retries>`, for the same.
pub const OLD_POLICY_LABEL: &str = "pinion.old-policy";

/// Label of a container that replaces the agent's own: the operation's id.
pub const REPLACER_LABEL: &str = "pinion.replaces-agent";
/// Label with the engine's id of that container's image, for the same: one that
/// is gone is made again on it.
pub const OLD_IMAGE_LABEL: &str = "pinion.old-image";
/// Label of a container that was made again, with the id that it had before.
pub const RESTORES_LABEL: &str = "pinion.restores";

/// Label with what was asked of the next one, in milliseconds:
/// `<min_healthy>:<healthy_deadline>:<soak>`, for the same.
pub const TERMS_LABEL: &str = "pinion.terms";

/// Label with the workload whose operation made a container. Another one than
/// the container's own where it was made anew only because it depends on one
/// of that workload.
pub const FOR_LABEL: &str = "pinion.for";

/// Names one operation on one machine: `g<generation>a<attempt>`, and `r<n>`
/// behind it when the machine was asked to do it over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(String);

impl OpId {
    /// The id of the `run`-th time (from 0) that this is done.
    #[must_use]
    pub fn new(generation: Generation, attempt: Attempt, run: u32) -> Self {
        match run {
            0 => Self(format!("g{generation}a{attempt}")),
            _ => Self(format!("g{generation}a{attempt}r{run}")),
        }
    }

    /// Reads an id; none if it is not one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits =
            |s: &str| !s.is_empty() && s.len() <= 20 && s.bytes().all(|b| b.is_ascii_digit());
        let (generation, rest) = text.strip_prefix('g')?.split_once('a')?;
        let (attempt, run) = rest.split_once('r').unwrap_or((rest, "0"));
        (digits(generation) && digits(attempt) && digits(run)).then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for OpId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The part that a container plays in an operation, as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Made, and not in its place yet.
    Next,
    /// Stopped, and kept until the end.
    Prev,
    /// Was in its place, and was taken back.
    Failed,
    /// Is made again in the place of one that is gone.
    Back,
}

impl Part {
    const ALL: [Self; 4] = [Self::Next, Self::Prev, Self::Failed, Self::Back];

    fn word(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Prev => "prev",
            Self::Failed => "failed",
            Self::Back => "back",
        }
    }
}

/// What a container called `name` is called while it plays a part.
#[must_use]
pub fn part_name(name: &str, part: Part, op: &OpId) -> String {
    format!("{name}.{}.{op}", part.word())
}

/// Takes such a name apart; none if it is not one.
#[must_use]
pub fn split_part(name: &str) -> Option<(&str, Part, OpId)> {
    let (rest, op) = name.rsplit_once('.')?;
    let op = OpId::parse(op)?;
    let (base, part) = rest.rsplit_once('.')?;
    let part = Part::ALL.into_iter().find(|p| p.word() == part)?;
    (!base.is_empty()).then_some((base, part, op))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_read_as_it_is_named() {
        let op = OpId::new(Generation(12), Attempt(1), 3);
        for part in Part::ALL {
            let name = part_name("my.web", part, &op);
            assert_eq!(
                split_part(&name),
                Some(("my.web", part, op.clone())),
                "{name}"
            );
        }
        for other in [
            "web",
            "web.next",
            "web.next.",
            "web.next.12",
            ".next.g1a1",
            "web.old.g1a1",
            "next.g1a1",
        ] {
            assert_eq!(split_part(other), None, "{other}");
        }
    }
}
