//! Many seeds hold every rule; and the rules are seen to break when they are broken.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use pinion_model::{RolloutPhase, Timestamp};
use pinion_rollout::{Act, Change, Decision, Plan, Purpose, Rollout, World, apply};
use pinion_sim::{Fault, Parameters, Seen, Totals, run};
use pinion_workload::{Desired, Observed, Operation, Stage, Step};

#[test]
fn two_hundred_fleets_of_two_hundred_machines_hold_every_rule_and_come_to_rest() {
    let (next, sum) = (AtomicU64::new(1), Mutex::new(Totals::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed > 200 {
                return;
            }
            match run(&Parameters::new(seed, 200)) {
                Ok(totals) => sum.lock().expect("no run panics").add(&totals),
                Err(broken) => panic!("{broken}"),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let sum = sum.into_inner().expect("no run panics");
    println!("{sum}");
    for fault in Fault::ALL {
        assert!(sum.of(*fault) > 0, "there were no {}", fault.word());
    }
    for seen in Seen::ALL {
        assert!(sum.seen(*seen) > 0, "there were no {}", seen.word());
    }
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    let parameters = Parameters::new(7, 50);
    let once = run(&parameters).expect("every rule holds");
    assert_eq!(run(&parameters).expect("every rule holds"), once);
}

/// The rule that the first of some seeds breaks.
fn broken(parameters: impl Fn(u64) -> Parameters) -> &'static str {
    let mut seeds = (1..=60).filter_map(|seed| run(&parameters(seed)).err());
    let broken = seeds.next().expect("a broken planner is caught");
    assert!(!broken.lines.is_empty(), "what happened before is told");
    broken.violation.invariant
}

/// Gives everybody of the open stage their turn at once.
fn without_a_cap(world: &World, now: Timestamp) -> Plan {
    let mut planned = pinion_rollout::plan(world, now);
    let mut more = Vec::new();
    for change in &planned.changes {
        let Change::Decision(Decision {
            act: Act::Assigned { assignment, .. },
            ..
        }) = change
        else {
            continue;
        };
        let Purpose::Rollout { rollout, .. } = &assignment.purpose else {
            continue;
        };
        let Some(rollout) = world
            .rollouts
            .get(rollout)
            .filter(|r| r.phase == RolloutPhase::Running)
        else {
            continue;
        };
        let Some(stage) = rollout.open() else {
            continue;
        };
        for agent in stage.order.iter() {
            let assigned = |change: &Change| matches!(change, Change::Decision(Decision { act: Act::Assigned { agent: other, .. }, .. }) if other == agent);
            let Some(known) = world.agents.get(agent) else {
                continue;
            };
            if planned.changes.iter().chain(&more).any(assigned) {
                continue;
            }
            let mut assignment = assignment.clone();
            assignment.generation = known.generation.max(known.claimed).next();
            let act = Act::Assigned {
                agent: agent.clone(),
                assignment,
                reason: String::new(),
            };
            more.push(Change::from(Decision::system(now, act)));
        }
    }
    planned.changes.extend(more);
    planned
}

#[test]
fn a_planner_without_a_cap_is_caught() {
    let rule = broken(|seed| Parameters {
        planner: without_a_cap,
        ..Parameters::new(seed, 40)
    });
    assert!(rule.starts_with("in flight ≤ "), "{rule}");
}

/// Plans as if these had been decided.
fn plan_after(world: &World, acts: Vec<Act>, now: Timestamp) -> Plan {
    let mut imagined = world.clone();
    for act in acts {
        apply(&mut imagined, &Change::from(Decision::system(now, act)));
    }
    pinion_rollout::plan(&imagined, now)
}

/// Trusts every image.
fn trusting(world: &World, now: Timestamp) -> Plan {
    let lift = |digest: &pinion_model::Digest| Act::QuarantineLifted {
        digest: digest.clone(),
        reason: String::new(),
    };
    let digests = world.quarantine.keys();
    let quarantined = digests.filter(|digest| world.is_quarantined(digest));
    plan_after(world, quarantined.map(lift).collect(), now)
}

#[test]
fn a_planner_that_ignores_quarantine_is_caught() {
    let rule = broken(|seed| Parameters {
        planner: trusting,
        ..Parameters::new(seed, 40)
    });
    assert_eq!(rule, "no quarantined digest is issued");
}

/// Reaches what a hold of the fleet keeps.
fn heedless(world: &World, now: Timestamp) -> Plan {
    let lift = |id: &String| Act::HoldLifted {
        id: id.clone(),
        reason: String::new(),
    };
    plan_after(world, world.holds.keys().map(lift).collect(), now)
}

#[test]
fn a_planner_that_ignores_holds_of_the_fleet_is_caught() {
    let rule = broken(|seed| Parameters {
        planner: heedless,
        ..Parameters::new(seed, 40)
    });
    assert_eq!(rule, "rollouts go round what is held");
}

/// Is done with a way back as soon as one machine is on it.
fn half_way(world: &World, now: Timestamp) -> Plan {
    let is_begun = |rollout: &&Rollout| {
        let mut members = rollout.members.values();
        rollout.rolled_back && members.any(|member| member.restore.is_some())
    };
    let end = |rollout: &Rollout| Act::RolloutEnded {
        rollout: rollout.id.clone(),
        phase: RolloutPhase::RolledBack,
        reason: String::new(),
    };
    let (mut imagined, mut changes) = (world.clone(), Vec::new());
    loop {
        let planned = pinion_rollout::plan(&imagined, now);
        let mut next = planned.changes;
        if next.is_empty() {
            let begun = imagined.active_rollouts().filter(is_begun);
            let ends = begun.map(|rollout| Decision::system(now, end(rollout)));
            next = ends.map(Change::from).collect();
        }
        if next.is_empty() {
            return Plan {
                changes,
                wake_at: planned.wake_at,
            };
        }
        for change in &next {
            apply(&mut imagined, change);
        }
        changes.append(&mut next);
    }
}

#[test]
fn a_planner_that_takes_back_half_is_caught() {
    let rule = broken(|seed| Parameters {
        planner: half_way,
        ..Parameters::new(seed, 40)
    });
    assert_eq!(rule, "a way back ends when everybody is back who can be");
}

/// Takes its time to cut over: all that it has, and a second more.
fn patient(desired: &Desired, observed: &Observed<'_>, now: Timestamp) -> Step {
    let mut record = observed.record.clone();
    if let Some(operation) = &mut record.operation {
        let assignment = &mut operation.assignment;
        let late = assignment.received_at + assignment.start_within + Duration::from_secs(1);
        if operation.stage == Stage::Create && now < late {
            let wake_at = Some(late);
            return Step::Rest { wake_at };
        }
        assignment.received_at = now;
    }
    let observed = Observed {
        record: &record,
        ..*observed
    };
    pinion_workload::next(desired, &observed, now)
}

#[test]
fn an_agent_that_cuts_over_late_is_caught() {
    let rule = broken(|seed| Parameters {
        next: patient,
        ..Parameters::new(seed, 40)
    });
    assert_eq!(rule, "nothing cuts over after start_within passed");
}

/// Looks at no lock.
fn brazen(desired: &Desired, observed: &Observed<'_>, now: Timestamp) -> Step {
    let observed = Observed {
        in_use: pinion_workload::in_use::Seen::NOTHING,
        ..*observed
    };
    pinion_workload::next(desired, &observed, now)
}

#[test]
fn an_agent_that_cuts_over_what_is_in_use_is_caught() {
    let rule = broken(|seed| Parameters {
        next: brazen,
        ..Parameters::new(seed, 40)
    });
    assert_eq!(
        rule,
        "nothing that is in use cuts over before its time is up"
    );
}

/// Believes that what was started is healthy.
fn credulous(desired: &Desired, observed: &Observed<'_>, now: Timestamp) -> Step {
    let step = pinion_workload::next(desired, observed, now);
    let Step::Write(mut record) = step else {
        return step;
    };
    let begun = |operation: &&mut Operation| {
        operation.stage == Stage::Cut && operation.units.iter().all(|unit| unit.began.is_some())
    };
    if let Some(operation) = record.operation.as_mut().filter(begun) {
        operation.stage = Stage::Settle;
    }
    Step::Write(record)
}

#[test]
fn an_agent_that_removes_the_old_container_before_the_new_one_is_proven_is_caught() {
    let rule = broken(|seed| Parameters {
        next: credulous,
        ..Parameters::new(seed, 40)
    });
    assert_eq!(
        rule,
        "a machine is never left without a running or recoverable container"
    );
}
