use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Digest, ParseError, RegistryName, text};

/// A repository with its registry's host, such as `ghcr.io/molecule-ai/codex`
/// or `10.0.0.1:5000/app`; no tag, no digest, no scheme.
///
/// The first part is always a host: it holds a dot or a port, or is
/// `localhost`. So no repository means Docker Hub by accident.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository(Arc<str>);

text!(Repository);

impl Repository {
    fn check(text: &str) -> Result<(), ParseError> {
        let error = || {
            ParseError::new(
                "a repository",
                "host[:port]/path in lower case, without scheme, tag or digest",
                text,
            )
        };
        let (host, path) = text.split_once('/').ok_or_else(error)?;
        if text.len() <= 255 && is_host(host) && path.split('/').all(is_component) {
            return Ok(());
        }
        Err(error())
    }

    /// Host and port, as they stand in a credential's server address.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.split_once('/').map_or(&*self.0, |(host, _)| host)
    }

    /// The path below the host.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, path)| path)
    }
}

/// `[a-z0-9]` words joined by `.`, `_`, `__` or dashes (distribution/reference grammar).
fn is_component(part: &str) -> bool {
    let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let inside = bytes
        .iter()
        .all(|b| edge(*b) || matches!(b, b'.' | b'_' | b'-'));
    let ends = matches!((bytes.first(), bytes.last()), (Some(a), Some(b)) if edge(*a) && edge(*b));
    inside
        && ends
        && !["..", "._", "_.", ".-", "-.", "_-", "-_", "___"]
            .iter()
            .any(|bad| part.contains(bad))
}

fn is_host(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (host, None),
    };
    let port_ok = port.is_none_or(|p| p.parse::<u16>().is_ok_and(|p| p > 0));
    let name_ok = !name.is_empty()
        && name.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        });
    port_ok && name_ok && (name == "localhost" || name.contains('.') || port.is_some())
}

/// One image by digest: `repository@digest`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ImageRef {
    /// Where it is.
    pub repository: Repository,
    /// What it is.
    pub digest: Digest,
}

impl std::fmt::Display for ImageRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.repository, self.digest)
    }
}

impl std::str::FromStr for ImageRef {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (repository, digest) = text
            .split_once('@')
            .ok_or_else(|| ParseError::new("an image", "repository@digest", text))?;
        Ok(Self {
            repository: repository.parse()?,
            digest: digest.parse()?,
        })
    }
}

/// A workload's place in one registry of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Image {
    /// The registry's name in the coordinator's configuration.
    pub registry: RegistryName,
    /// Repository in that registry.
    pub repository: Repository,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_names_its_host() {
        for good in [
            "ghcr.io/molecule-ai/platform",
            "registry.fly.io/molecule-tenant",
            "10.251.0.1:5000/app",
            "localhost/app",
            "localhost:5000/a/b",
        ] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        for bad in [
            "app",
            "library/app",
            "https://ghcr.io/a",
            "ghcr.io/",
            "ghcr.io/A",
            "ghcr.io/a:tag",
            "ghcr.io/a@sha256:0",
            "ghcr.io//a",
            "ghcr.io:x/a",
            "ghcr.io/a..b",
            "ghcr.io/../a",
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        let repository: Repository = "10.251.0.1:5000/a/b".parse().expect("good");
        assert_eq!(
            (repository.host(), repository.path()),
            ("10.251.0.1:5000", "a/b")
        );
    }

    #[test]
    fn an_image_is_repository_and_digest() {
        let text = format!("ghcr.io/a/b@sha256:{}", "0".repeat(64));
        assert_eq!(text.parse::<ImageRef>().expect("good").to_string(), text);
        assert!("ghcr.io/a/b:latest".parse::<ImageRef>().is_err());
    }
}
