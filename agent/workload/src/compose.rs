//! Containers that Docker Compose made, and how the next `up` tells that they
//! are as its file says.
//!
//! Compose 2 notes the image's id in a label and compares it with the image of
//! the tag that its file names: that tag has to move with the container. Compose 1
//! takes the id of that tag's image into its hash of the settings: there the tag
//! has to stay, or the next `up` recreates what was updated (`config_dict` in
//! `compose/service.py`).

use crate::Container;

/// Compose 2 compares it with the image's id to see whether a container is up to date.
pub(crate) const IMAGE_LABEL: &str = "com.docker.compose.image";
/// Label with the image as Compose's file names it: an updated container is
/// made from a digest, which no longer tells.
pub(crate) const REFERENCE_LABEL: &str = "pinion.reference";

/// A tag in words of the engine: `docker.io/library/app`, `1`.
pub(crate) type Tag = (String, String);

/// The local tag that has to be on what a container runs.
pub(crate) fn tag(container: &Container) -> Option<Tag> {
    container.labels.get(IMAGE_LABEL)?;
    let noted = container.labels.get(REFERENCE_LABEL);
    split(noted.unwrap_or(&container.image_reference))
}

/// None of a digest or an id, which no tag can be put on.
pub(crate) fn split(reference: &str) -> Option<Tag> {
    if reference.is_empty() || reference.contains('@') || reference.starts_with("sha256:") {
        return None;
    }
    let (name, tag) = match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, "latest"),
    };
    let repository = match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => name.to_owned(),
        Some(_) => format!("docker.io/{name}"),
    };
    Some((repository, tag.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_tag_unless_it_names_an_image_for_good() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let pinned = format!("app@{digest}");
        let table = [
            ("app", Some(("docker.io/library/app", "latest"))),
            ("app:1", Some(("docker.io/library/app", "1"))),
            ("acme/app:1", Some(("docker.io/acme/app", "1"))),
            ("ghcr.io/acme/app", Some(("ghcr.io/acme/app", "latest"))),
            ("10.0.0.1:5000/app:x", Some(("10.0.0.1:5000/app", "x"))),
            ("localhost/app", Some(("localhost/app", "latest"))),
            (digest.as_str(), None),
            (pinned.as_str(), None),
            ("", None),
        ];
        for (reference, expected) in table {
            let expected = expected.map(|(name, tag)| (name.to_owned(), tag.to_owned()));
            assert_eq!(split(reference), expected, "{reference}");
        }
    }
}
