//! Metric gate: what is measured between stages, and what comes of it.

use std::time::Duration;

use pinion_model::{RolloutId, RolloutPhase, Timestamp};

use super::bed::{Bed, alice, count, rest, strategy};
use crate::gates::{Verdict, View, metric};
use crate::{
    Act, Change, Check, Decision, DueProbe, FailureAction, Gate, HttpGet, Judgement, Observation,
    Probe, Sample, StageSpec, Strategy, commands, due_probes, summary, waiting_for,
};
use Judgement::{Failure, Inconclusive, Success};

pub(super) const INTERVAL: Duration = Duration::from_secs(10);
pub(super) const TIMEOUT: Duration = Duration::from_secs(300);

pub(super) fn http(name: &str) -> Check {
    let probe = Probe::Http(HttpGet::of("http://app/health"));
    Check::of(name.parse().expect("a name"), probe)
}

/// One machine, then the rest; these checks in between.
pub(super) fn checked(checks: Vec<Check>) -> Strategy {
    let first = StageSpec { checks, ..count(1) };
    strategy(vec![first, rest()])
}

impl Bed {
    /// Everything that is due gives this.
    pub(super) fn measure(&mut self, outcome: Judgement) {
        for due in due_probes(&self.world, self.now).due {
            self.sampled(&due, self.now, outcome);
        }
    }

    pub(super) fn sampled(&mut self, due: &DueProbe, asked_at: Timestamp, outcome: Judgement) {
        self.observe(Observation::Probed {
            rollout: due.rollout.clone(),
            stage: due.stage.clone(),
            check: due.check.clone(),
            asked_at,
            sample: Sample::new(outcome, format!("{outcome:?}")),
            at: self.now,
        });
    }

    pub(super) fn due(&self) -> Vec<DueProbe> {
        due_probes(&self.world, self.now).due
    }

    /// Two machines, the first of which is done; what is due next.
    pub(super) fn waiting(strategy: Strategy) -> (Self, RolloutId) {
        let mut bed = Self::new(2);
        let id = bed.roll_out(2, strategy);
        bed.drive();
        (bed, id)
    }

    /// One sample after the other, each when it is due, and then the plan.
    pub(super) fn measured(&mut self, outcomes: &[Judgement]) {
        for outcome in outcomes {
            self.measure(*outcome);
            self.drive();
            self.pass(INTERVAL);
        }
    }

    pub(super) fn waits(&self, id: &RolloutId) -> String {
        waiting_for(&self.world, id, 0, self.now).join(" | ")
    }

    pub(super) fn halted_by(&self, id: &RolloutId) -> Option<Gate> {
        self.rollout(id).halted_by
    }
}

/// Like [`Verdict`], in a word.
fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Wait(_) => "wait",
        Verdict::Fail(_) => "fail",
        Verdict::Stop(stop) if stop.inconclusive => "inconclusive",
        Verdict::Stop(_) => "stop",
    }
}

#[test]
fn metric_passes_stops_or_waits_by_what_was_measured() {
    let late = TIMEOUT - INTERVAL;
    for (samples, failure_limit, dry_run, outcomes, after, answer) in [
        (1, 0, false, vec![], 0, "wait"),
        (1, 0, false, vec![Success], 0, "pass"),
        (3, 0, false, vec![Success, Success], 0, "wait"),
        (3, 0, false, vec![Success, Success, Success], 0, "pass"),
        (1, 0, false, vec![Failure], 0, "stop"),
        (1, 1, false, vec![Failure], 0, "wait"),
        (1, 1, false, vec![Failure, Failure], 0, "stop"),
        (1, 1, false, vec![Failure, Success], 0, "pass"),
        (2, 9, false, vec![Success, Failure, Success], 0, "wait"),
        (2, 0, false, vec![Success, Inconclusive, Success], 0, "wait"),
        (1, 0, false, vec![Inconclusive], 0, "wait"),
        (1, 0, false, vec![Inconclusive], late.as_secs() - 1, "wait"),
        (
            1,
            0,
            false,
            vec![Inconclusive],
            late.as_secs(),
            "inconclusive",
        ),
        (1, 0, false, vec![Success], 9999, "pass"),
        (1, 0, false, vec![Failure], 9999, "stop"),
        (1, 0, false, vec![], 9999, "wait"),
        (1, 0, true, vec![], 0, "wait"),
        (1, 0, true, vec![Success], 0, "pass"),
        (1, 0, true, vec![Failure], 0, "pass"),
        (1, 0, true, vec![Inconclusive], 0, "wait"),
        (1, 0, true, vec![Inconclusive], late.as_secs(), "pass"),
    ] {
        let check = Check {
            samples,
            failure_limit,
            dry_run,
            ..http("smoke")
        };
        let (mut bed, id) = Bed::waiting(checked(vec![check]));
        for outcome in &outcomes {
            bed.measure(*outcome);
            bed.pass(INTERVAL);
        }
        bed.pass(Duration::from_secs(after));
        let view = View::all(&bed.world, bed.rollout(&id), bed.now).next();
        let verdict = metric::check(view.expect("a stage"));
        let case = format!("{samples} {failure_limit} {dry_run} {outcomes:?} {after}");
        assert_eq!(word(&verdict), answer, "{case}: {verdict:?}");
    }
}

