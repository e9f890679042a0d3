//! Metric gate: what is measured between stages, and what comes of it.

use std::time::Duration;

use pinion_model::{RolloutId, RolloutPhase, Timestamp};

use super::bed::{Bed, agent, alice, count, digest, rest, steer, strategy};
use crate::gates::{Verdict, View, metric};
use crate::{
    Act, Amount, Change, Check, Decision, DueProbe, FailureAction, Gate, HttpGet, Judgement,
    Observation, ObservedContainer, OfflinePolicy, Probe, Sample, StageSpec, Strategy, commands,
    due_probes, summary, waiting_for,
};
use Judgement::{Failure, Inconclusive, Success};

const INTERVAL: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(300);

pub(super) fn http(name: &str) -> Check {
    let probe = Probe::Http(HttpGet::of("http://app/health"));
    Check::of(name.parse().expect("a name"), probe)
}

/// One machine, then the rest; these checks in between.
fn checked(checks: Vec<Check>) -> Strategy {
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

    fn sampled(&mut self, due: &DueProbe, asked_at: Timestamp, outcome: Judgement) {
        self.observe(Observation::Probed {
            rollout: due.rollout.clone(),
            stage: due.stage.clone(),
            check: due.check.clone(),
            asked_at,
            sample: Sample::new(outcome, format!("{outcome:?}")),
            at: self.now,
        });
    }

    fn due(&self) -> Vec<DueProbe> {
        due_probes(&self.world, self.now).due
    }

    /// Two machines, the first of which is done; what is due next.
    fn waiting(strategy: Strategy) -> (Self, RolloutId) {
        let mut bed = Self::new(2);
        let id = bed.roll_out(2, strategy);
        bed.drive();
        (bed, id)
    }

    /// One sample after the other, each when it is due, and then the plan.
    fn measured(&mut self, outcomes: &[Judgement]) {
        for outcome in outcomes {
            self.measure(*outcome);
            self.drive();
            self.pass(INTERVAL);
        }
    }

    fn waits(&self, id: &RolloutId) -> String {
        waiting_for(&self.world, id, 0, self.now).join(" | ")
    }

    fn halted_by(&self, id: &RolloutId) -> Option<Gate> {
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
fn a_rollout_that_was_stopped_takes_no_samples_and_begins_anew_when_it_goes_on() {
    let check = Check {
        samples: 2,
        ..http("smoke")
    };
    let (mut bed, id) = Bed::waiting(checked(vec![check]));
    let asked_before = bed.due().remove(0);
    bed.measured(&[Success, Failure]);
    assert_eq!(bed.halted_by(&id), Some(Gate::Metric));
    assert_eq!(bed.due(), []);
    let resumed = |bed: &mut Bed| {
        bed.decide(|world, now| commands::resume(world, steer(&id), &alice(), now))
            .expect("it goes on");
    };
    resumed(&mut bed);
    assert_eq!(bed.plan().changes, [], "the failure is known");
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
    bed.measure(Success);
    bed.pass(INTERVAL);
    bed.decide(|world, now| commands::pause(world, steer(&id), &alice(), now))
        .expect("it stops");
    assert_eq!(bed.due(), []);
    bed.sampled(&asked_before, bed.now, Success);
    let taken = bed.rollout(&id).stages[0].checks.runs[0].samples;
    assert_eq!(taken, 1, "what comes while it is paused does not count");
    bed.pass(TIMEOUT);
    resumed(&mut bed);
    bed.measured(&[Success]);
    assert_eq!(
        bed.rollout(&id).open_stage,
        0,
        "one of two, counted from the resume"
    );
    bed.measured(&[Failure]);
    assert_eq!(
        bed.halted_by(&id),
        Some(Gate::Metric),
        "a new failure stops it again"
    );
}

#[test]
fn a_sample_that_came_late_twice_or_for_something_else_changes_nothing() {
    let check = Check {
        samples: 3,
        ..http("smoke")
    };
    let (mut bed, id) = Bed::waiting(checked(vec![check]));
    let due = bed.due().remove(0);
    let before = bed.rollout(&id).stages[0].progressed_at;
    bed.pass(INTERVAL);
    let strange = [
        DueProbe {
            check: "other".parse().expect("a name"),
            ..due.clone()
        },
        DueProbe {
            stage: "2".parse().expect("a name"),
            ..due.clone()
        },
        DueProbe {
            rollout: "app-9-9".parse().expect("an id"),
            ..due.clone()
        },
    ];
    for due in &strange {
        bed.sampled(due, bed.now, Failure);
    }
    bed.sampled(&due, Timestamp(before.0 - 1), Failure);
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
    bed.sampled(&due, bed.now, Success);
    bed.sampled(&due, bed.now, Success);
    bed.sampled(&due, before, Failure);
    let run = bed.rollout(&id).stages[0].checks.runs[0].clone();
    assert_eq!((run.samples, run.successes, run.failures), (1, 1, 0));
    bed.measured(&[Failure]);
    bed.measured(&[Failure]);
    bed.sampled(&due, bed.now, Success);
    assert_eq!(
        bed.rollout(&id).stages[0].checks.runs[0].samples,
        2,
        "it had ended"
    );
}

#[test]
fn samples_outlive_the_coordinator_and_the_time_without_one_does_not_count() {
    let check = Check {
        samples: 2,
        failure_limit: 1,
        ..http("smoke")
    };
    let (mut bed, id) = Bed::waiting(checked(vec![check]));
    bed.measured(&[Failure]);
    bed.pass(Duration::from_secs(86_400));
    bed.observe(Observation::Started { at: bed.now });
    for name in ["m1", "m2"] {
        bed.hello(name);
    }
    bed.drive();
    assert_eq!(
        bed.phase(&id),
        RolloutPhase::Running,
        "{}",
        bed.rollout(&id).reason
    );
    bed.measured(&[Failure]);
    assert_eq!(bed.halted_by(&id), Some(Gate::Metric), "the second of two");
}

#[test]
fn the_time_without_a_coordinator_is_left_out_once_however_often_one_begins() {
    let (mut bed, id) = Bed::waiting(checked(vec![http("health")]));
    bed.measured(&[Failure]);
    let began = |bed: &Bed| bed.rollout(&id).stages[0].checks.runs[0].first_at;
    let before = began(&bed);
    for away in [1000, 20, 0, 5] {
        bed.pass(Duration::from_secs(away));
        bed.observe(Observation::Started { at: bed.now });
    }
    let away = Duration::from_secs(1025) + INTERVAL;
    assert_eq!(began(&bed), before + away, "from the last sample until now");
    bed.measured(&[Failure]);
    bed.observe(Observation::Started { at: bed.now });
    assert_eq!(began(&bed), before + away + INTERVAL);
}

#[test]
fn when_a_machine_of_the_stage_moves_the_samples_begin_anew() {
    let mut bed = Bed::new(2);
    let only = StageSpec {
        checks: vec![Check {
            samples: 2,
            ..http("smoke")
        }],
        failure_budget: Some(Amount::Count(1).into()),
        ..rest()
    };
    bed.machines
        .get_mut(&agent("m1"))
        .expect("it is there")
        .bad
        .insert(digest(2));
    let id = bed.roll_out(2, strategy(vec![only]));
    bed.drive();
    bed.measured(&[Success]);
    assert_eq!(bed.rollout(&id).stages[0].checks.runs.len(), 1);
    let asked_before = bed.now;
    let due = bed.due().remove(0);
    bed.pass(INTERVAL);
    bed.machines
        .get_mut(&agent("m1"))
        .expect("it is there")
        .bad
        .clear();
    let retry = commands::RetryAgents {
        rollout: id.clone(),
        agents: vec![agent("m1")],
        reason: String::new(),
    };
    bed.decide(|world, now| commands::retry(world, retry.clone(), &alice(), now))
        .expect("one more attempt");
    bed.drive();
    bed.sampled(&due, asked_before, Success);
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
    bed.measured(&[Success]);
    assert_eq!(bed.rollout(&id).open_stage, 0, "one of two");
    bed.measured(&[Success]);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

/// Only `m1` is there; its stage has one success of three.
fn one_of_three() -> (Bed, RolloutId) {
    let only = StageSpec {
        checks: vec![Check {
            samples: 3,
            ..http("smoke")
        }],
        bake: Some(INTERVAL),
        ..rest()
    };
    let rules = Strategy {
        offline: Some(OfflinePolicy::Skip),
        ..strategy(vec![only])
    };
    let mut bed = Bed::new(2);
    bed.offline("m2");
    let id = bed.roll_out(2, rules);
    bed.drive();
    bed.pass(INTERVAL);
    bed.measured(&[Success]);
    assert_eq!(bed.rollout(&id).stages[0].checks.runs[0].successes, 1);
    (bed, id)
}

#[test]
fn a_machine_that_comes_back_to_its_stage_is_measured_too() {
    let (mut bed, id) = one_of_three();
    bed.hello("m2");
    bed.drive();
    assert_eq!(*bed.running("m2"), digest(2));
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
}

#[test]
fn a_machine_that_joins_late_holds_neither_bake_nor_checks_up() {
    let (mut bed, id) = one_of_three();
    bed.enrol("m3", true);
    bed.drive();
    assert_eq!(*bed.running("m3"), digest(2));
    assert!(bed.rollout(&id).members[&agent("m3")].late);
    bed.measured(&[Success, Success]);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
}

#[test]
fn when_a_success_is_taken_back_the_samples_begin_anew() {
    let mut bed = Bed::new(2);
    let only = StageSpec {
        checks: vec![Check {
            samples: 2,
            ..http("smoke")
        }],
        failure_budget: Some(Amount::Count(1).into()),
        ..rest()
    };
    let id = bed.roll_out(2, strategy(vec![only]));
    bed.drive();
    bed.measured(&[Success]);
    let stopped = ObservedContainer {
        running: false,
        ..bed.machines[&agent("m1")].containers(&bed.workload)[0].clone()
    };
    bed.observe(Observation::Inventory {
        agent: agent("m1"),
        workloads: [(bed.workload.clone(), vec![stopped])].into(),
        at: bed.now,
    });
    bed.drive();
    assert_eq!(bed.rollout(&id).stages[0].checks.runs, []);
    bed.measured(&[Success]);
    assert_eq!(bed.rollout(&id).open_stage, 0, "one of two");
    bed.measured(&[Success]);
    assert_eq!(bed.phase(&id), RolloutPhase::Completed);
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
