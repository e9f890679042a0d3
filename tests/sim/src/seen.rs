//! What the engine was seen to do, so that a capability that no run uses shows as 0.

use pinion_model::{Actor, AgentPhase, FailureKind, RolloutPhase};
use pinion_rollout::{
    Act, Amount, Assignment, Change, Decision, FailureGroup, Gate, Judgement, Observation,
    OfflinePolicy, Purpose, Reason, SickPolicy, Spec, explain_all,
};

use pinion_rollout::commands::AbortMode;

use crate::sim::Sim;
use crate::totals::counted;

counted! {
    /// Something that the engine did, or held back.
    Seen {
        WithSpread => "rollouts spread by a label",
        WithPrefetch => "rollouts with a prefetch",
        WithMaxUnavailable => "rollouts with a limit of unavailable machines",
        WithBaseline => "rollouts that count machines that were sick before",
        WithStrict => "rollouts that are strict",
        WithBudgets => "rollouts with budgets by kind of failure",
        WithNothingToLose => "rollouts with a stage whose budget is 0",
        WithEverythingToLose => "rollouts with a stage whose budget is 100 %",
        WithOfflineWait => "rollouts that wait for offline machines",
        WithOfflineSkip => "rollouts that skip offline machines",
        WithOfflineFail => "rollouts that fail offline machines",
        WithSickSkip => "rollouts that skip machines that were sick before",
        WithAfter => "rollouts that go after another workload",
        WithWindows => "rollouts with windows",
        WithFreezes => "rollouts with freezes",
        WithChecks => "rollouts with checks",
        Completed => "rollouts completed",
        RolledBack => "rollouts rolled back",
        AbortedKeep => "rollouts aborted, what was done is kept",
        AbortedRevert => "rollouts aborted and reverted",
        Superseded => "rollouts superseded",
        Queued => "rollouts queued behind another",
        Rejected => "rollouts rejected because another was active",
        HaltedByBudget => "halts: failure budget",
        HaltedByRollbackFailed => "halts: an old container did not come back",
        HaltedByMinProven => "halts: too few proved it",
        HaltedByPrefetch => "halts: prefetch",
        HaltedByQuarantine => "halts: quarantine",
        HaltedByMetric => "halts: a check",
        HaltedByNobody => "halts: nobody is left",
        Paused => "pauses",
        Resumed => "resumptions",
        PrefetchPassed => "prefetches passed",
        StagePassed => "stages passed",
        StageApproved => "stages approved",
        WindowsMoved => "windows and freezes that began or ended",
        Overridden => "overrides of windows and freezes",
        Retried => "retries",
        Joined => "machines that joined a rollout late",
        Refreshed => "machines sent to the stable digest by an operator",
        QuarantineImposed => "quarantines imposed by the planner",
        QuarantineByHand => "quarantines by hand",
        QuarantineLifted => "quarantines lifted",
        Held => "machines held",
        Released => "machines released",
        HoldExpired => "holds that expired",
        FleetHeld => "fleet holds placed",
        FleetReleased => "fleet holds lifted or expired",
        Revoked => "machines revoked",
        GenerationRaised => "generations raised above what an agent knew",
        Turn => "assignments: a machine's turn",
        PullAhead => "assignments: pull ahead",
        Restore => "assignments: back to what ran before",
        Adopt => "assignments: what the machine restored by itself",
        CatchUp => "assignments: the stable digest",
        Withdraw => "assignments: withdrawn",
        CheckPassed => "checks answered: success",
        CheckFailed => "checks answered: failure",
        CheckInconclusive => "checks answered: inconclusive",
        Prefetched => "machines that reported: prefetched",
        Settled => "machines that reported: settled",
        WentBack => "machines that reported: rolled back",
        DidNotGoBack => "machines that reported: rollback failed",
        Staged => "machines that reported: staged",
        Refused => "machines that reported: refused",
        Withdrawn => "machines that reported: withdrawn",
        FailedPull => "failures: pull",
        FailedCredentials => "failures: credentials",
        FailedStart => "failures: start",
        FailedHealth => "failures: health",
        FailedTimeout => "failures: timeout",
        FailedPolicy => "failures: refused by policy",
        FailedOffline => "failures: offline",
        WaitsInFlight => "machines explained: limit in flight",
        WaitsUnavailable => "machines explained: limit of unavailable machines",
        WaitsStrict => "machines explained: strict",
        WaitsSick => "machines explained: sick before",
        WaitsBusy => "machines explained: busy with another workload",
        WaitsAfter => "machines explained: another workload goes first",
        WaitsOffline => "machines explained: offline",
        WaitsWindow => "machines explained: outside their window",
        WaitsFreeze => "machines explained: frozen",
        WaitsHeld => "machines explained: held",
        WaitsApproval => "machines explained: awaiting approval",
        WaitsPrefetch => "machines explained: prefetch not over",
        WaitsQuarantine => "machines explained: quarantined",
        WaitsQueued => "machines explained: queued",
        WaitsJoin => "machines explained: joins late",
    }
}

