//! What this machine may run, by its own file: nothing that the coordinator
//! says can widen it.

use pinion_model::{Failure, FailureKind, ImageRef, ParseError, Repository};

/// The repositories that may run here. Empty: none may.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    allow: Vec<AllowedPrefix>,
}

impl Policy {
    /// A policy that allows what one of `prefixes` covers.
    #[must_use]
    pub fn new(allow: Vec<AllowedPrefix>) -> Self {
        Self { allow }
    }

    /// The prefixes, in the file's order.
    #[must_use]
    pub fn prefixes(&self) -> &[AllowedPrefix] {
        &self.allow
    }

    /// Whether images of `repository` may run here.
    #[must_use]
    pub fn allows(&self, repository: &Repository) -> bool {
        self.allow.iter().any(|prefix| prefix.covers(repository))
    }

    /// Those of `images` that may run here, in the same order.
    ///
    /// # Errors
    ///
    /// If none may: the failure for the report, with the line to add.
    pub fn permitted(&self, images: &[ImageRef]) -> Result<Vec<ImageRef>, Failure> {
        let allowed = images.iter().filter(|image| self.allows(&image.repository));
        let permitted: Vec<ImageRef> = allowed.cloned().collect();
        match (permitted.is_empty(), images.first()) {
            (true, Some(first)) => Err(self.refusal(&first.repository)),
            _ => Ok(permitted),
        }
    }

    /// The failure that says why images of `repository` may not run here, and
    /// which line of agent.toml would let them.
    #[must_use]
    pub fn refusal(&self, repository: &Repository) -> Failure {
        let mut lines: Vec<String> = self
            .allow
            .iter()
            .map(|prefix| format!("{:?}", prefix.as_str()))
            .collect();
        lines.push(format!("{:?}", repository.as_str()));
        Failure::new(
            FailureKind::Policy,
            format!(
                "this machine's policy does not allow {repository}; nothing was touched. To allow it, \
                 set `allow = [{}]` under [policy] in this machine's agent.toml and restart the agent",
                lines.join(", ")
            ),
        )
    }
}

/// One entry of `allow`: a repository, or a prefix that ends where a part of
/// the path ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedPrefix(String);

impl AllowedPrefix {
    /// The text as it stands in the file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `repository` is this one or lies below it. `ghcr.io/acme` does
    /// not cover `ghcr.io/acme-evil/app`.
    #[must_use]
    pub fn covers(&self, repository: &Repository) -> bool {
        let whole = self.0.trim_end_matches('/');
        match repository.as_str().strip_prefix(whole) {
            Some("") => !self.0.ends_with('/'),
            Some(rest) => rest.starts_with('/'),
            None => false,
        }
    }
}

impl std::str::FromStr for AllowedPrefix {
    type Err = ParseError;

    /// Reads `host`, `host/`, `host/path` or `host/path/`, as a repository is
    /// written.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = text.strip_suffix('/').unwrap_or(text);
        let probe = if whole.contains('/') {
            whole.to_owned()
        } else {
            format!("{whole}/any")
        };
        match probe.parse::<Repository>() {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(_) => Err(ParseError::new(
                "an allowed repository",
                "a repository or a prefix of one, such as \"ghcr.io/molecule-ai/\" or \"registry.fly.io/molecule-tenant\"",
                text,
            )),
        }
    }
}

impl std::fmt::Display for AllowedPrefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(prefixes: &[&str]) -> Policy {
        Policy::new(
            prefixes
                .iter()
                .map(|p| p.parse().expect("prefix"))
                .collect(),
        )
    }

    fn allows(prefix: &str, repository: &str) -> bool {
        policy(&[prefix]).allows(&repository.parse().expect("repository"))
    }

    #[test]
    fn a_prefix_ends_where_a_part_of_the_path_ends() {
        for (prefix, repository, allowed) in [
            ("ghcr.io/molecule-ai/", "ghcr.io/molecule-ai/platform", true),
            ("ghcr.io/molecule-ai", "ghcr.io/molecule-ai/platform", true),
            ("ghcr.io/molecule-ai", "ghcr.io/molecule-ai-evil/x", false),
            ("ghcr.io/molecule-ai/", "ghcr.io/molecule-ai", false),
            (
                "registry.fly.io/molecule-tenant",
                "registry.fly.io/molecule-tenant",
                true,
            ),
            (
                "registry.fly.io/molecule-tenant",
                "registry.fly.io/molecule-tenant2",
                false,
            ),
            ("ghcr.io/a/b", "ghcr.io/a", false),
            ("10.251.0.1:5000", "10.251.0.1:5000/app", true),
            ("10.251.0.1:500", "10.251.0.1:5000/app", false),
            ("ghcr.io", "ghcr.io.evil.example/app", false),
            ("localhost/", "localhost/app", true),
        ] {
            assert_eq!(allows(prefix, repository), allowed, "{prefix} {repository}");
        }
    }

    #[test]
    fn without_a_policy_nothing_may_run_and_the_refusal_shows_the_line() {
        let image: ImageRef = format!("ghcr.io/a/b@sha256:{}", "0".repeat(64))
            .parse()
            .expect("image");
        let refusal = Policy::default()
            .permitted(&[image])
            .expect_err("nothing is allowed");
        assert_eq!(refusal.kind, FailureKind::Policy);
        assert!(
            refusal.message.contains("allow = [\"ghcr.io/a/b\"]"),
            "{refusal}"
        );
    }

    #[test]
    fn images_elsewhere_are_left_out_and_the_order_is_kept() {
        let image = |repository: &str| -> ImageRef {
            format!("{repository}@sha256:{}", "0".repeat(64))
                .parse()
                .expect("image")
        };
        let images = [
            image("evil.example/a"),
            image("ghcr.io/a/b"),
            image("ghcr.io/a/c"),
        ];
        let permitted = policy(&["ghcr.io/a/"]).permitted(&images).expect("two may");
        assert_eq!(permitted, images[1..]);
    }

    #[test]
    fn what_is_no_repository_is_refused() {
        for bad in [
            "",
            "/",
            "https://ghcr.io/a",
            "ghcr.io//",
            "ghcr.io/A",
            "*",
            "ghcr.io/a:latest",
            "ghcr.io/a//",
        ] {
            assert!(bad.parse::<AllowedPrefix>().is_err(), "{bad}");
        }
    }
}
