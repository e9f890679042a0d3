//! Which containers are replaced, and whether they may be.

use crate::belongs::{check_replaceable, containers_of, digest_of, runs};
use crate::group::{Member, members};
use crate::health::is_good;
use crate::order;
use crate::{Container, Operation, Stage, Step, Streak, Unit};

use super::View;

pub(super) fn next(view: View<'_>) -> Step {
    let containers = match containers_of(
        view.observed.workload,
        view.machine.0,
        &view.desired.catalog,
    ) {
        Ok(containers) => containers,
        Err(failure) => return view.abandon(failure),
    };
    let Some(digest) = view.operation.assignment.digest() else {
        return view.write(view.operation.clone().at(Stage::Prefetch, view.now));
    };
    // Also of what runs already: adopted, it would be tagged and started from.
    if let Err(failure) = view.observed.permitted {
        return view.abandon(failure.clone());
    }
    if let Some(failure) = containers
        .iter()
        .find_map(|c| view.observed.probes.check(c).err())
    {
        return view.abandon(failure);
    }
    let (current, old): (Vec<_>, Vec<_>) = containers.into_iter().partition(|c| runs(c, digest));
    if old.is_empty() && current.iter().any(|c| c.is_up()) {
        return adopt(view, &current);
    }
    if let Some(failure) = old.iter().find_map(|c| check_replaceable(c).err()) {
        return view.abandon(failure);
    }
    let may = members(&old, view.machine.0).and_then(|members| {
        order::check(&members, view.observed.in_use.switch)?;
        Ok(members)
    });
    let members = match may {
        Ok(members) => members,
        Err(failure) => return view.abandon(failure),
    };
    let units = members.into_iter().map(|m| unit(view, m)).collect();
    view.write(Operation {
        units,
        ..view.operation.clone().at(Stage::Prepare, view.now)
    })
}

/// The digest of one that keeps its image is nothing to this workload.
fn unit(view: View<'_>, member: Member<'_>) -> Unit {
    let entry = view.desired.catalog.get(view.observed.workload);
    let digest = digest_of(member.container, entry).filter(|_| !member.own_image);
    Unit {
        group: member.group,
        own_image: member.own_image,
        ..Unit::new(member.container, digest)
    }
}

/// The containers run the digest already. One that was proven here needs no
/// second proof: so a digest that was put back is adopted without a step.
fn adopt(view: View<'_>, containers: &[&Container]) -> Step {
    let operation = view.operation.clone();
    let digest = view.operation.assignment.digest();
    let known_good = digest.is_some_and(|digest| view.observed.record.is_proven(digest));
    let up: Vec<_> = containers.iter().filter(|c| c.is_up()).collect();
    if known_good && up.iter().all(|c| is_good(c)) {
        let starts = up.iter().map(|c| c.start_mark()).collect();
        let adopted = Some(Streak {
            since: view.now,
            starts,
        });
        return view.write(Operation {
            adopted,
            ..operation.at(Stage::Settle, view.now)
        });
    }
    view.write(operation.at(Stage::Adopt, view.now))
}