impl Sim {
    /// What a change shows, before it is applied.
    pub(crate) fn note(&mut self, change: &Change) {
        match change {
            Change::Decision(decision) => self.note_decision(decision),
            Change::Observation(Observation::Reported { report, .. }) => {
                self.saw(of_phase(report.phase));
                let failure = report.failure.as_ref();
                self.saw(failure.map(|failure| of_failure(failure.kind)));
            }
            Change::Observation(Observation::Probed { sample, .. }) => {
                self.saw(Some(match sample.outcome {
                    Judgement::Success => Seen::CheckPassed,
                    Judgement::Failure => Seen::CheckFailed,
                    Judgement::Inconclusive => Seen::CheckInconclusive,
                }));
            }
            Change::Observation(_) => {}
        }
    }

    fn saw(&mut self, seen: Option<Seen>) {
        if let Some(seen) = seen {
            self.totals.saw(seen, 1);
        }
    }

    fn note_decision(&mut self, decision: &Decision) {
        match &decision.act {
            Act::RolloutStarted { rollout } => {
                for seen in of_spec(&rollout.spec) {
                    self.totals.saw(seen, 1);
                }
                let replaced = rollout.replaces.is_some();
                self.saw(replaced.then_some(Seen::Superseded));
            }
            Act::RolloutEnded { phase, .. } => self.saw(of_end(*phase)),
            Act::DigestQuarantined { .. } => {
                self.saw(Some(match decision.actor {
                    Actor::System => Seen::QuarantineImposed,
                    _ => Seen::QuarantineByHand,
                }));
            }
            Act::MemberFailed { failure, .. } | Act::PrefetchFailed { failure, .. } => {
                self.saw(Some(of_failure(failure.kind)));
            }
            Act::Assigned { assignment, .. } => {
                let by_hand =
                    assignment.purpose == Purpose::Stable && decision.actor != Actor::System;
                self.saw(by_hand.then_some(Seen::Refreshed));
                self.saw(of_assignment(assignment));
            }
            Act::RolloutHalted { gate, .. } => self.saw(Some(of_gate(*gate))),
            Act::RolloutAborted { mode, .. } => self.saw(Some(match mode {
                AbortMode::Keep => Seen::AbortedKeep,
                AbortMode::Revert => Seen::AbortedRevert,
            })),
            act => self.saw(of_act(act)),
        }
    }

    /// Now and then: what everybody waits for. Seldom on a large fleet, for
    /// everybody is asked.
    pub(crate) fn note_reasons(&mut self, coordinator: usize) {
        const AT_LEAST: usize = 200;
        self.watch.since_explained += 1;
        if self.watch.since_explained < self.machines.len().max(AT_LEAST) {
            return;
        }
        self.watch.since_explained = 0;
        let world = &self.coordinators[coordinator].view.world;
        let now = self.now;
        let rollouts = world.rollouts.values();
        let active = rollouts.filter(|rollout| !rollout.phase.is_terminal());
        let reasons = active.flat_map(|rollout| explain_all(world, &rollout.id, now));
        let seen: Vec<_> = reasons
            .filter_map(|(_, reason)| of_reason(&reason))
            .collect();
        for seen in seen {
            self.totals.saw(seen, 1);
        }
    }
}

fn of_spec(spec: &Spec) -> Vec<Seen> {
    let budget = |amount| {
        let mut stages = spec.stages.iter();
        stages.any(|stage| stage.failure_budget.amount == amount)
    };
    let stages = || spec.stages.iter();
    let all = [
        (spec.spread_by.is_some(), Seen::WithSpread),
        (spec.prefetch.is_some(), Seen::WithPrefetch),
        (spec.max_unavailable.is_some(), Seen::WithMaxUnavailable),
        (spec.count_baseline, Seen::WithBaseline),
        (spec.strict, Seen::WithStrict),
        (
            stages().any(|stage| !stage.budgets.is_empty()),
            Seen::WithBudgets,
        ),
        (budget(Amount::Count(0)), Seen::WithNothingToLose),
        (budget(Amount::Percent(100)), Seen::WithEverythingToLose),
        (spec.offline == OfflinePolicy::Wait, Seen::WithOfflineWait),
        (spec.offline == OfflinePolicy::Skip, Seen::WithOfflineSkip),
        (spec.offline == OfflinePolicy::Fail, Seen::WithOfflineFail),
        (spec.sick == SickPolicy::Skip, Seen::WithSickSkip),
        (!spec.after.is_empty(), Seen::WithAfter),
        (!spec.calendar.windows.is_empty(), Seen::WithWindows),
        (!spec.calendar.freezes.is_empty(), Seen::WithFreezes),
        (
            stages().any(|stage| !stage.checks.is_empty()),
            Seen::WithChecks,
        ),
    ];
    let has = all.into_iter().filter(|(has, _)| *has);
    has.map(|(_, seen)| seen).collect()
}

