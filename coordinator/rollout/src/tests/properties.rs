//! What holds whatever happens: random fleets, strategies and events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{AgentId, Digest, Generation, RolloutId, RolloutPhase, SessionEpoch, Timestamp};
use proptest::prelude::*;

use super::bed::{Bed, agent, alice, digest, steer, strategy};
use crate::commands::{self, HoldAgent, Refresh, RetryAgents};
use crate::{
    Act, Amount, Approval, Change, Cohort, Decision, FailureAction, Observation, OfflinePolicy,
    Plan, Purpose, Refusal, StageSpec, Strategy as Rules, World, apply, explain_all, summary,
};

const MACHINES: usize = 8;

#[derive(Debug, Clone)]
enum Event {
    Step(usize),
    StepAll,
    Offline(usize),
    Hello(usize),
    Pass(u64),
    Restart,
    RollOut(u8, Box<Rules>),
    Pause,
    Resume,
    Abort,
    RollBack,
    Approve,
    Retry,
    Hold(usize),
    Release(usize),
    Refresh(usize),
    Revoke(usize),
    Remove(usize),
    Enrol,
    Sicken(usize),
    Repeat(usize),
    Spoil(usize, u8),
}

fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        (1..4_u32).prop_map(Amount::Count),
        (1..=100_u32).prop_map(Amount::Percent)
    ]
}

fn stage() -> impl Strategy<Value = StageSpec> {
    let cohort = prop_oneof![(1..4_u32).prop_map(Cohort::Count), Just(Cohort::Rest)];
    let approval = prop_oneof![3 => Just(Approval::Automatic), 1 => Just(Approval::Manual)];
    let budget = proptest::option::of((0..3_u32).prop_map(Amount::Count));
    let bake = prop_oneof![Just(0), Just(30_u64)];
    (
        cohort,
        approval,
        proptest::option::of(amount()),
        budget,
        bake,
        0..3_u32,
    )
        .prop_map(
            |(cohort, approval, max_in_flight, failure_budget, bake, min_proven)| StageSpec {
                approval: Some(approval),
                max_in_flight,
                failure_budget,
                bake: Some(Duration::from_secs(bake)),
                min_proven: Some(min_proven),
                ..StageSpec::of(cohort)
            },
        )
}

