//! What an act makes the index look at again: what it changes, and not what
//! there is.

use std::collections::BTreeSet;

use std::time::Duration;

use pinion_model::{AgentPhase, FailureKind, LabelSelector, Labels};

use super::bed::{Bed, agent, alice, count, digest, keep, rest, strategy};
use super::quarantine::{stable, tolerant};
use crate::commands::{self, HoldAgent, PlaceHold, QuarantineDigest, RetryAgents};
use crate::world::Touched;
use crate::{Approval, Change, OfflinePolicy, Outcome, Refusal, StageSpec, World};

/// What a command touches; it is applied.
fn touched<T>(
    bed: &mut Bed,
    command: impl Fn(&World) -> Result<Outcome<T>, Refusal>,
) -> (T, Touched) {
    let outcome = command(&bed.world).expect("it is done");
    let [change]: &[Change; 1] = outcome.changes.as_slice().try_into().expect("one change");
    let touched = crate::apply::note(&mut bed.world.clone(), change);
    bed.commit(outcome.changes.clone());
    check(bed);
    (outcome.value, touched)
}

/// The index is that of a world that is read back.
fn check(bed: &Bed) {
    let mut rebuilt = bed.world.clone();
    rebuilt.rebuild_index();
    assert_eq!(rebuilt.index, bed.world.index);
}

/// The machines that are looked at; none: it is more than single ones.
fn machines(touched: &Touched) -> Option<BTreeSet<String>> {
    let Touched {
        agents,
        left,
        all_agents,
        placements,
        members,
        rollouts,
        phases,
        workloads,
        ended,
        ..
    } = touched;
    let whole = *all_agents
        || !(left.is_empty() && rollouts.is_empty() && phases.is_empty())
        || !(workloads.is_empty() && ended.is_empty());
    let placed = placements.iter().map(|(_, agent)| agent);
    let members = members.iter().map(|(_, agent)| agent);
    let all = agents.iter().chain(placed).chain(members);
    (!whole).then(|| all.map(ToString::to_string).collect())
}

fn names(names: &[&str]) -> Option<BTreeSet<String>> {
    Some(names.iter().map(ToString::to_string).collect())
}

fn region(name: &str) -> Labels {
    Labels::from([("region".into(), name.into())])
}

/// Five machines, of which `m1` and `m2` are in the east.
fn bed() -> Bed {
    let mut bed = Bed::new(0);
    for (name, of) in [
        ("m1", "east"),
        ("m2", "east"),
        ("m3", "west"),
        ("m4", "west"),
        ("m5", "west"),
    ] {
        bed.enrol_with(name, true, region(of));
    }
    bed
}

fn held(selector: Labels, app_only: bool) -> PlaceHold {
    PlaceHold {
        agents: LabelSelector(selector),
        workload: app_only.then(|| "app".parse().expect("a name")),
        reason: "the uplink is being moved".to_owned(),
        expires_at: None,
    }
}

fn alone(name: &str) -> HoldAgent {
    HoldAgent {
        agent: agent(name),
        reason: "it is looked at".to_owned(),
        expires_at: None,
    }
}

fn refused(n: u8) -> QuarantineDigest {
    QuarantineDigest {
        digest: digest(n),
        workload: "app".parse().expect("a name"),
        reason: "it eats data".to_owned(),
    }
}

#[test]
fn a_hold_that_is_placed_or_lifted_touches_the_machines_that_it_matches() {
    let mut bed = bed();
    bed.roll_out(2, strategy(vec![count(1), rest()]));
    bed.plan();
    let now = bed.now;
    for app_only in [false, true] {
        let hold = held(region("east"), app_only);
        let (id, placed) = touched(&mut bed, |world| {
            commands::place_hold(world, hold.clone(), &alice(), now)
        });
        assert_eq!(machines(&placed), names(&["m1", "m2"]));
        let (_, lifted) = touched(&mut bed, |world| {
            commands::lift_hold(world, &id, "it moved", &alice(), now)
        });
        assert_eq!(machines(&lifted), names(&["m1", "m2"]));
    }
    let one = alone("m4");
    let (_, placed) = touched(&mut bed, |world| {
        commands::hold(world, one.clone(), &alice(), now)
    });
    assert_eq!(machines(&placed), names(&["m4"]));
}

