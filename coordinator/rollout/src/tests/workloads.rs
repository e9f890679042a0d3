//! Several workloads on the same machines: at most one cut-over at a time on a
//! machine, and fair between them.

use std::collections::BTreeSet;

use pinion_model::{AgentPhase, RolloutId, RolloutPhase};

use super::bed::{Bed, agent, alice, digest, rest, steer, strategy};
use crate::commands::{self, Refresh};
use crate::gates::{Verdict, View, others};
use crate::world::Class;
use crate::{Act, Amount, Change, Purpose, Strategy, summary};

pub(super) fn all() -> Strategy {
    strategy(vec![rest()])
}

pub(super) fn one_by_one() -> Strategy {
    Strategy {
        max_in_flight: Some(Amount::Count(1)),
        ..all()
    }
}

/// Goes after these workloads.
pub(super) fn after(names: &[&str], strategy: Strategy) -> Strategy {
    let after = names.iter().map(|name| name.parse().expect("a name"));
    Strategy {
        after: after.collect(),
        ..strategy
    }
}

/// The rollout of another workload to another digest.
pub(super) fn also(bed: &mut Bed, workload: &str, strategy: Strategy) -> RolloutId {
    bed.work_on(workload);
    bed.roll_out(2, strategy)
}

/// The workloads that are in flight on a machine.
pub(super) fn flying(bed: &Bed, name: &str) -> Vec<String> {
    let placements = &bed.world.agents[&agent(name)].placements;
    let flying = placements.iter().filter(|(_, it)| it.is_in_flight());
    flying.map(|(workload, _)| workload.to_string()).collect()
}

pub(super) fn settled(bed: &Bed, id: &RolloutId) -> u32 {
    let stages = 0..bed.rollout(id).stages.len();
    stages.map(|stage| bed.counts(id, stage).settled).sum()
}

#[test]
fn one_workload_at_a_time_is_in_flight_on_a_machine() {
    let mut bed = Bed::new(1);
    let app = bed.roll_out(2, all());
    bed.plan();
    bed.say("m1", AgentPhase::Pulling);
    let since = bed.now;
    let web = also(&mut bed, "web", all());
    bed.pass(std::time::Duration::from_secs(5));
    bed.plan();
    assert_eq!(flying(&bed, "m1"), ["app"]);
    let why = bed.why(&web, "m1").expect("it waits");
    assert_eq!((why.word, why.since), ("busy", since));
    for part in ["app is in flight", "pulling", app.as_str()] {
        assert!(why.detail.contains(part), "{}", why.detail);
    }
    let text = summary(&bed.world, &web, bed.now);
    assert!(text.contains("another workload is in flight"), "{text}");

    bed.work_on("app");
    bed.say("m1", AgentPhase::Soaking);
    bed.plan();
    assert_eq!(
        flying(&bed, "m1"),
        ["web"],
        "what soaks is proven, and not in flight"
    );
    bed.drive();
    assert_eq!(bed.phase(&app), RolloutPhase::Completed);
    assert_eq!(bed.phase(&web), RolloutPhase::Completed);
}

#[test]
fn a_rollout_goes_on_with_machines_where_no_other_is_in_flight() {
    let mut bed = Bed::new(4);
    let app = bed.roll_out(2, one_by_one());
    bed.plan();
    let web = also(&mut bed, "web", all());
    bed.plan();
    assert_eq!(bed.counts(&web, 0).in_flight, 3);
    let busy = bed.nth(&app, 0, 0);
    assert_eq!(bed.word(&web, &busy), Some("busy"));
    assert_eq!(
        bed.counts(&app, 0).in_flight,
        1,
        "and the first keeps its own limit"
    );
}

#[test]
fn machines_that_catch_up_do_one_workload_after_the_other() {
    let mut bed = Bed::new(10);
    bed.roll_out(2, all());
    also(&mut bed, "web", all());
    bed.drive();
    bed.enrol("m11", true);
    let workloads: BTreeSet<_> = ["app", "web"].into();
    let machine = bed.machines.get_mut(&agent("m11")).expect("m11");
    for workload in &workloads {
        let name = workload.parse().expect("a name");
        machine.running.insert(name, digest(1));
    }
    bed.hello("m11");
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        bed.plan();
        let now = flying(&bed, "m11");
        assert!(now.len() <= 1, "{now:?}");
        seen.extend(now);
        bed.step("m11");
    }
    assert_eq!(seen.len(), 2);
    for workload in workloads {
        bed.work_on(workload);
        assert_eq!(*bed.running("m11"), digest(2));
    }
}

