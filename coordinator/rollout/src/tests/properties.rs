//! What holds whatever happens: random fleets, strategies and events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{AgentId, Digest, Generation, RolloutPhase, SessionEpoch, Timestamp};
use proptest::prelude::*;

use super::bed::Bed;
use super::events::{MACHINES, event};
use super::invariants::{self, Ceilings};
use crate::gates::prefetch::{Pass, budget};
use crate::gates::{Verdict, View, in_flight};
use crate::world::{Class, Way};
use crate::{
    Act, Approval, Assignment, Change, Decision, Gate, Judgement, OfflinePolicy, Plan, Purpose,
    Rollout, World, apply, commands, explain_all, plan_hash, summary, waiting_for,
};

/// Applies a plan change by change, and checks each at its own moment.
fn check_plan(before: &World, planned: &Plan) {
    let mut world = before.clone();
    for change in &planned.changes {
        if let Change::Decision(Decision { act, at, .. }) = change {
            check_act(&world, act, *at);
        }
        apply(&mut world, change);
    }
}

/// What was committed since, by whomever: each against the world of its own moment.
fn check_issues(before: &World, changes: &[Change]) {
    let mut world = before.clone();
    for change in changes {
        if let Change::Decision(decision) = change {
            match &decision.act {
                Act::Assigned {
                    agent, assignment, ..
                } => check_issue(&world, agent, assignment, decision.at),
                Act::RollbackStarted { rollout, .. } => assert!(
                    !world.rollouts[rollout].rolled_back,
                    "a roll-back is never rolled back"
                ),
                _ => {}
            }
        }
        apply(&mut world, change);
    }
}

/// What a machine is asked to run or to pull.
fn check_issue(world: &World, agent: &AgentId, assignment: &Assignment, now: Timestamp) {
    let ahead = assignment.prefetch.as_ref().map(|run| &run.digest);
    let issued = assignment.digest().or(ahead);
    if !matches!(assignment.purpose, Purpose::Adopt { .. }) {
        let quarantined = issued.is_some_and(|digest| world.is_quarantined(digest));
        assert!(
            !quarantined,
            "no quarantined digest is issued: {assignment:?}"
        );
    }
    match &assignment.purpose {
        Purpose::Rollout { rollout, .. } => {
            let pass = world.rollouts[rollout].prefetch.as_ref();
            assert!(
                pass.is_none_or(|pass| pass.passed_at.is_some()),
                "nothing is touched before the pass is over"
            );
        }
        Purpose::Prefetch { rollout } if ahead.is_some() => {
            let rollout = &world.rollouts[rollout];
            let pass = Pass::of(world, rollout, now).expect("a pass that is not over");
            assert_eq!(rollout.phase, RolloutPhase::Running);
            assert!(pass.room() > 0, "nobody pulls beyond the limit of the pass");
            assert!(assignment.run.is_none(), "no container is touched");
        }
        Purpose::Restore { rollout } => {
            let rollout = &world.rollouts[rollout];
            assert!(rollout.rolled_back, "only what is rolled back takes back");
            assert!(issued != Some(rollout.digest()), "never to its own digest");
            let stands = matches!(rollout.phase, RolloutPhase::Paused | RolloutPhase::Halted);
            assert!(
                !stands || is_astray(world, rollout, agent),
                "while it is paused or halted nobody is sent back, but for what turns round"
            );
        }
        _ => {}
    }
}

/// It is on its way to a digest that was quarantined meanwhile.
fn is_astray(world: &World, rollout: &Rollout, agent: &AgentId) -> bool {
    let restore = rollout.members[agent].restore.as_ref();
    let to = restore.and_then(|restore| restore.digest.as_ref());
    to.is_some_and(|digest| world.is_quarantined(digest))
}

/// Nothing is done with a quarantined digest, and nobody pulls beyond the budget.
fn check_passes(bed: &Bed, rollout: &Rollout) {
    let running = matches!(
        rollout.phase,
        RolloutPhase::Running | RolloutPhase::AwaitingApproval
    );
    assert!(
        !running || !bed.world.is_quarantined(rollout.digest()),
        "no rollout of a quarantined digest goes on"
    );
    if let Some(pass) = Pass::of(&bed.world, rollout, bed.now).filter(|_| running) {
        assert!(
            rollout.stages.iter().all(|stage| stage.opened_at.is_none()),
            "no stage opens before the pass is over"
        );
        assert!(budget(pass) == Verdict::Pass, "over its budget it stops");
    }
}

