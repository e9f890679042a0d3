//! Which containers are a workload's, and which of them may be replaced.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{Digest, Failure, FailureKind, Repository, WorkloadName};

use crate::names::{ALLOW_RM_LABEL, IGNORE_LABEL, WORKLOAD_LABEL, split_part};
use crate::{CatalogEntry, Container, ContainerState, podman};

/// By workload.
pub type Catalog = BTreeMap<WorkloadName, CatalogEntry>;

/// The containers of a workload that stand in their place, in the order of
/// their names. Those that an operation keeps beside them are left out.
///
/// A container belongs by its label `pinion.workload`, else by its image's
/// repository; `pinion.ignore=true` opts it out.
///
/// # Errors
///
/// If label and repository disagree, or the repository is in more than one
/// workload's catalog entry: which one is meant cannot be known.
pub fn containers_of<'a>(
    workload: &WorkloadName,
    containers: &'a [Container],
    catalog: &Catalog,
) -> Result<Vec<&'a Container>, Failure> {
    let mut found = Vec::new();
    for container in containers.iter().filter(|c| in_place(c)) {
        match owners(container, catalog) {
            owners if !owners.contains(workload) => {}
            owners if owners.len() == 1 => found.push(container),
            owners => return Err(disagreement(container, &owners)),
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

fn in_place(container: &Container) -> bool {
    container.labels.get(IGNORE_LABEL).map(String::as_str) != Some("true")
        && container.state != ContainerState::Removing
        && split_part(&container.name).is_none()
}

/// Every workload that a container says it is of; more than one is a contradiction.
fn owners(container: &Container, catalog: &Catalog) -> BTreeSet<WorkloadName> {
    let repositories = repositories(container);
    let mut owners: BTreeSet<WorkloadName> = catalog
        .iter()
        .filter(|(_, entry)| entry.repositories.iter().any(|r| repositories.contains(r)))
        .map(|(name, _)| name.clone())
        .collect();
    owners.extend(
        container
            .labels
            .get(WORKLOAD_LABEL)
            .and_then(|name| name.parse().ok()),
    );
    owners
}

fn disagreement(container: &Container, owners: &BTreeSet<WorkloadName>) -> Failure {
    let owners: Vec<_> = owners.iter().map(WorkloadName::as_str).collect();
    Failure::new(
        FailureKind::Policy,
        format!(
            "container {:?} belongs to more than one workload by its label {WORKLOAD_LABEL} and its image's repository: \
             {}; nothing was touched. Correct the label, or opt the container out with {IGNORE_LABEL}=true",
            container.name,
            owners.join(", ")
        ),
    )
}

/// The repositories that a container's image is known by.
fn repositories(container: &Container) -> BTreeSet<Repository> {
    let mut found: BTreeSet<_> = container
        .repo_digests
        .iter()
        .map(|image| image.repository.clone())
        .collect();
    found.extend(reference_repository(&container.image_reference));
    found
}

/// The repository in `repository[:tag][@digest]`; none if it names no host.
fn reference_repository(reference: &str) -> Option<Repository> {
    let name = reference.split('@').next()?;
    let name = match name.rsplit_once(':') {
        Some((before, after)) if !after.contains('/') => before,
        _ => name,
    };
    name.parse().ok()
}

/// The digest of a container's image, if it was pulled by one: that of the
/// catalog's repository where there are several.
#[must_use]
pub fn digest_of(container: &Container, entry: Option<&CatalogEntry>) -> Option<Digest> {
    let of_catalog = container
        .repo_digests
        .iter()
        .find(|image| entry.is_some_and(|e| e.repositories.contains(&image.repository)));
    of_catalog
        .or(container.repo_digests.first())
        .map(|image| image.digest.clone())
}

/// The digest of the workload's first container that is up; none if there is
/// none, or nobody knows whose it is.
pub(crate) fn running_digest(
    workload: &WorkloadName,
    containers: &[Container],
    catalog: &Catalog,
) -> Option<Digest> {
    let mine = containers_of(workload, containers, catalog).ok()?;
    let up = mine.into_iter().find(|c| c.is_up())?;
    digest_of(up, catalog.get(workload))
}

/// Whether a container runs the image with this digest.
pub(crate) fn runs(container: &Container, digest: &Digest) -> bool {
    container
        .repo_digests
        .iter()
        .any(|image| image.digest == *digest)
}

/// Whether a container may be replaced.
///
/// # Errors
///
/// Why not, in words for the person who looks after the machine.
pub(crate) fn check_replaceable(container: &Container) -> Result<(), Failure> {
    let refuse = |kind, why: &str| {
        Err(Failure::new(
            kind,
            format!(
                "container {:?} is not replaced: {why}; nothing was touched",
                container.name
            ),
        ))
    };
    if container.auto_remove
        && container.labels.get(ALLOW_RM_LABEL).map(String::as_str) != Some("true")
    {
        return refuse(
            FailureKind::Policy,
            "it was made with --rm, so stopping it deletes it, and the way back would be to make it again. \
             Make it again without --rm and with a restart policy, or allow that with the label pinion.allow-rm=true",
        );
    }
    if container.labels.contains_key("com.docker.swarm.task")
        || container.labels.contains_key("com.docker.swarm.task.id")
    {
        return refuse(
            FailureKind::Policy,
            "it is a Swarm task, and Swarm would start it again. Update its Swarm service instead",
        );
    }
    if container.labels.contains_key("PODMAN_SYSTEMD_UNIT") {
        return refuse(
            FailureKind::Policy,
            "a systemd unit runs it (PODMAN_SYSTEMD_UNIT). Update that unit instead",
        );
    }
    if container.restart_policy.is_empty() {
        return refuse(
            FailureKind::Engine,
            "the engine cannot inspect it, so its settings would be lost. Look at the engine's log",
        );
    }
    if let Some(why) = podman::objection(container) {
        return refuse(FailureKind::Policy, &why);
    }
    match container.state {
        ContainerState::Paused => refuse(FailureKind::InUse, "it is paused. Unpause or stop it"),
        ContainerState::Dead => refuse(
            FailureKind::Engine,
            "the engine could not remove it earlier (state dead). Remove it by hand",
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_of_a_reference_is_without_tag_and_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for text in [
            "ghcr.io/a/b",
            "ghcr.io/a/b:current",
            &format!("ghcr.io/a/b@{digest}"),
            &format!("ghcr.io/a/b:x@{digest}"),
        ] {
            assert_eq!(
                reference_repository(text).as_ref().map(Repository::as_str),
                Some("ghcr.io/a/b"),
                "{text}"
            );
        }
        assert_eq!(
            reference_repository("10.0.0.1:5000/a:x")
                .as_ref()
                .map(Repository::as_str),
            Some("10.0.0.1:5000/a")
        );
        assert_eq!(reference_repository("redis:7"), None);
        assert_eq!(reference_repository(&digest), None);
    }
}