#[test]
fn what_a_machine_does_outside_a_rollout_holds_the_others_too() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.drive();
    let refresh = Refresh {
        agents: vec![agent("m1")],
        workloads: Vec::new(),
        reason: "again".into(),
    };
    bed.decide(|world, now| commands::refresh(world, refresh.clone(), &alice(), now))
        .expect("asked");
    bed.plan();
    let web = also(&mut bed, "web", all());
    bed.plan();
    assert_eq!(flying(&bed, "m1"), ["app"]);
    assert_eq!(bed.word(&web, "m1"), Some("busy"));
    bed.drive();
    assert_eq!(bed.phase(&web), RolloutPhase::Completed);
}

#[test]
fn a_refresh_of_several_workloads_takes_one_after_the_other() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.drive();
    also(&mut bed, "web", all());
    bed.drive();
    let refresh = Refresh {
        agents: vec![agent("m1")],
        workloads: Vec::new(),
        reason: "a container is gone".into(),
    };
    let asked = bed
        .decide(|world, now| commands::refresh(world, refresh.clone(), &alice(), now))
        .expect("asked");
    assert_eq!(asked[0].asked.len(), 2);
    let changes = bed.plan().changes;
    assert_eq!(flying(&bed, "m1"), ["app"]);
    let said = changes.iter().find_map(|change| match change {
        Change::Decision(decision) => Some(decision.detail()),
        Change::Observation(_) => None,
    });
    let said = said.expect("it is asked");
    assert!(
        said.contains("refresh by alice: a container is gone"),
        "{said}"
    );
    bed.work_on("app");
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(flying(&bed, "m1"), ["web"]);
    let generation = asked[0].asked.values().next().expect("a generation");
    let placements = &bed.world.agents[&agent("m1")].placements;
    for placement in placements.values() {
        assert!(placement.generation() > *generation && placement.refresh.is_none());
    }
}

#[test]
fn a_machine_is_taken_back_before_another_workload_has_its_turn_there() {
    let mut bed = Bed::new(1);
    let app = bed.roll_out(2, all());
    bed.plan();
    bed.say("m1", AgentPhase::Soaking);
    let web = also(&mut bed, "web", all());
    bed.plan();
    bed.work_on("app");
    bed.steer_with(commands::roll_back, &app);
    let db = also(&mut bed, "db", all());
    bed.plan();
    assert_eq!(flying(&bed, "m1"), ["web"], "which is in flight");
    assert_eq!(bed.word(&app, "m1"), Some("busy"));
    assert_eq!(bed.word(&db, "m1"), Some("busy"));
    bed.work_on("web");
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(flying(&bed, "m1"), ["app"]);
    let restore = bed.world.agents[&agent("m1")].placements[&"app".parse().expect("a name")]
        .assignment
        .clone();
    let restore = restore.expect("it goes back");
    assert_eq!(
        restore.purpose,
        Purpose::Restore {
            rollout: app.clone()
        }
    );
    bed.drive();
    assert_eq!(bed.phase(&app), RolloutPhase::RolledBack);
    assert_eq!(bed.phase(&web), RolloutPhase::Completed);
    assert_eq!(bed.phase(&db), RolloutPhase::Completed);
}

#[test]
fn machines_go_back_in_one_workload_after_the_other() {
    let mut bed = Bed::new(1);
    let app = bed.roll_out(2, all());
    bed.drive();
    let web = also(&mut bed, "web", all());
    bed.drive();
    for id in [&app, &web] {
        bed.steer_with(commands::roll_back, id);
    }
    bed.plan();
    assert_eq!(flying(&bed, "m1"), ["app"]);
    bed.work_on("app");
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(flying(&bed, "m1"), ["web"]);
    bed.work_on("web");
    bed.say("m1", AgentPhase::Settled);
    bed.plan();
    assert_eq!(bed.phase(&app), RolloutPhase::RolledBack);
    assert_eq!(bed.phase(&web), RolloutPhase::RolledBack);
}