#[test]
fn metric_stops_for_a_failure_before_it_stops_for_what_is_inconclusive() {
    let slow = Check {
        timeout: INTERVAL,
        ..http("slow")
    };
    let (mut bed, id) = Bed::waiting(checked(vec![slow, http("smoke")]));
    let due = bed.due();
    bed.sampled(&due[0], bed.now, Inconclusive);
    bed.sampled(&due[1], bed.now, Failure);
    bed.pass(INTERVAL);
    let view = View::all(&bed.world, bed.rollout(&id), bed.now).next();
    assert_eq!(word(&metric::check(view.expect("a stage"))), "stop");
}

#[test]
fn the_next_stage_opens_once_every_check_has_passed() {
    let errors = Check {
        samples: 2,
        ..http("errors")
    };
    let (mut bed, id) = Bed::waiting(checked(vec![errors, http("smoke")]));
    assert_eq!(bed.rollout(&id).open_stage, 0);
    assert_eq!(
        bed.waits(&id),
        "checks of stage 1: errors: no sample yet; smoke: no sample yet"
    );
    assert!(summary(&bed.world, &id, bed.now).contains("no sample yet"));
    bed.measured(&[Success]);
    assert_eq!(
        bed.waits(&id),
        "checks of stage 1: errors: 1 of 2 success(es) in a row; the last sample: Success"
    );
    let due: Vec<_> = bed.due().into_iter().map(|due| due.check).collect();
    assert_eq!(
        due,
        ["errors".parse().expect("a name")],
        "what passed is asked no more"
    );
    bed.measured(&[Success]);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
    assert_eq!(bed.rollout(&id).stages[0].note, "");
}

#[test]
fn nothing_is_measured_before_the_machines_are_done_and_the_bake_is_over() {
    let mut bed = Bed::new(2);
    let first = StageSpec {
        bake: Some(Duration::from_secs(60)),
        checks: vec![http("smoke")],
        ..count(1)
    };
    let id = bed.roll_out(2, strategy(vec![first, rest()]));
    bed.plan();
    assert_eq!(due_probes(&bed.world, bed.now), crate::DueProbes::default());
    bed.drive();
    let baked = bed.now + Duration::from_secs(60);
    let due = due_probes(&bed.world, bed.now);
    assert_eq!((due.due.len(), due.next), (0, Some(baked)));
    assert!(!bed.waits(&id).contains("smoke"), "{}", bed.waits(&id));
    bed.pass(Duration::from_secs(60));
    assert_eq!(bed.due().len(), 1);
}

#[test]
fn samples_are_taken_an_interval_apart_and_the_plan_wakes_at_the_timeout() {
    let check = Check {
        samples: 9,
        ..http("smoke")
    };
    let (mut bed, _) = Bed::waiting(checked(vec![check]));
    assert_eq!(bed.plan().wake_at, None, "nothing was asked yet");
    bed.measure(Success);
    let first = bed.now;
    let due = due_probes(&bed.world, bed.now);
    assert_eq!((due.due.len(), due.next), (0, Some(first + INTERVAL)));
    bed.pass(Duration::from_secs(9));
    assert_eq!(bed.due().len(), 0);
    bed.pass(Duration::from_secs(1));
    assert_eq!(bed.due().len(), 1);
    assert_eq!(bed.plan().wake_at, Some(first + TIMEOUT));
}

