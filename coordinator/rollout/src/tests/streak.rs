//! Frequent promotions starve no stage.

use std::time::Duration;

use pinion_model::{AgentPhase, RolloutId, RolloutPhase};

use super::bed::{Bed, count, digest, keep, rest, strategy};
use super::supersede::start;
use crate::commands::{self};
use crate::{Amount, Approval, StageSpec, Strategy};

/// A canary, then the others.
fn slow() -> Strategy {
    Strategy {
        progress_deadline: Some(Duration::from_secs(900)),
        ..strategy(vec![count(1), rest()])
    }
}

/// Three rollouts that were superseded, and a fourth that has begun.
fn streak(bed: &mut Bed) -> RolloutId {
    for n in 2..5 {
        bed.roll_out(n, slow());
        bed.plan();
    }
    let active = bed.roll_out(5, slow());
    bed.plan();
    let before: Vec<_> = bed.world.workloads[&bed.workload].rollouts[..3].to_vec();
    for id in before {
        assert_eq!(bed.phase(&id), RolloutPhase::Superseded);
    }
    active
}

#[test]
fn after_three_in_a_row_that_were_superseded_the_next_one_is_let_through() {
    let mut bed = Bed::new(3);
    let active = streak(&mut bed);
    bed.promote(6);
    let newer = start(&mut bed, slow()).expect("it waits");
    assert_eq!(newer.phase, RolloutPhase::Queued);
    assert!(
        newer.reason.contains("3 rollouts in a row") && newer.reason.contains(active.as_str()),
        "{}",
        newer.reason
    );
    bed.drive();
    assert_eq!(bed.phase(&active), RolloutPhase::Completed);
    assert_eq!(bed.phase(&newer.id), RolloutPhase::Completed);
    bed.promote(7);
    start(&mut bed, slow()).expect("it begins");
    bed.promote(8);
    let next = start(&mut bed, slow()).expect("it begins");
    assert_eq!(next.phase, RolloutPhase::Running, "the row is broken");
}

#[test]
fn one_that_makes_no_progress_is_always_replaced() {
    type Stop = fn(&mut Bed, &RolloutId);
    let stops: [(&str, Stop); 5] = [
        ("paused", |bed, id| bed.steer_with(commands::pause, id)),
        ("halted", |bed, id| {
            let name = bed.nth(id, 0, 0);
            bed.say(&name, AgentPhase::RolledBack);
        }),
        ("going back", |bed, id| {
            let name = bed.nth(id, 0, 0);
            bed.say(&name, AgentPhase::CuttingOver);
            bed.steer_with(commands::roll_back, id);
        }),
        ("ending", |bed, id| {
            let name = bed.nth(id, 0, 0);
            bed.say(&name, AgentPhase::CuttingOver);
            bed.steer_with(keep, id);
        }),
        ("stuck: its machine is away and nothing moves", |bed, id| {
            let name = bed.nth(id, 0, 0);
            bed.say(&name, AgentPhase::CuttingOver);
            bed.offline(&name);
            bed.pass(Duration::from_secs(901));
        }),
    ];
    for (what, stop) in stops {
        let mut bed = Bed::new(3);
        let active = streak(&mut bed);
        stop(&mut bed, &active);
        bed.plan();
        assert!(!bed.phase(&active).is_terminal(), "{what}");
        bed.promote(6);
        let newer = start(&mut bed, slow()).expect("it begins");
        assert_eq!(newer.phase, RolloutPhase::Running, "{what}");
        assert_eq!(bed.phase(&active), RolloutPhase::Superseded, "{what}");
    }
}

#[test]
fn one_that_waits_for_a_person_or_soaks_for_long_gets_on() {
    let manual = StageSpec {
        approval: Some(Approval::Manual),
        ..rest()
    };
    let mut bed = Bed::new(2);
    for n in 2..5 {
        bed.roll_out(n, slow());
        bed.plan();
    }
    let active = bed.roll_out(5, strategy(vec![count(1), manual]));
    bed.plan();
    let first = bed.nth(&active, 0, 0);
    bed.say(&first, AgentPhase::Soaking);
    bed.pass(Duration::from_secs(86_400));
    bed.plan();
    bed.promote(6);
    let newer = start(&mut bed, slow()).expect("it waits");
    assert_eq!(newer.phase, RolloutPhase::Queued, "while it soaks");
    bed.say(&first, AgentPhase::Settled);
    bed.pass(Duration::from_secs(86_400));
    bed.plan();
    assert_eq!(bed.phase(&active), RolloutPhase::AwaitingApproval);
    bed.promote(7);
    let newer = start(&mut bed, slow()).expect("it waits");
    assert_eq!(newer.phase, RolloutPhase::Queued, "while a person is asked");
}

/// Fifty promotions, one every three minutes, of a rollout that lasts longer:
/// each phase of a machine takes a minute.
#[test]
fn frequent_promotions_starve_no_stage() {
    let mut bed = Bed::new(6);
    let three_at_once = StageSpec {
        max_in_flight: Some(Amount::Count(3)),
        ..rest()
    };
    let rules = Strategy {
        progress_deadline: Some(Duration::from_secs(900)),
        ..strategy(vec![count(1), three_at_once])
    };
    let names: Vec<_> = bed.machines.keys().map(ToString::to_string).collect();
    for n in 0..50_u8 {
        let promoted = bed.push(10 + n, rules.clone());
        assert!(promoted.rollout.is_some());
        for _ in 0..3 {
            bed.plan();
            for name in &names {
                bed.step(name);
            }
            bed.pass(Duration::from_secs(60));
        }
    }
    let count = |phase| {
        let rollouts = bed.world.rollouts.values();
        rollouts.filter(|rollout| rollout.phase == phase).count()
    };
    let (completed, superseded) = (
        count(RolloutPhase::Completed),
        count(RolloutPhase::Superseded),
    );
    assert!(
        completed >= 5,
        "{completed} completed, {superseded} superseded"
    );
    let begun = bed.world.workloads[&bed.workload].rollouts.clone();
    let mut row = 0;
    for id in &begun {
        row = match bed.phase(id) {
            RolloutPhase::Superseded => row + 1,
            _ => 0,
        };
        assert!(row <= 3, "{row} in a row were superseded");
    }
    bed.drive();
    assert!(names.iter().all(|name| *bed.running(name) == digest(59)));
}