fn rules() -> impl Strategy<Value = Rules> {
    let action = prop_oneof![Just(FailureAction::Halt), Just(FailureAction::Rollback)];
    let offline = prop_oneof![
        Just(OfflinePolicy::Wait),
        Just(OfflinePolicy::Skip),
        Just(OfflinePolicy::Fail)
    ];
    (proptest::collection::vec(stage(), 1..4), action, offline).prop_map(
        |(stages, action, offline)| Rules {
            on_failure: Some(action),
            offline: Some(offline),
            ..strategy(stages)
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let machine = || 1..=MACHINES;
    prop_oneof![
        8 => machine().prop_map(Event::Step),
        8 => Just(Event::StepAll),
        2 => machine().prop_map(Event::Offline),
        3 => machine().prop_map(Event::Hello),
        3 => (1..700_u64).prop_map(Event::Pass),
        1 => Just(Event::Restart),
        3 => (2..5_u8, rules()).prop_map(|(n, rules)| Event::RollOut(n, Box::new(rules))),
        1 => Just(Event::Pause),
        3 => Just(Event::Resume),
        1 => Just(Event::Abort),
        1 => Just(Event::RollBack),
        3 => Just(Event::Approve),
        1 => Just(Event::Retry),
        1 => machine().prop_map(Event::Hold),
        1 => machine().prop_map(Event::Release),
        1 => machine().prop_map(Event::Refresh),
        1 => machine().prop_map(Event::Revoke),
        1 => machine().prop_map(Event::Remove),
        1 => Just(Event::Enrol),
        1 => machine().prop_map(Event::Sicken),
        2 => (0..400_usize).prop_map(Event::Repeat),
        1 => (machine(), 2..5_u8).prop_map(|(machine, n)| Event::Spoil(machine, n)),
    ]
}

/// A refusal is an answer, too.
fn tried<T>(_: Result<T, Refusal>) {}

impl Bed {
    fn newest(&self) -> Option<RolloutId> {
        self.world
            .workloads
            .get(&self.workload)?
            .rollouts
            .last()
            .cloned()
    }

    fn steered(
        &mut self,
        command: fn(
            &World,
            commands::Steer,
            &pinion_model::Actor,
            Timestamp,
        ) -> Result<crate::Outcome<RolloutId>, Refusal>,
    ) {
        if let Some(id) = self.newest() {
            tried(self.decide(|world, now| command(world, steer(&id), &alice(), now)));
        }
    }

    fn happen(&mut self, event: &Event) {
        let name = |n: &usize| format!("m{n}");
        let id = |n: &usize| agent(&name(n));
        match event {
            Event::Step(n) => {
                self.step(&name(n));
            }
            Event::StepAll => {
                for n in 1..=MACHINES {
                    self.step(&name(&n));
                }
            }
            Event::Offline(n) => self.offline(&name(n)),
            Event::Hello(n) => self.hello(&name(n)),
            Event::Pass(seconds) => self.pass(Duration::from_secs(*seconds)),
            Event::Restart => self.observe(Observation::Started { at: self.now }),
            Event::RollOut(n, rules) => {
                self.promote(*n);
                let request = commands::StartRollout {
                    workload: self.workload.clone(),
                    pin: None,
                    strategy: (**rules).clone(),
                    agents: pinion_model::LabelSelector::default(),
                    reason: String::new(),
                };
                tried(self.decide(|world, now| {
                    commands::start_rollout(world, request.clone(), &alice(), now)
                }));
            }
            Event::Pause => self.steered(commands::pause),
            Event::Resume => self.steered(commands::resume),
            Event::Abort => self.steered(commands::abort),
            Event::RollBack => self.steered(commands::roll_back),
            Event::Approve => self.approve(),
            Event::Retry => {
                if let Some(rollout) = self.newest() {
                    let retry = RetryAgents {
                        rollout,
                        agents: Vec::new(),
                        reason: String::new(),
                    };
                    tried(
                        self.decide(|world, now| {
                            commands::retry(world, retry.clone(), &alice(), now)
                        }),
                    );
                }
            }
            Event::Hold(n) => {
                let hold = HoldAgent {
                    agent: id(n),
                    reason: "care".into(),
                    expires_at: Some(self.now + Duration::from_secs(300)),
                };
                tried(self.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now)));
            }
            Event::Release(n) => {
                tried(self.decide(|world, now| commands::release(world, id(n), "", &alice(), now)))
            }
            Event::Refresh(n) => {
                let refresh = Refresh {
                    agents: vec![id(n)],
                    workloads: Vec::new(),
                    reason: String::new(),
                };
                tried(
                    self.decide(|world, now| {
                        commands::refresh(world, refresh.clone(), &alice(), now)
                    }),
                );
            }
            Event::Revoke(n) => tried(
                self.decide(|world, now| commands::revoke_agent(world, id(n), "", &alice(), now)),
            ),
            Event::Remove(n) => tried(
                self.decide(|world, now| commands::remove_agent(world, id(n), "", &alice(), now)),
            ),
            Event::Enrol => {
                let free = (1..=MACHINES).find(|n| !self.world.agents.contains_key(&id(n)));
                if let Some(n) = free {
                    self.enrol(&name(&n), true);
                }
            }
            Event::Sicken(n) => {
                let workload = self.workload.clone();
                let report = self
                    .machines
                    .get_mut(&id(n))
                    .and_then(|machine| machine.regress(&workload));
                if let Some(report) = report.filter(|_| self.is_online(&id(n))) {
                    self.reported(&id(n), report);
                }
            }
            Event::Repeat(nth) => {
                let reports = self.history.iter().filter(|change| {
                    matches!(change, Change::Observation(Observation::Reported { .. }))
                });
                let old = reports.clone().nth(nth % reports.count().max(1)).cloned();
                self.commit(old.into_iter().collect());
            }
            Event::Spoil(n, bad) => {
                if let Some(machine) = self.machines.get_mut(&id(n)) {
                    machine.bad.insert(digest(*bad));
                }
            }
        }
    }

    fn approve(&mut self) {
        if let Some(rollout) = self.newest() {
            let approve = commands::Approve {
                rollout,
                stage: None,
                reason: String::new(),
            };
            tried(
                self.decide(|world, now| commands::approve(world, approve.clone(), &alice(), now)),
            );
        }
    }
}

