//! A world that was read back keeps each text once.

use std::collections::BTreeSet;

use pinion_model::Digest;

use super::bed::{Bed, digest, rest, strategy};
use super::quarantine::stable;
use crate::World;

/// Where in memory the digests stand that machines and members know.
fn places(world: &World) -> BTreeSet<*const u8> {
    let placements = world
        .agents
        .values()
        .flat_map(|agent| agent.placements.values());
    let known = placements.flat_map(|placement| {
        let seen = placement.containers.iter();
        let seen = seen.filter_map(|container| container.digest.as_ref());
        let asked = placement.assignment.iter();
        let asked = asked.filter_map(|assignment| assignment.digest());
        let own = [&placement.asked, &placement.running, &placement.proven];
        own.into_iter().flatten().chain(seen).chain(asked)
    });
    let members = world
        .rollouts
        .values()
        .flat_map(|rollout| rollout.members.values());
    let members = members.flat_map(|member| {
        let own = [&member.baseline, &member.proven, &member.running];
        own.into_iter().flatten()
    });
    let second = |known: &&Digest| **known == digest(2);
    let all = known.chain(members).filter(second);
    all.map(|known| known.as_str().as_ptr()).collect()
}

#[test]
fn a_world_that_was_read_back_keeps_each_digest_once() -> Result<(), serde_json::Error> {
    let mut bed: Bed = stable(4);
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    let written = serde_json::to_vec(&bed.world)?;
    let world: World = serde_json::from_slice(&written)?;
    assert_eq!(world, bed.world);
    assert_eq!(places(&world).len(), 1);
    Ok(())
}