fn of_act(act: &Act) -> Option<Seen> {
    Some(match act {
        Act::RolloutQueued { .. } => Seen::Queued,
        Act::PrefetchPassed { .. } => Seen::PrefetchPassed,
        Act::StagePassed { .. } => Seen::StagePassed,
        Act::StageApproved { .. } => Seen::StageApproved,
        Act::RolloutPaused { .. } => Seen::Paused,
        Act::RolloutResumed { .. } => Seen::Resumed,
        Act::WindowsMoved { .. } => Seen::WindowsMoved,
        Act::WindowsOverridden { .. } => Seen::Overridden,
        Act::AgentsRetried { .. } => Seen::Retried,
        Act::MemberJoined { .. } => Seen::Joined,
        Act::RefreshAsked { .. } => Seen::Refreshed,
        Act::QuarantineLifted { .. } => Seen::QuarantineLifted,
        Act::GenerationRaised { .. } => Seen::GenerationRaised,
        Act::AgentHeld { .. } => Seen::Held,
        Act::AgentReleased { .. } => Seen::Released,
        Act::HoldExpired { .. } => Seen::HoldExpired,
        Act::HoldPlaced { .. } => Seen::FleetHeld,
        Act::HoldLifted { .. } => Seen::FleetReleased,
        Act::AgentRevoked { .. } => Seen::Revoked,
        _ => return None,
    })
}

/// The end of an abort is counted where it begins, by what is to become of it.
fn of_end(phase: RolloutPhase) -> Option<Seen> {
    match phase {
        RolloutPhase::Completed => Some(Seen::Completed),
        RolloutPhase::RolledBack => Some(Seen::RolledBack),
        RolloutPhase::Superseded => Some(Seen::Superseded),
        _ => None,
    }
}

fn of_gate(gate: Gate) -> Seen {
    match gate {
        Gate::FailureBudget => Seen::HaltedByBudget,
        Gate::RollbackFailed => Seen::HaltedByRollbackFailed,
        Gate::MinProven => Seen::HaltedByMinProven,
        Gate::Prefetch => Seen::HaltedByPrefetch,
        Gate::Quarantine => Seen::HaltedByQuarantine,
        Gate::Metric => Seen::HaltedByMetric,
        Gate::Nobody => Seen::HaltedByNobody,
    }
}

fn of_assignment(assignment: &Assignment) -> Option<Seen> {
    match assignment.purpose {
        Purpose::Rollout { .. } => Some(Seen::Turn),
        Purpose::Prefetch { .. } => assignment.prefetch.as_ref().map(|_| Seen::PullAhead),
        Purpose::Restore { .. } => Some(Seen::Restore),
        Purpose::Adopt { .. } => Some(Seen::Adopt),
        Purpose::Stable => Some(Seen::CatchUp),
        Purpose::Withdraw { .. } => Some(Seen::Withdraw),
    }
}

fn of_phase(phase: AgentPhase) -> Option<Seen> {
    match phase {
        AgentPhase::Prefetched => Some(Seen::Prefetched),
        AgentPhase::Settled => Some(Seen::Settled),
        AgentPhase::RolledBack => Some(Seen::WentBack),
        AgentPhase::RollbackFailed => Some(Seen::DidNotGoBack),
        AgentPhase::Staged => Some(Seen::Staged),
        AgentPhase::Refused => Some(Seen::Refused),
        AgentPhase::Withdrawn => Some(Seen::Withdrawn),
        _ => None,
    }
}

fn of_failure(kind: FailureKind) -> Seen {
    match FailureGroup::of(kind) {
        FailureGroup::Pull => Seen::FailedPull,
        FailureGroup::Credentials => Seen::FailedCredentials,
        FailureGroup::Start => Seen::FailedStart,
        FailureGroup::Health => Seen::FailedHealth,
        FailureGroup::Timeout => Seen::FailedTimeout,
        FailureGroup::Policy => Seen::FailedPolicy,
        FailureGroup::Offline => Seen::FailedOffline,
    }
}

fn of_reason(reason: &Reason) -> Option<Seen> {
    Some(match reason.word {
        "limit_in_flight" => Seen::WaitsInFlight,
        "limit_unavailable" => Seen::WaitsUnavailable,
        "limit_strict" => Seen::WaitsStrict,
        "sick_before" => Seen::WaitsSick,
        "busy" => Seen::WaitsBusy,
        "after" => Seen::WaitsAfter,
        "offline" => Seen::WaitsOffline,
        "outside_window" => Seen::WaitsWindow,
        "freeze" => Seen::WaitsFreeze,
        "held" => Seen::WaitsHeld,
        "awaiting_approval" => Seen::WaitsApproval,
        "prefetch_not_passed" | "prefetching" => Seen::WaitsPrefetch,
        "quarantined" => Seen::WaitsQuarantine,
        "queued" => Seen::WaitsQueued,
        "joins_late" => Seen::WaitsJoin,
        _ => return None,
    })
}