#[test]
fn a_retry_touches_the_machines_that_are_asked_again_and_those_late_for_a_stage_that_opens_again() {
    let mut bed = bed();
    let after_approval = StageSpec {
        approval: Some(Approval::Manual),
        ..rest()
    };
    let mut skips = tolerant(vec![count(3), after_approval], 100);
    skips.offline = Some(OfflinePolicy::Skip);
    skips.offline_grace = Some(Duration::ZERO);
    let id = bed.roll_out(2, skips);
    let [failed, away] = [0, 1].map(|place| bed.nth(&id, 0, place));
    bed.offline(&away);
    bed.plan();
    bed.fail(&failed, FailureKind::Health);
    bed.drive();
    bed.steer_with(commands::pause, &id);
    bed.hello(&away);
    let late = bed.world.index.late.get(&id).expect("one that is late");
    assert_eq!(late[&0].iter().collect::<Vec<_>>(), [&agent(&away)]);

    let again = RetryAgents {
        rollout: id.clone(),
        agents: vec![agent(&failed)],
        reason: String::new(),
    };
    let now = bed.now;
    let (_, retried) = touched(&mut bed, |world| {
        commands::retry(world, again.clone(), &alice(), now)
    });
    assert_eq!(machines(&retried), names(&[&failed, &away]));
    assert!(bed.world.index.late.get(&id).is_none());
}

#[test]
fn a_quarantine_touches_the_machines_that_stay_with_the_digest_or_are_on_their_way_to_it() {
    let mut bed = stable(3);
    let now = bed.now;
    let on = |bed: &mut Bed, n| {
        let (_, touched) = touched(bed, |world| {
            commands::quarantine(world, refused(n), &alice(), now)
        });
        machines(&touched)
    };
    let off = |bed: &mut Bed, n| {
        let (_, touched) = touched(bed, |world| {
            commands::lift_quarantine(world, &digest(n), "it does not", &alice(), now)
        });
        machines(&touched)
    };
    assert_eq!(on(&mut bed, 1), None, "what all of them should run");
    assert_eq!(off(&mut bed, 1), None);

    // One stays with what an aborted rollout has left there.
    let aborted = bed.roll_out(2, strategy(vec![count(1), rest()]));
    let first = bed.nth(&aborted, 0, 0);
    bed.plan();
    bed.say(&first, AgentPhase::Settled);
    bed.steer_with(keep, &aborted);
    bed.plan();
    assert_eq!(on(&mut bed, 2), names(&[]));
    bed.decide(|world, now| commands::hold(world, alone(&first), &alice(), now))
        .expect("held");
    bed.roll_out(3, strategy(vec![rest()]));
    bed.drive();
    bed.decide(|world, now| commands::release(world, agent(&first), "", &alice(), now))
        .expect("released");
    bed.drive();
    assert_eq!(*bed.running(&first), digest(2));
    assert_eq!(off(&mut bed, 2), names(&[&first]));
    bed.drive();
    assert_eq!(*bed.running(&first), digest(3), "it caught up");
}

#[test]
fn a_quarantine_reaches_a_machine_that_went_away_on_its_way_to_the_digest() {
    let mut bed = stable(3);
    let mut skips = strategy(vec![rest()]);
    skips.offline = Some(OfflinePolicy::Skip);
    skips.offline_grace = Some(Duration::ZERO);
    bed.offline("m3");
    let id = bed.roll_out(2, skips);
    bed.drive();
    bed.hello("m3");
    bed.plan();
    bed.offline("m3");
    bed.steer_with(commands::roll_back, &id);
    bed.drive();
    let asked = |bed: &Bed| {
        let asked = bed.world.assignment(&agent("m3"), &bed.workload);
        asked.and_then(|asked| asked.digest().cloned())
    };
    assert_eq!(asked(&bed), Some(digest(2)));

    let now = bed.now;
    let (_, imposed) = touched(&mut bed, |world| {
        commands::quarantine(world, refused(2), &alice(), now)
    });
    assert_eq!(machines(&imposed), names(&["m3"]));
    bed.plan();
    assert_eq!(asked(&bed), None, "it must not find it when it comes back");
}