#[test]
fn a_check_that_fails_does_what_the_strategy_says() {
    for (action, phase) in [
        (FailureAction::Halt, RolloutPhase::Halted),
        (FailureAction::Rollback, RolloutPhase::RolledBack),
    ] {
        let rules = Strategy {
            on_failure: Some(action),
            ..checked(vec![http("smoke")])
        };
        let (mut bed, id) = Bed::waiting(rules);
        bed.measured(&[Failure]);
        assert_eq!(bed.phase(&id), phase);
        let told = bed.history.iter().any(|change| {
            let Change::Decision(Decision { act, .. }) = change else {
                return false;
            };
            match act {
                Act::RolloutHalted { reason, .. } | Act::RollbackStarted { reason, .. } => reason
                    .starts_with(
                        "stage 1: check smoke failed: 1 of 1 sample(s) failed and 0 may: Failure",
                    ),
                _ => false,
            }
        });
        assert!(told, "{action:?}: {:#?}", bed.rollout(&id).reason);
    }
}

#[test]
fn a_check_that_cannot_tell_halts_whatever_the_strategy_says() {
    for action in [FailureAction::Halt, FailureAction::Rollback] {
        let rules = Strategy {
            on_failure: Some(action),
            ..checked(vec![http("smoke")])
        };
        let (mut bed, id) = Bed::waiting(rules);
        bed.measured(&[Inconclusive; 29]);
        assert_eq!(bed.phase(&id), RolloutPhase::Running, "not yet");
        bed.measured(&[Inconclusive; 2]);
        assert_eq!(bed.phase(&id), RolloutPhase::Halted);
        assert_eq!(bed.halted_by(&id), Some(Gate::Metric));
        let reason = &bed.rollout(&id).reason;
        assert!(reason.contains("smoke is inconclusive"), "{reason}");
        assert!(reason.contains("the last sample: Inconclusive"), "{reason}");
    }
}

#[test]
fn a_dry_run_is_measured_and_told_and_stops_nothing() {
    for (outcomes, word) in [
        (vec![Success], "passed (Success)"),
        (vec![Failure], "failed (Failure)"),
        (vec![Inconclusive; 31], "inconclusive (Inconclusive)"),
    ] {
        let dry = Check {
            dry_run: true,
            ..http("errors")
        };
        let smoke = Check {
            samples: 32,
            timeout: Duration::from_secs(320),
            ..http("smoke")
        };
        let (mut bed, id) = Bed::waiting(checked(vec![dry, smoke]));
        for outcome in &outcomes {
            for due in bed.due() {
                let dry = due.check.as_str() == "errors";
                bed.sampled(&due, bed.now, if dry { *outcome } else { Success });
            }
            bed.drive();
            bed.pass(INTERVAL);
        }
        let told = format!("dry run of check errors: {word}");
        let ended = bed.rollout(&id).stages[0].checks.runs[0].clone();
        let late = DueProbe {
            check: "errors".parse().expect("a name"),
            ..bed.due().remove(0)
        };
        bed.sampled(&late, bed.now, Inconclusive);
        let kept = &bed.rollout(&id).stages[0].checks.runs[0];
        assert_eq!(*kept, ended, "it has ended");
        assert!(bed.waits(&id).contains(&told), "{}", bed.waits(&id));
        bed.measured(&[Success; 32]);
        assert_eq!(bed.phase(&id), RolloutPhase::Completed, "{word}");
        assert_eq!(bed.rollout(&id).stages[0].note, told);
    }
}

#[test]
fn faults_of_checks_are_refused_with_their_paths() {
    let mut bed = Bed::new(1);
    bed.promote(2);
    let bad = Check {
        samples: 0,
        interval: Duration::ZERO,
        ..http("smoke")
    };
    let request = commands::StartRollout {
        workload: bed.workload.clone(),
        pin: None,
        strategy: checked(vec![bad]),
        agents: pinion_model::LabelSelector::default(),
        reason: String::new(),
    };
    let refused =
        bed.decide(|world, now| commands::start_rollout(world, request.clone(), &alice(), now));
    let refused = refused.expect_err("it contradicts itself").to_string();
    for path in ["interval", "samples"] {
        let path = format!("strategy.stages[0].checks[0].{path}: ");
        assert!(refused.contains(&path), "{refused}");
    }
}
