//! Random events for a fleet, and how each happens.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pinion_model::{AgentId, FailureKind, RolloutId, Timestamp, WorkloadName};
use proptest::prelude::*;

use super::bed::{Bed, Command, agent, alice, digest, keep, revert, steer};
use super::metric::http;
use crate::commands::{self, HoldAgent, QuarantineDigest, Refresh, RetryAgents, SetLabels};
use crate::{
    Amount, Approval, Budget, Calendar, Change, Check, Cohort, FailureAction, FailureGroup, Freeze,
    Judgement, Observation, OfflinePolicy, PrefetchSpec, Refusal, SickPolicy, StageSpec,
    Strategy as Rules, Supersede, Window,
};

pub(super) const MACHINES: usize = 8;

#[derive(Debug, Clone)]
pub(super) enum Event {
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
    Revert,
    AbortQueued,
    WorkOn(&'static str),
    RollBack,
    Approve,
    Override,
    Relabel(usize, bool),
    Retry,
    Hold(usize),
    Release(usize),
    Refresh(usize),
    Revoke(usize),
    Remove(usize),
    Enrol,
    Sicken(usize),
    Ail(usize, bool),
    Break(usize, FailureKind, bool),
    Repeat(usize),
    Spoil(usize, u8),
    Deny(usize, u8),
    Grant(usize),
    Quarantine(u8),
    Lift(u8),
    Measure(Judgement),
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
    let budget = proptest::option::of(budget());
    let bake = prop_oneof![Just(0), Just(30_u64)];
    (
        cohort,
        approval,
        proptest::option::of(amount()),
        budget,
        bake,
        0..3_u32,
        checks(),
    )
        .prop_map(
            |(cohort, approval, max_in_flight, failure_budget, bake, min_proven, checks)| {
                StageSpec {
                    approval: Some(approval),
                    max_in_flight,
                    failure_budget,
                    bake: Some(Duration::from_secs(bake)),
                    min_proven: Some(min_proven),
                    checks,
                    ..StageSpec::of(cohort)
                }
            },
        )
}

fn kind() -> impl Strategy<Value = FailureKind> {
    proptest::sample::select(FailureKind::ALL)
}

fn budget() -> impl Strategy<Value = Budget> {
    let amount = prop_oneof![
        (0..3_u32).prop_map(Amount::Count),
        prop_oneof![Just(0), Just(100), 1..100_u32].prop_map(Amount::Percent)
    ];
    let sample = prop_oneof![2 => Just(0), 1 => 1..5_u32];
    (amount, sample).prop_map(|(amount, min_sample)| Budget { amount, min_sample })
}

fn budgets() -> impl Strategy<Value = BTreeMap<FailureGroup, Budget>> {
    let group = proptest::sample::select(&FailureGroup::ALL[..]);
    proptest::collection::btree_map(group, budget(), 0..3)
}

/// What a strategy may say of limits and of machines that are sick.
fn limits() -> impl Strategy<Value = Rules> {
    let sick = prop_oneof![Just(SickPolicy::Include), Just(SickPolicy::Skip)];
    let spread_by = prop_oneof![Just(None), Just(Some("at".to_owned()))];
    (
        proptest::option::of(amount()),
        any::<bool>(),
        any::<bool>(),
        sick,
        spread_by,
        budgets(),
    )
        .prop_map(
            |(max_unavailable, count_baseline, strict, sick, spread_by, budgets)| Rules {
                max_unavailable,
                count_baseline: Some(count_baseline),
                strict: Some(strict),
                sick: Some(sick),
                spread_by,
                budgets,
                ..Rules::default()
            },
        )
}

fn judgement() -> impl Strategy<Value = Judgement> {
    prop_oneof![
        4 => Just(Judgement::Success),
        1 => Just(Judgement::Inconclusive),
        1 => Just(Judgement::Failure),
    ]
}

fn checks() -> impl Strategy<Value = Vec<Check>> {
    let check = (1..3_u32, 0..2_u32, any::<bool>());
    let check = check.prop_map(|(samples, failure_limit, dry_run)| Check {
        samples,
        failure_limit,
        dry_run,
        ..http("smoke")
    });
    prop_oneof![3 => Just(Vec::new()), 1 => check.prop_map(|check| vec![check])]
}

/// Freezes of seconds for everybody, and minutes of the first hour of a day for
/// machines that are labelled so.
fn calendar() -> impl Strategy<Value = Calendar> {
    let freeze = (1_000..1_060_u64, 1..40_u64).prop_map(|(from, seconds)| Freeze {
        from: Timestamp(from * 1_000),
        until: Timestamp((from + seconds) * 1_000),
        reason: "holidays".into(),
        agents: pinion_model::LabelSelector::default(),
    });
    let window = (16..30_u8, 1..10_u64).prop_map(|(minute, minutes)| Window {
        agents: pinion_model::LabelSelector([("at".to_owned(), "night".to_owned())].into()),
        days: BTreeSet::new(),
        start: format!("00:{minute}").parse().expect("a time"),
        duration: Duration::from_secs(minutes * 60),
        time_zone: "UTC".parse().expect("a zone"),
    });
    let calendar = (
        proptest::collection::vec(window, 0..3),
        proptest::collection::vec(freeze, 0..3),
    );
    let calendar = calendar.prop_map(|(windows, freezes)| Calendar { windows, freezes });
    prop_oneof![Just(Calendar::default()), calendar]
}

fn prefetch() -> impl Strategy<Value = PrefetchSpec> {
    let budget = (0..3_u32, 0..4_u32).prop_map(|(n, min_sample)| Budget {
        amount: Amount::Count(n),
        min_sample,
    });
    (amount(), budget).prop_map(|(max_in_flight, failure_budget)| PrefetchSpec {
        max_in_flight: Some(max_in_flight),
        failure_budget: Some(failure_budget),
    })
}

fn rules() -> impl Strategy<Value = Rules> {
    let action = prop_oneof![Just(FailureAction::Halt), Just(FailureAction::Rollback)];
    let offline = prop_oneof![
        Just(OfflinePolicy::Wait),
        Just(OfflinePolicy::Skip),
        Just(OfflinePolicy::Fail)
    ];
    let stages = proptest::collection::vec(stage(), 1..4);
    let ahead = (
        proptest::option::of(prefetch()),
        proptest::option::of(1..4_u32),
        proptest::option::of(amount()),
    );
    let rules = (stages, action, offline, calendar(), ahead, limits());
    let rules = rules.prop_map(|(stages, action, offline, calendar, ahead, limits)| Rules {
        stages,
        calendar,
        on_failure: Some(action),
        offline: Some(offline),
        prefetch: ahead.0,
        quarantine_after: ahead.1,
        rollback_in_flight: ahead.2,
        max_in_flight: Some(Amount::Percent(100)),
        ..limits
    });
    (rules, company()).prop_map(|(rules, (supersede, after))| Rules {
        supersede: Some(supersede),
        after,
        ..rules
    })
}

/// How a rollout goes with those of its own workload, and of the other.
fn company() -> impl Strategy<Value = (Supersede, BTreeSet<WorkloadName>)> {
    let supersede = prop_oneof![
        2 => Just(Supersede::Replace),
        1 => Just(Supersede::Queue),
        1 => Just(Supersede::Reject),
    ];
    let after = prop_oneof![3 => Just(None), 1 => Just(Some("app")), 1 => Just(Some("web"))];
    let after = after.prop_map(|name| {
        let name = name.map(|name| name.parse().expect("a workload"));
        name.into_iter().collect()
    });
    (supersede, after)
}

pub(super) fn event() -> impl Strategy<Value = Event> {
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
        1 => Just(Event::Revert),
        1 => Just(Event::AbortQueued),
        2 => prop_oneof![Just("app"), Just("web")].prop_map(Event::WorkOn),
        1 => Just(Event::RollBack),
        3 => Just(Event::Approve),
        1 => Just(Event::Override),
        1 => (machine(), any::<bool>()).prop_map(|(machine, night)| Event::Relabel(machine, night)),
        1 => Just(Event::Retry),
        1 => machine().prop_map(Event::Hold),
        1 => machine().prop_map(Event::Release),
        1 => machine().prop_map(Event::Refresh),
        1 => machine().prop_map(Event::Revoke),
        1 => machine().prop_map(Event::Remove),
        1 => Just(Event::Enrol),
        1 => machine().prop_map(Event::Sicken),
        3 => (machine(), any::<bool>()).prop_map(|(machine, sick)| Event::Ail(machine, sick)),
        2 => (machine(), kind(), 0..4_u8)
            .prop_map(|(machine, kind, n)| Event::Break(machine, kind, n == 0)),
        2 => (0..400_usize).prop_map(Event::Repeat),
        1 => (machine(), 2..5_u8).prop_map(|(machine, n)| Event::Spoil(machine, n)),
        2 => (machine(), 2..5_u8).prop_map(|(machine, n)| Event::Deny(machine, n)),
        1 => machine().prop_map(Event::Grant),
        1 => (2..5_u8).prop_map(Event::Quarantine),
        2 => (2..5_u8).prop_map(Event::Lift),
        3 => judgement().prop_map(Event::Measure),
    ]
}