/// Applies a plan change by change, and checks each at its own moment.
fn check_plan(before: &World, planned: &Plan) {
    let mut world = before.clone();
    for change in &planned.changes {
        if let Change::Decision(Decision { act, .. }) = change {
            check_act(&world, act);
        }
        apply(&mut world, change);
    }
}

fn check_act(world: &World, act: &Act) {
    match act {
        Act::Assigned {
            agent, assignment, ..
        } => {
            let known = &world.agents[agent];
            assert!(
                assignment.generation > known.generation
                    || known
                        .placements
                        .values()
                        .any(|p| p.generation() == known.generation),
                "generations rise"
            );
            if let Purpose::Rollout { rollout, .. } = &assignment.purpose {
                let rollout = &world.rollouts[rollout];
                assert_eq!(
                    rollout.phase,
                    RolloutPhase::Running,
                    "only a rollout that runs assigns"
                );
                assert!(
                    known.is_assignable(),
                    "only machines that are online and not held are assigned"
                );
                assert_eq!(
                    rollout.members[agent].stage as usize, rollout.open_stage,
                    "only the open stage is assigned"
                );
            }
            if matches!(assignment.purpose, Purpose::Stable) {
                assert!(known.is_assignable());
            }
        }
        Act::StageOpened { rollout, stage } => {
            let rollout = &world.rollouts[rollout];
            assert!(
                rollout.stages[..*stage]
                    .iter()
                    .all(|stage| stage.passed_at.is_some()),
                "no stage is skipped"
            );
            let stage = &rollout.stages[*stage];
            assert!(
                stage.rules.approval == Approval::Automatic || stage.approved.is_some(),
                "approved by a person"
            );
        }
        _ => {}
    }
}

fn check(bed: &Bed, wake_at: Option<Timestamp>) {
    let mut rebuilt = bed.world.clone();
    rebuilt.rebuild_index();
    assert_eq!(
        rebuilt.index, bed.world.index,
        "the index follows from the facts"
    );
    for rollout in bed.world.rollouts.values() {
        let running = matches!(
            rollout.phase,
            RolloutPhase::Running | RolloutPhase::AwaitingApproval
        );
        for (number, stage) in rollout.stages.iter().enumerate() {
            let counts = bed.counts(&rollout.id, number);
            assert!(
                counts.in_flight <= stage.max_in_flight,
                "in flight ≤ the limit"
            );
            let known = rollout
                .members
                .values()
                .filter(|m| m.stage as usize == number && m.acknowledged);
            let unknown = counts.failed as usize - known.count();
            if running && stage.opened_at.is_some() {
                assert!(
                    unknown <= stage.failure_budget as usize,
                    "failures ≤ the budget while it runs"
                );
            }
            if stage.opened_at.is_none() {
                assert_eq!(
                    counts.in_flight + counts.settled + counts.staged,
                    0,
                    "closed stages are untouched"
                );
            }
        }
        if !rollout.phase.is_terminal() {
            let explained = !explain_all(&bed.world, &rollout.id, bed.now).is_empty();
            assert!(
                explained || wake_at.is_some() || !rollout.reason.is_empty(),
                "it says what it waits for"
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
            if let Some(digest) = assignment.digest() {
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
            bed.hello(&format!("m{n}"));
            tried(bed.decide(|world, now| {
                commands::release(world, agent(&format!("m{n}")), "", &alice(), now)
            }));
        }
        bed.drive();
        let Some(active) = bed.world.active_rollout(&bed.workload) else {
            return;
        };
        match active.phase {
            RolloutPhase::AwaitingApproval => bed.approve(),
            RolloutPhase::Paused | RolloutPhase::Halted => bed.steered(commands::resume),
            _ => {}
        }
        bed.pass(Duration::from_secs(31));
    }
    let active = bed
        .world
        .active_rollout(&bed.workload)
        .expect("looked at just now");
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
        for event in &events {
            let before = generations(&bed.world);
            for (id, machine) in &bed.machines {
                ran.entry(id.clone()).or_default().extend(machine.running.values().cloned());
            }
            bed.pass(Duration::from_secs(1));
            bed.happen(event);
            let world = bed.world.clone();
            let planned = bed.plan();
            check_plan(&world, &planned);
            check(&bed, planned.wake_at);
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