/// A rollout gives a machine its turn.
fn check_turn(world: &World, rollout: &Rollout, agent: &AgentId, now: Timestamp) {
    assert_eq!(
        rollout.phase,
        RolloutPhase::Running,
        "only a rollout that runs assigns"
    );
    assert!(
        world.is_assignable(&world.agents[agent], &rollout.workload),
        "only machines that are online and not held are assigned"
    );
    let group = rollout.group(&world.agents[agent].labels);
    assert!(
        rollout.spec.calendar.state(now).is_open(group),
        "only machines whose windows are open are assigned"
    );
    assert_eq!(
        rollout.members[agent].stage as usize, rollout.open_stage,
        "only the open stage is assigned"
    );
    let mut stages = View::all(world, rollout, now);
    let open = stages.nth(rollout.open_stage).expect("an open stage");
    assert!(
        in_flight::room(open) > 0,
        "nothing is assigned beyond the limit"
    );
    invariants::check_turn(world, rollout, agent);
}

fn check_act(world: &World, act: &Act, now: Timestamp) {
    match act {
        Act::Assigned {
            agent, assignment, ..
        } => {
            let known = &world.agents[agent];
            assert!(assignment.generation > known.generation, "generations rise");
            let adopts = matches!(assignment.purpose, Purpose::Adopt { .. });
            assert!(
                adopts
                    || assignment.run.is_none()
                    || known.busy_with(&assignment.workload).is_none(),
                "one workload at a time is in flight on a machine"
            );
            if let Purpose::Rollout { rollout, .. } = &assignment.purpose {
                check_turn(world, &world.rollouts[rollout], agent, now);
            }
            if matches!(assignment.purpose, Purpose::Stable) && assignment.attempt.0 == 1 {
                let proven = world.proven_for(&assignment.workload, agent);
                let (_, proven) = proven.expect("a stable digest");
                let now_open = proven.spec.calendar.state(now);
                assert!(now_open.is_open(proven.group(&known.labels)));
            }
            if matches!(assignment.purpose, Purpose::Stable) {
                assert!(world.is_assignable(known, &assignment.workload));
            }
        }
        Act::RolloutHalted { rollout, gate, .. } => {
            let failed = invariants::has_failed(&world.rollouts[rollout], None);
            assert!(
                *gate != Gate::FailureBudget || failed,
                "no budget trips before it is used up"
            );
        }
        Act::StagePassed { rollout, stage, .. } => assert!(
            !invariants::has_failed(&world.rollouts[rollout], Some(*stage)),
            "no stage passes over its budget, whatever its sample"
        ),
        Act::StageOpened { rollout, stage } => {
            let rollout = &world.rollouts[rollout];
            assert!(
                rollout.stages[..*stage]
                    .iter()
                    .all(|stage| stage.passed_at.is_some()),
                "no stage is skipped"
            );
            let plan = plan_hash(world, &rollout.id, *stage);
            let stage = &rollout.stages[*stage];
            let approved = stage.approved.as_ref();
            assert!(
                stage.rules.approval == Approval::Automatic
                    || stage.opened_at.is_some()
                    || approved.is_some_and(|approved| approved.plan == plan),
                "a person approved exactly this plan"
            );
        }
        _ => {}
    }
}

fn check_stages(bed: &Bed, rollout: &Rollout) {
    for (number, stage) in rollout.stages.iter().enumerate() {
        let counts = bed.counts(&rollout.id, number);
        // One that was gone round may come back while others are in flight.
        assert!(
            counts.in_flight <= stage.max_in_flight || rollout.spec.offline == OfflinePolicy::Skip,
            "in flight ≤ the limit"
        );
        let view = View::all(&bed.world, rollout, bed.now).nth(number);
        let overstay = view.map(|view| view.tally.count(Class::AskedShut));
        assert_eq!(
            overstay,
            Some(0),
            "nothing that was asked outlasts its window"
        );
        if rollout.phase == RolloutPhase::RolledBack {
            assert_eq!(counts.in_flight, 0, "everybody's outcome is known");
        }
        if stage.opened_at.is_none() {
            assert_eq!(
                counts.in_flight + counts.settled + counts.staged,
                0,
                "closed stages are untouched"
            );
        }
    }
}

/// Whether a rollout that is not over has something of its own that it waits for.
fn waits(world: &World, rollout: &Rollout, now: Timestamp) -> bool {
    use RolloutPhase::{AwaitingApproval, Halted, Paused, Queued};
    let mut stages = View::all(world, rollout, now);
    match rollout.phase {
        Queued | AwaitingApproval | Paused | Halted => true,
        _ if rollout.rolled_back => stages.any(|view| {
            let mut ways = Way::OUTSTANDING.iter();
            ways.any(|way| view.tally.ways(*way) > 0)
        }),
        _ => stages.any(|view| !waiting_for(world, &rollout.id, view.number, now).is_empty()),
    }
}