fn name(n: usize) -> String {
    format!("m{n}")
}

fn id(n: usize) -> AgentId {
    agent(&name(n))
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

    pub(super) fn steered(&mut self, command: Command) {
        if let Some(id) = self.newest() {
            tried(self.decide(|world, now| command(world, steer(&id), &alice(), now)));
        }
    }

    pub(super) fn happen(&mut self, event: &Event) {
        match event {
            Event::Step(n) => self.work(*n..=*n),
            Event::StepAll => self.work(1..=MACHINES),
            Event::Offline(n) => self.offline(&name(*n)),
            Event::Hello(n) => self.hello(&name(*n)),
            Event::Pass(seconds) => self.pass(Duration::from_secs(*seconds)),
            Event::Restart => self.observe(Observation::Started { at: self.now }),
            Event::Sicken(n) => self.sicken(&id(*n)),
            Event::Ail(n, sick) => self.ail(*n, *sick),
            Event::Break(n, kind, lossy) => self.damage(&id(*n), *kind, *lossy),
            Event::Repeat(nth) => self.repeat(*nth),
            Event::Spoil(n, bad) => self.spoil(&id(*n), *bad),
            Event::Deny(n, bad) => self.deny(&id(*n), *bad),
            Event::Grant(n) => self.grant(&id(*n)),
            Event::Enrol => self.enrol_one(),
            Event::WorkOn(workload) => self.work_on(workload),
            Event::Measure(outcome) => self.measure(*outcome),
            _ => self.operate(event),
        }
    }

    fn work(&mut self, machines: std::ops::RangeInclusive<usize>) {
        for n in machines {
            self.step(&name(n));
        }
    }

    fn operate(&mut self, event: &Event) {
        match event {
            Event::RollOut(n, rules) => self.try_roll_out(*n, rules),
            Event::Pause => self.steered(commands::pause),
            Event::Resume => self.steered(commands::resume),
            Event::Abort => self.steered(keep),
            Event::Revert => self.steered(revert),
            Event::AbortQueued => self.abort_queued(),
            Event::RollBack => self.steered(commands::roll_back),
            Event::Approve => self.approve_newest(),
            Event::Override => self.steered(commands::override_windows),
            Event::Relabel(n, night) => self.name_night(&id(*n), *night),
            Event::Retry => self.retry(),
            Event::Quarantine(n) => self.quarantine(*n),
            Event::Lift(n) => self.lift(*n),
            Event::Hold(n) => self.hold(&id(*n)),
            Event::Release(n) => self.release(*n),
            Event::Refresh(n) => self.refresh(&id(*n)),
            Event::Revoke(n) => {
                tried(
                    self.decide(|world, now| {
                        commands::revoke_agent(world, id(*n), "", &alice(), now)
                    }),
                );
            }
            Event::Remove(n) => {
                tried(
                    self.decide(|world, now| {
                        commands::remove_agent(world, id(*n), "", &alice(), now)
                    }),
                );
            }
            _ => unreachable!("happens without an operator"),
        }
    }

    fn quarantine(&mut self, n: u8) {
        let request = QuarantineDigest {
            digest: digest(n),
            workload: self.workload.clone(),
            reason: "distrust".to_owned(),
        };
        tried(
            self.decide(|world, now| commands::quarantine(world, request.clone(), &alice(), now)),
        );
    }

    pub(super) fn lift(&mut self, n: u8) {
        tried(self.decide(|world, now| {
            commands::lift_quarantine(world, &digest(n), "trust", &alice(), now)
        }));
    }

    fn deny(&mut self, id: &AgentId, bad: u8) {
        if let Some(machine) = self.machines.get_mut(id) {
            let denied = FailureKind::Credentials;
            machine.out_of_reach.insert(digest(bad), denied);
        }
    }

    fn grant(&mut self, id: &AgentId) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.out_of_reach.clear();
        }
    }

    fn abort_queued(&mut self) {
        if let Some(queued) = self.world.queued_rollout(&self.workload) {
            let queued = steer(&queued.id);
            tried(self.decide(|world, now| keep(world, queued.clone(), &alice(), now)));
        }
    }

    fn try_roll_out(&mut self, n: u8, rules: &Rules) {
        tried(self.try_promote(n));
        let request = commands::StartRollout {
            workload: self.workload.clone(),
            pin: None,
            strategy: rules.clone(),
            agents: pinion_model::LabelSelector::default(),
            reason: String::new(),
        };
        tried(
            self.decide(|world, now| {
                commands::start_rollout(world, request.clone(), &alice(), now)
            }),
        );
    }

    fn retry(&mut self) {
        if let Some(rollout) = self.newest() {
            let retry = RetryAgents {
                rollout,
                agents: Vec::new(),
                reason: String::new(),
            };
            tried(self.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now)));
        }
    }

    fn hold(&mut self, agent: &AgentId) {
        let expires_at = Some(self.now + Duration::from_secs(300));
        let hold = HoldAgent {
            agent: agent.clone(),
            reason: "care".into(),
            expires_at,
        };
        tried(self.decide(|world, now| commands::hold(world, hold.clone(), &alice(), now)));
    }

    pub(super) fn release(&mut self, n: usize) {
        tried(self.decide(|world, now| commands::release(world, id(n), "", &alice(), now)));
    }

    /// Some follow the window of the random strategies, and some do not.
    fn name_night(&mut self, agent: &AgentId, night: bool) {
        let at = if night { "night" } else { "" };
        let labels = SetLabels {
            agent: agent.clone(),
            labels: [("at".to_owned(), at.to_owned())].into(),
        };
        tried(self.decide(|world, now| commands::set_labels(world, labels.clone(), &alice(), now)));
    }

    fn refresh(&mut self, agent: &AgentId) {
        let refresh = Refresh {
            agents: vec![agent.clone()],
            workloads: Vec::new(),
            reason: String::new(),
        };
        tried(self.decide(|world, now| commands::refresh(world, refresh.clone(), &alice(), now)));
    }

    fn enrol_one(&mut self) {
        let free = (1..=MACHINES).find(|n| !self.world.agents.contains_key(&id(*n)));
        if let Some(n) = free {
            self.enrol(&name(n), true);
        }
    }

    fn sicken(&mut self, id: &AgentId) {
        let workload = self.workload.clone();
        let report = self
            .machines
            .get_mut(id)
            .and_then(|machine| machine.regress(&workload));
        if let Some(report) = report.filter(|_| self.is_online(id)) {
            self.reported(id, report);
        }
    }

    /// A machine's containers sicken or heal by themselves, and are seen so
    /// unless it is offline.
    fn ail(&mut self, n: usize, sick: bool) {
        let agent = id(n);
        if let Some(machine) = self.machines.get_mut(&agent) {
            machine.sick = sick;
        }
        if self.is_online(&agent) {
            self.tell_inventory(&name(n));
        }
    }

    pub(super) fn repair(&mut self, n: usize) {
        if let Some(machine) = self.machines.get_mut(&id(n)) {
            machine.repair();
        }
    }

    /// From now on what fails there fails in this way, and takes the old
    /// container with it.
    fn damage(&mut self, id: &AgentId, kind: FailureKind, lossy: bool) {
        if let Some(machine) = self.machines.get_mut(id) {
            (machine.kind, machine.lossy) = (Some(kind), lossy);
        }
    }

    /// An old report comes once more.
    fn repeat(&mut self, nth: usize) {
        let reports = self.history.iter();
        let reports = reports
            .filter(|change| matches!(change, Change::Observation(Observation::Reported { .. })));
        let old = reports.clone().nth(nth % reports.count().max(1)).cloned();
        self.commit(old.into_iter().collect());
    }

    fn spoil(&mut self, id: &AgentId, bad: u8) {
        if let Some(machine) = self.machines.get_mut(id) {
            machine.bad.insert(digest(bad));
        }
    }

    pub(super) fn approve_newest(&mut self) {
        if let Some(rollout) = self.newest() {
            let approval = self.approval(&rollout, None);
            tried(self.approve(&approval));
        }
    }
}
