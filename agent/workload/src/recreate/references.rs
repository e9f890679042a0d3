//! Other containers that a container's settings point at.

use std::collections::BTreeMap;

use pinion_model::{Failure, FailureKind};
use serde_json::{Value, json};

use super::draft::{Draft, texts};
use super::labels::{OPERATION_LABEL, REPLACES_LABEL};
use crate::Container;
use crate::names::{Part, split_part};

/// Points every reference at the container that is there now, or at the one
/// that the operation of `labels` made to take its place.
///
/// # Errors
///
/// [`FailureKind::Create`] when what is referred to is gone without a successor.
pub(super) fn resolve(
    draft: &mut Draft<'_>,
    containers: &[Container],
    labels: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let directory = Directory {
        owner: draft.name.to_owned(),
        operation: labels.get(OPERATION_LABEL),
        containers,
    };
    for field in ["NetworkMode", "IpcMode", "PidMode"] {
        if let Some(target) = draft.host_text(field).strip_prefix("container:") {
            let current = directory.current(field, target)?;
            draft
                .host
                .insert(field.to_owned(), json!(format!("container:{}", current.id)));
        }
    }
    resolve_volumes_from(draft, &directory)?;
    resolve_links(draft, &directory)
}

fn resolve_volumes_from(draft: &mut Draft<'_>, directory: &Directory<'_>) -> Result<(), Failure> {
    let field = "VolumesFrom";
    let resolved = texts(&draft.host, field).into_iter().map(|entry| {
        let (target, mode) = entry
            .split_once(':')
            .map_or((entry.as_str(), None), |(id, mode)| (id, Some(mode)));
        let current = directory.current(field, target)?;
        Ok(mode.map_or_else(
            || current.id.to_string(),
            |mode| format!("{}:{mode}", current.id),
        ))
    });
    let resolved: Vec<String> = resolved.collect::<Result<_, Failure>>()?;
    if !resolved.is_empty() {
        draft.host.insert(field.to_owned(), json!(resolved));
    }
    Ok(())
}

/// The engine shows `/child:/parent/alias` and takes `child:alias`. The parent
/// is the container itself, whose name changes while it is replaced.
///
/// The engine keeps the child as it was given, and looks for it again when it
/// restarts: one that has not got its name yet is given by its id.
fn resolve_links(draft: &mut Draft<'_>, directory: &Directory<'_>) -> Result<(), Failure> {
    let field = "Links";
    let mut links = Vec::new();
    for link in texts(&draft.host, field) {
        let (child, path) = link.split_once(':').unwrap_or((&link, &link));
        let alias = path.rsplit('/').next().unwrap_or(path);
        let current = directory.current(field, child.trim_start_matches('/'))?;
        let child = match part(current) {
            None => &current.name,
            Some(_) => &current.id.0,
        };
        links.push(Value::String(format!("{child}:{alias}")));
    }
    if !links.is_empty() {
        draft.host.insert(field.to_owned(), Value::Array(links));
    }
    Ok(())
}

fn part(container: &Container) -> Option<Part> {
    split_part(&container.name).map(|(_, part, _)| part)
}

struct Directory<'a> {
    owner: String,
    operation: Option<&'a String>,
    containers: &'a [Container],
}

impl<'a> Directory<'a> {
    /// The container of that id, name or beginning of an id; if it is gone or
    /// kept for a rollback only, the one that took its place.
    fn current(&self, field: &str, target: &str) -> Result<&'a Container, Failure> {
        let found = self.find(target);
        if let Some(next) = found.and_then(|found| self.made_for(&found.id.0)) {
            return Ok(next);
        }
        if let Some(found) = found.filter(|found| part(found) != Some(Part::Prev)) {
            return Ok(found);
        }
        let id = found.map_or(target, |found| found.id.0.as_str());
        self.successor(id)
            .or(found)
            .ok_or_else(|| self.gone(field, target))
    }

    fn find(&self, target: &str) -> Option<&'a Container> {
        let containers = self.containers.iter();
        let exact = containers
            .clone()
            .find(|c| c.id.0 == target || c.name == target);
        let by_start = || {
            let mut starts = containers
                .clone()
                .filter(|c| target.len() >= 12 && c.id.0.starts_with(target));
            starts.next().filter(|_| starts.next().is_none())
        };
        exact.or_else(by_start)
    }

    fn successor(&self, id: &str) -> Option<&'a Container> {
        let in_place = |c: &&Container| !matches!(part(c), Some(Part::Next | Part::Failed));
        self.replacing(id).find(in_place)
    }

    /// What the same operation made to take a container's place.
    fn made_for(&self, id: &str) -> Option<&'a Container> {
        let of_this = |c: &&Container| {
            self.operation.is_some() && c.labels.get(OPERATION_LABEL) == self.operation
        };
        self.replacing(id).find(of_this)
    }

    fn replacing(&self, id: &str) -> impl Iterator<Item = &'a Container> {
        let replaces = move |c: &&Container| c.labels.get(REPLACES_LABEL).is_some_and(|r| r == id);
        self.containers.iter().filter(replaces)
    }

    fn gone(&self, field: &str, target: &str) -> Failure {
        Failure::new(
            FailureKind::Create,
            format!(
                "container {}: its {field} points at container {target}, which is no longer on this machine; \
                 recreate {} by hand against the container that took its place",
                self.owner, self.owner
            ),
        )
    }
}
