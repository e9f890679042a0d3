//! Containers that do not work without another: they are replaced with it, as one.
//!
//! ```text
//!   web ◀── container:web ── proxy ◀── link ── tail          one group: web, proxy, tail
//!    ▲
//!    └───── volumes-from ─── backup                          and backup
//! ```
//!
//! Whoever shares a namespace or the volumes of a container, or links to it,
//! keeps its id. When that one is replaced, the others are made anew on the
//! one in its place, each on its own image where it is not the workload's.

use std::collections::BTreeSet;

use pinion_model::Failure;

use crate::belongs::check_replaceable;
use crate::names::{IGNORE_LABEL, split_part};
use crate::{Container, ContainerState};

/// A container that is replaced.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'a> {
    /// What is replaced.
    pub(crate) container: &'a Container,
    /// Which of them are replaced as one.
    pub(crate) group: usize,
    /// It is replaced only for the sake of another, and keeps its image.
    pub(crate) own_image: bool,
}

/// These containers and all that depend on them, group by group, and within a
/// group what others need first.
///
/// # Errors
///
/// If one that depends on them may not be replaced: which one, and why.
pub(crate) fn members<'a>(
    replaced: &[&'a Container],
    all: &'a [Container],
) -> Result<Vec<Member<'a>>, Failure> {
    let mut found: Vec<(&Container, bool)> = replaced.iter().map(|c| (*c, false)).collect();
    let mut at = 0;
    while let Some((needed, _)) = found.get(at).copied() {
        for dependant in all.iter().filter(|c| stands(c) && needs(c, needed)) {
            if found.iter().all(|(known, _)| known.id != dependant.id) {
                check(dependant, needed)?;
                found.push((dependant, true));
            }
        }
        at += 1;
    }
    let ordered = in_order(found, |(one, _), (other, _)| needs(one, other));
    let member = |(group, (container, own_image))| Member {
        container,
        group,
        own_image,
    };
    Ok(ordered.into_iter().map(member).collect())
}

/// What an operation keeps beside those in their place is its own to handle.
fn stands(container: &Container) -> bool {
    container.state != ContainerState::Removing && split_part(&container.name).is_none()
}

fn check(dependant: &Container, needed: &Container) -> Result<(), Failure> {
    let refused = |kind, why: &str| {
        Failure::new(
            kind,
            format!(
                "container {:?} is not replaced: {:?} shares its network, IPC or PID namespace or its volumes, or links to it, \
                 so it has to be made anew with it, and {why}",
                needed.name, dependant.name
            ),
        )
    };
    if dependant.labels.get(IGNORE_LABEL).map(String::as_str) == Some("true") {
        let why = format!(
            "it is opted out with {IGNORE_LABEL}=true; nothing was touched. Take that label away, put both on a network of \
             their own, or opt {:?} out too",
            needed.name
        );
        return Err(refused(pinion_model::FailureKind::Policy, &why));
    }
    check_replaceable(dependant).map_err(|failure| refused(failure.kind, &failure.message))
}

/// Whether a container depends on another, by whose id, its beginning, or name.
pub(crate) fn needs(container: &Container, other: &Container) -> bool {
    let is_it = |on: &String| {
        *on == other.name
            || *on == other.id.0
            || (on.len() >= 12 && other.id.0.starts_with(on.as_str()))
    };
    container.id != other.id && container.depends_on.iter().any(is_it)
}

/// Numbers what hangs together, and puts what is needed before what needs it.
/// What is independent stays in the order in which it came.
pub(crate) fn in_order<T>(nodes: Vec<T>, needs: impl Fn(&T, &T) -> bool) -> Vec<(usize, T)> {
    let count = nodes.len();
    let edge = |a: usize, b: usize| a != b && needs(&nodes[a], &nodes[b]);
    let mut group: Vec<usize> = (0..count).collect();
    for (a, b) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
        if edge(a, b) && group[a] != group[b] {
            let (kept, dropped) = (group[a].min(group[b]), group[a].max(group[b]));
            group
                .iter_mut()
                .filter(|g| **g == dropped)
                .for_each(|g| *g = kept);
        }
    }
    let groups: BTreeSet<usize> = group.iter().copied().collect();
    let mut order: Vec<(usize, usize)> = Vec::new();
    for (number, of) in groups.into_iter().enumerate() {
        let mut left: Vec<usize> = (0..count).filter(|n| group[*n] == of).collect();
        while !left.is_empty() {
            let is_free = |n: &usize| !left.iter().any(|other| edge(*n, *other));
            // The engine makes no cycle; should it show one, the first is as good as any.
            let next = left.iter().position(is_free).unwrap_or(0);
            order.push((number, left.remove(next)));
        }
    }
    let mut nodes: Vec<Option<T>> = nodes.into_iter().map(Some).collect();
    let taken = order
        .into_iter()
        .filter_map(|(number, n)| Some((number, nodes[n].take()?)));
    taken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(names: &[&str], edges: &[(&str, &str)]) -> Vec<(usize, String)> {
        let nodes = names.iter().map(|name| (*name).to_owned()).collect();
        in_order(nodes, |one: &String, other: &String| {
            edges.contains(&(one.as_str(), other.as_str()))
        })
    }

    fn expected(order: &[(usize, &str)]) -> Vec<(usize, String)> {
        order.iter().map(|(g, n)| (*g, (*n).to_owned())).collect()
    }

    #[test]
    fn what_is_needed_comes_first_and_what_is_independent_stays_as_it_came() {
        type Case = (
            &'static [&'static str],
            &'static [(&'static str, &'static str)],
            &'static [(usize, &'static str)],
        );
        let table: &[Case] = &[
            (&[], &[], &[]),
            (&["a", "b"], &[], &[(0, "a"), (1, "b")]),
            (&["a", "b"], &[("a", "b")], &[(0, "b"), (0, "a")]),
            (
                &["a", "b", "c"],
                &[("a", "c")],
                &[(0, "c"), (0, "a"), (1, "b")],
            ),
            (
                &["a", "b", "c", "d"],
                &[("a", "b"), ("b", "c"), ("d", "c"), ("a", "d")],
                &[(0, "c"), (0, "b"), (0, "d"), (0, "a")],
            ),
            // Two that one needs are one group.
            (
                &["a", "b", "c"],
                &[("c", "a"), ("c", "b")],
                &[(0, "a"), (0, "b"), (0, "c")],
            ),
            // Shown by no engine; every one is there once all the same.
            (
                &["a", "b"],
                &[("a", "b"), ("b", "a")],
                &[(0, "a"), (0, "b")],
            ),
        ];
        for (names, edges, order) in table {
            assert_eq!(
                ordered(names, edges),
                expected(order),
                "{names:?} {edges:?}"
            );
        }
    }
}
