//! Sessions, generations and reports that come late, twice or from the past.

use std::collections::BTreeMap;

use pinion_model::{AgentPhase, Generation, RolloutPhase, SessionEpoch};

use super::bed::{Bed, agent, alice, keep, rest, steer, strategy};
use crate::commands;
use crate::{Change, Observation, Presence, Report, Versions};

fn hello(bed: &mut Bed, name: &str, process: &str, generation: u64) {
    let id = agent(name);
    let epoch = bed.world.agents[&id].epoch.next();
    bed.observe(Observation::Hello {
        agent: id,
        epoch,
        generation: Generation(generation),
        process_id: process.to_owned(),
        facts: BTreeMap::new(),
        versions: Versions::default(),
        at: bed.now,
    });
}

#[test]
fn the_end_of_an_older_session_does_not_make_an_agent_offline() {
    let mut bed = Bed::new(1);
    let id = agent("m1");
    let old = bed.world.agents[&id].epoch;
    bed.hello("m1");
    bed.observe(Observation::Offline {
        agent: id.clone(),
        epoch: old,
        at: bed.now,
    });
    assert_eq!(bed.world.agents[&id].presence, Presence::Online);
    assert_eq!(bed.world.agents[&id].epoch, SessionEpoch(old.0 + 1));
}

#[test]
fn an_agent_that_knows_a_higher_generation_than_a_restored_backup_is_overtaken() {
    let mut bed = Bed::new(1);
    let rollout = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    hello(&mut bed, "m1", "process-m1", 41);
    let changes = bed.plan().changes;
    let Some(Change::Decision(raised)) = changes.first() else {
        panic!("a decision, for the audit log")
    };
    assert_eq!(
        (raised.action(), raised.subject()),
        ("agent.generation_raised", "m1".to_owned())
    );
    let desired = bed.world.desired(&agent("m1"));
    assert_eq!(desired.generation, Generation(42));
    assert_eq!(
        desired.assignments[0].generation,
        Generation(42),
        "stamped anew: 41 may have meant another thing"
    );
    bed.say("m1", AgentPhase::Settled);
    assert_eq!(bed.counts(&rollout, 0).settled, 1);
}

#[test]
fn an_agent_that_knows_what_was_given_out_while_it_was_away_has_it_from_before_a_restored_backup() {
    for (known, raised) in [(1, false), (2, true)] {
        let mut bed = Bed::new(1);
        let id = bed.roll_out(2, strategy(vec![rest()]));
        bed.plan();
        bed.say("m1", AgentPhase::Pulling);
        bed.offline("m1");
        bed.decide(|world, now| keep(world, steer(&id), &alice(), now))
            .expect("aborted");
        bed.plan();
        let withdrawal = bed.world.desired(&agent("m1"));
        assert_eq!(withdrawal.generation, Generation(2));
        hello(&mut bed, "m1", "process-m1", known);
        bed.plan();
        let desired = bed.world.desired(&agent("m1"));
        let generation = Generation(if raised { 3 } else { 2 });
        assert_eq!(desired.generation, generation);
        assert_eq!(desired.assignments[0].generation, generation);
    }
}

#[test]
fn a_process_that_comes_back_after_another_took_over_is_a_clone() {
    let mut bed = Bed::new(2);
    let id = agent("m1");
    hello(&mut bed, "m1", "process-m1", 0);
    assert_eq!(
        bed.world.agents[&id].identity_conflict, None,
        "the same process comes back"
    );
    hello(&mut bed, "m1", "other", 0);
    assert_eq!(bed.world.agents[&id].identity_conflict, None, "a restart");
    hello(&mut bed, "m1", "process-m1", 0);
    assert_eq!(bed.world.agents[&id].identity_conflict, Some(bed.now));
    let rollout = bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    assert_eq!(
        bed.phase(&rollout),
        RolloutPhase::Completed,
        "it is gone round"
    );
    assert_eq!(bed.counts(&rollout, 0).settled, 1);
    bed.decide(|world, now| {
        commands::release(
            world,
            id.clone(),
            "one was a snapshot, and is gone",
            &alice(),
            now,
        )
    })
    .expect("released");
    assert!(!bed.world.agents[&id].is_held());
}

