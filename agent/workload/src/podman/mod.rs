//! Podman, which speaks Docker's API and does not keep all that it is told.
//!
//! Owns what is different there: how an answer of Podman's reads in Docker's
//! words, which of its containers are left alone, and what of a container's
//! settings its successor lacks. A setting that would be lost is a refusal.
//!
//! ```text
//!   /version ─▶ Version::of ─▶ check (may it be replaced at all?)
//!   inspect  ─▶ as_docker ───▶ recreate
//!   Podman's own inspect of old and next ─▶ lost
//! ```

mod lost;
mod translate;

use serde::{Deserialize, Serialize};

use crate::Container;

pub use lost::lost;
pub use translate::{as_docker, image_as_docker};

/// What Podman calls itself among the parts of its version.
const COMPONENT: &str = "Podman Engine";

/// A Podman's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Version(pub u32, pub u32);

impl Version {
    /// From here on a restart policy can be changed.
    const CHANGES_POLICIES: Self = Self(5, 1);

    /// Of the parts that an engine says it is made of, each a name and a
    /// version; none if it is no Podman. One that cannot be read counts as the
    /// oldest.
    pub fn of<'a>(components: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let found = components.into_iter().find(|(name, _)| *name == COMPONENT);
        found.map(|(_, version)| {
            let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
            Self(parts.next().unwrap_or(0), parts.next().unwrap_or(0))
        })
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Why a container of Podman's is not replaced; none if it may be.
///
/// Without the fence a machine that restarts in the middle could start both.
pub(crate) fn objection(container: &Container) -> Option<String> {
    let version = container.podman?;
    let is_fenced = matches!(container.restart_policy.as_str(), "no" | "");
    if is_fenced || version >= Version::CHANGES_POLICIES {
        return None;
    }
    Some(format!(
        "Podman {version} cannot take its restart policy {:?} away while it is replaced ({} can). Make it again \
         without one, have a systemd unit run it and update that, or upgrade Podman",
        container.restart_policy,
        Version::CHANGES_POLICIES
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn podman_is_known_by_what_it_is_made_of() {
        let of = |name, version| Version::of([("Conmon", "conmon version 2.1.6"), (name, version)]);
        assert_eq!(of("Podman Engine", "4.3.1"), Some(Version(4, 3)));
        assert_eq!(of("Podman Engine", "5.2.0-dev"), Some(Version(5, 2)));
        assert_eq!(of("Podman Engine", "?"), Some(Version(0, 0)));
        assert_eq!(of("Engine", "28.0.1"), None);
    }

    #[test]
    fn a_policy_that_cannot_be_taken_away_keeps_a_container_from_being_replaced() {
        let mut container = crate::recreate::tests::container("1", "web", &[]);
        let objects = |container: &Container| objection(container).is_some();
        assert!(!objects(&container), "Docker's");
        container.podman = Some(Version(4, 3));
        assert!(objects(&container), "{:?}", container.restart_policy);
        container.podman = Some(Version(5, 1));
        assert!(!objects(&container));
        for policy in ["no", ""] {
            container.podman = Some(Version(4, 3));
            policy.clone_into(&mut container.restart_policy);
            assert!(!objects(&container), "{policy:?}");
        }
    }
}