fn check(bed: &Bed) {
    let mut rebuilt = bed.world.clone();
    rebuilt.rebuild_index();
    assert_eq!(
        rebuilt.index, bed.world.index,
        "the index follows from the facts"
    );
    assert!(
        bed.world.index.overstaying.is_empty(),
        "nothing that was asked outlasts its window, or its digest's quarantine"
    );
    for rollout in bed.world.rollouts.values() {
        check_stages(bed, rollout);
        check_passes(bed, rollout);
        if rollout.phase == RolloutPhase::Queued {
            assert!(
                rollout.members.is_empty() && rollout.stages.is_empty(),
                "a queued one has nobody"
            );
            let active = bed.world.active_rollout(&rollout.workload);
            assert!(active.is_some(), "a queued one waits for another");
        }
        if !rollout.phase.is_terminal() {
            assert!(
                waits(&bed.world, rollout, bed.now),
                "it says what it waits for: {} is {}",
                rollout.id,
                rollout.phase
            );
            assert!(!summary(&bed.world, &rollout.id, bed.now).is_empty());
        }
    }
}

/// Every digest that was asked for was pinned, or ran on that machine before.
fn check_digests(bed: &Bed, ran: &BTreeMap<AgentId, BTreeSet<Digest>>) {
    let pinned: BTreeSet<_> = bed
        .world
        .workloads
        .values()
        .flat_map(|w| &w.pins)
        .map(|pin| &pin.digest)
        .collect();
    for (id, known) in &bed.world.agents {
        for assignment in bed.world.desired(id).assignments {
            let ahead = assignment.prefetch.as_ref().map(|run| &run.digest);
            if let Some(digest) = assignment.digest().or(ahead) {
                assert!(
                    pinned.contains(digest) || ran[id].contains(digest),
                    "{digest} on {id} came from nowhere"
                );
            }
            assert!(assignment.generation <= known.generation);
        }
    }
}

/// Faults stop, people approve and resume: every rollout comes to its end.
fn finish(bed: &mut Bed) {
    for _ in 0..200 {
        for n in 1..=MACHINES {
            bed.repair(n);
            bed.hello(&format!("m{n}"));
            bed.release(n);
        }
        bed.drive();
        bed.measure(Judgement::Success);
        bed.drive();
        let active = bed.world.active_rollouts();
        let active: Vec<_> = active.map(|it| (it.workload.clone(), it.phase)).collect();
        if active.is_empty() {
            return;
        }
        (2..5).for_each(|n| bed.lift(n));
        for (workload, phase) in active {
            bed.workload = workload;
            match phase {
                RolloutPhase::AwaitingApproval => bed.approve_newest(),
                RolloutPhase::Paused | RolloutPhase::Halted => bed.steered(commands::resume),
                _ => {}
            }
            bed.steered(commands::override_windows);
        }
        bed.pass(Duration::from_secs(31));
    }
    let mut active = bed.world.active_rollouts();
    let active = active.next().expect("looked at just now");
    panic!(
        "never ends: {}\n{:#?}",
        summary(&bed.world, &active.id, bed.now),
        explain_all(&bed.world, &active.id, bed.now)
    );
}

fn generations(world: &World) -> BTreeMap<(AgentId, Timestamp), (Generation, SessionEpoch)> {
    world
        .agents
        .iter()
        .map(|(id, known)| {
            (
                (id.clone(), known.enrolled_at),
                (known.generation, known.epoch),
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold_and_the_rollout_ends(events in proptest::collection::vec(event(), 1..60)) {
        let mut bed = Bed::new(MACHINES);
        let mut ran: BTreeMap<AgentId, BTreeSet<Digest>> = BTreeMap::new();
        let mut ceilings = Ceilings::default();
        for event in &events {
            let before = generations(&bed.world);
            for (id, machine) in &bed.machines {
                ran.entry(id.clone()).or_default().extend(machine.running.values().cloned());
            }
            bed.pass(Duration::from_secs(1));
            let (earlier, since) = (bed.world.clone(), bed.history.len());
            bed.happen(event);
            check_issues(&earlier, &bed.history[since..]);
            let world = bed.world.clone();
            let planned = bed.plan();
            check_issues(&world, &planned.changes);
            check_plan(&world, &planned);
            check(&bed);
            ceilings.check(&bed);
            check_digests(&bed, &ran);
            for (key, (generation, epoch)) in generations(&bed.world) {
                if let Some((old, old_epoch)) = before.get(&key) {
                    prop_assert!(generation >= *old && epoch >= *old_epoch, "generations and epochs only rise");
                }
            }
        }
        let written = serde_json::to_string(&bed.world).expect("a world is written");
        let read: World = serde_json::from_str(&written).expect("a world is read back");
        prop_assert!(read == bed.world, "a world is read as it was written, index and all");
        let mut replayed = World::default();
        bed.history.iter().for_each(|change| apply(&mut replayed, change));
        prop_assert!(replayed == bed.world, "the log alone gives the world");
        finish(&mut bed);
    }
}