#[test]
fn reports_about_the_past_change_nothing() {
    let mut bed = Bed::new(1);
    let rollout = bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    let id = agent("m1");
    let assignment = bed.world.desired(&id).assignments.remove(0);
    let report = |generation, attempt, phase| Report {
        workload: assignment.workload.clone(),
        generation,
        attempt,
        phase,
        waiting_for: "".into(),
        deferral: None,
        failure: None,
        containers: Vec::new(),
        running: assignment.digest().cloned(),
    };
    let (generation, attempt) = (assignment.generation, assignment.attempt);
    let before = bed.world.clone();
    bed.reported(&id, report(Generation(0), attempt, AgentPhase::Settled));
    bed.reported(&id, report(generation.next(), attempt, AgentPhase::Settled));
    bed.reported(&id, report(generation, attempt.next(), AgentPhase::Settled));
    assert!(bed.world == before, "another generation, another attempt");
    bed.reported(&id, report(generation, attempt, AgentPhase::Soaking));
    bed.reported(&id, report(generation, attempt, AgentPhase::Pulling));
    assert_eq!(
        bed.counts(&rollout, 0).soaking,
        1,
        "a proof is not taken back by an older word"
    );
    bed.reported(&id, report(generation, attempt, AgentPhase::Settled));
    let settled = bed.world.clone();
    bed.reported(&id, report(generation, attempt, AgentPhase::RolledBack));
    bed.reported(&id, report(generation, attempt, AgentPhase::Settled));
    assert!(bed.world == settled, "an outcome is final for its attempt");
}

#[test]
fn what_an_agent_rolled_back_to_becomes_its_desired_state_once() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, strategy(vec![rest()]));
    bed.plan();
    let asked = bed.world.agents[&agent("m1")].generation;
    bed.say("m1", AgentPhase::RolledBack);
    bed.plan();
    let desired = bed.world.desired(&agent("m1"));
    assert_eq!(desired.generation, asked.next());
    assert_eq!(
        desired.assignments[0].digest(),
        Some(&super::bed::digest(1))
    );
    bed.drive();
    assert_eq!(
        bed.world.agents[&agent("m1")].generation,
        asked.next(),
        "and nothing follows"
    );
    let placement = &bed.world.agents[&agent("m1")].placements[&bed.workload];
    let before = pinion_model::Generation(asked.0 - 1);
    let failure = placement.failure_since(before).expect("still known");
    assert_eq!(failure.message, "sick");
    assert_eq!(placement.last_failure(), Some(failure));
    assert_eq!(placement.failure_since(asked), None);
}

#[test]
fn an_inventory_cannot_grow_what_is_known_of_a_machine_without_end() {
    let mut bed = Bed::new(1);
    bed.roll_out(2, strategy(vec![rest()]));
    bed.drive();
    let id = agent("m1");
    let name = |n: usize| format!("a{n:03}").parse().expect("a workload");
    let mut named = |workloads: Vec<pinion_model::WorkloadName>| {
        bed.observe(Observation::Inventory {
            agent: id.clone(),
            workloads: workloads.into_iter().map(|w| (w, Vec::new())).collect(),
            at: bed.now,
        });
        let placements = &bed.world.agents[&id].placements;
        assert!(placements.contains_key(&bed.workload), "it was asked for");
        placements.len()
    };
    assert_eq!(named((0..500).map(name).collect()), 64);
    assert_eq!(
        named((500..520).map(name).collect()),
        21,
        "what is not named any more is forgotten"
    );
}

#[test]
fn workloads_with_pins_come_first_where_a_machine_names_too_many() {
    let mut bed = Bed::new(0);
    bed.enrol("m1", false);
    bed.promote(2);
    let id = agent("m1");
    let names = (0..500).map(|n| format!("a{n:03}").parse().expect("a workload"));
    let workloads = names.chain([bed.workload.clone()]);
    bed.observe(Observation::Inventory {
        agent: id.clone(),
        workloads: workloads.map(|name| (name, Vec::new())).collect(),
        at: bed.now,
    });
    let placements = &bed.world.agents[&id].placements;
    assert!(placements.contains_key(&bed.workload));
}

#[test]
fn a_generation_that_an_agent_claims_between_plan_and_commit_is_raised_above_it() {
    let mut bed = Bed::new(1);
    let id = agent("m1");
    bed.roll_out(2, strategy(vec![rest()]));
    let planned = crate::plan(&bed.world, bed.now).changes;
    // It has that one from before a restored backup: it means something else there.
    let given = bed.world.agents[&id].generation.next();
    hello(&mut bed, "m1", "process-m1", given.0);
    bed.commit(planned);
    assert_eq!(bed.world.agents[&id].generation, given);
    bed.plan();
    let desired = bed.world.desired(&id);
    assert!(desired.generation > given, "it would never accept it");
    assert_eq!(desired.assignments[0].generation, desired.generation);
}