#[test]
fn what_superseded_rollouts_have_left_to_take_back_is_one_at_a_time_too() {
    let mut bed = Bed::new(1);
    let ids = [bed.roll_out(2, all()), also(&mut bed, "web", all())];
    bed.drive();
    bed.offline("m1");
    for (workload, id) in [("app", &ids[0]), ("web", &ids[1])] {
        bed.steer_with(commands::roll_back, id);
        bed.plan();
        bed.work_on(workload);
        bed.roll_out(3, all());
        bed.plan();
        assert_eq!(bed.phase(id), RolloutPhase::Superseded);
    }
    bed.hello("m1");
    bed.plan();
    assert_eq!(flying(&bed, "m1").len(), 1);
    bed.drive();
    for workload in ["app", "web"] {
        bed.work_on(workload);
        assert_eq!(*bed.running("m1"), digest(3));
    }
}

#[test]
fn no_rollout_starves_another() {
    let mut bed = Bed::new(12);
    let ids = [
        bed.roll_out(2, one_by_one()),
        also(&mut bed, "db", one_by_one()),
        also(&mut bed, "web", one_by_one()),
    ];
    for _ in 0..500 {
        bed.plan();
        let names: Vec<_> = bed.machines.keys().map(ToString::to_string).collect();
        for name in &names {
            bed.step(name);
        }
        let done = ids.each_ref().map(|id| settled(&bed, id));
        let (least, most) = (done.iter().min(), done.iter().max());
        let (least, most) = (*least.expect("three"), *most.expect("three"));
        assert!(most - least <= 2, "{done:?}");
        if least == 12 {
            return;
        }
    }
    panic!("they never end");
}

#[test]
fn promotions_that_come_all_the_time_do_not_keep_another_workload_from_a_machine() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, all());
    bed.plan();
    let web = also(&mut bed, "web", all());
    bed.plan();
    let mut rounds = 0;
    while bed.word(&web, "m1") == Some("busy") {
        bed.work_on("app");
        for _ in 0..4 {
            bed.step("m1");
        }
        bed.pass(std::time::Duration::from_secs(60));
        bed.roll_out(3 + rounds % 2, all());
        bed.plan();
        rounds += 1;
        assert!(rounds < 5, "it waits for ever");
    }
    assert_eq!(rounds, 1);
    assert_eq!(flying(&bed, "m1"), ["web"], "the older goes first");
}

#[test]
fn the_gate_waits_for_machines_where_others_are_at_work_or_go_first() {
    for (busy, first, answer) in [
        (false, false, None),
        (true, false, Some("another workload is in flight")),
        (false, true, Some("goes first")),
    ] {
        let mut bed = Bed::new(1);
        if busy || first {
            bed.roll_out(2, all());
            bed.plan();
        }
        let strategy = match first {
            true => after(&["app"], all()),
            false => all(),
        };
        let web = also(&mut bed, "web", strategy);
        bed.plan();
        let view = View::all(&bed.world, bed.rollout(&web), bed.now)
            .next()
            .expect("a stage");
        match (others::check(view), answer) {
            (Verdict::Pass, None) => {}
            (Verdict::Wait(wait), Some(part)) => {
                assert!(
                    wait.detail.contains(part) && wait.until.is_none(),
                    "{wait:?}"
                );
            }
            (verdict, answer) => panic!("{verdict:?} is not {answer:?}"),
        }
        let class = if busy { Class::Busy } else { Class::After };
        assert_eq!(view.tally.count(class), usize::from(busy || first));
    }
}

#[test]
fn steering_one_workload_leaves_the_others_alone() {
    let mut bed = Bed::new(2);
    let app = bed.roll_out(2, all());
    let web = also(&mut bed, "web", all());
    bed.plan();
    let changes = bed
        .decide(|world, now| commands::pause(world, steer(&app), &alice(), now))
        .map(|_| bed.plan().changes)
        .expect("paused");
    let others = changes.iter().filter(|change| match change {
        Change::Decision(decision) => {
            matches!(&decision.act, Act::Assigned { assignment, .. } if assignment.rollout() != Some(&app))
        }
        Change::Observation(_) => false,
    });
    assert_eq!(others.count(), 0);
    bed.drive();
    assert_eq!(bed.phase(&app), RolloutPhase::Paused);
    assert_eq!(bed.phase(&web), RolloutPhase::Completed);
}
