//! Sequences of rollouts, and the lines that they make.

use super::*;
use pinion_proto::v1::{FailureKind, Gate};

fn member(agent: &str, phase: AgentPhase) -> Member {
    Member {
        agent: agent.into(),
        phase: phase.into(),
        attempt: 1,
        ..Member::default()
    }
}

fn rollout(stages: Vec<Stage>) -> Rollout {
    Rollout {
        id: "codex-7-1".into(),
        workload: "codex".into(),
        pin: 7,
        phase: RolloutPhase::Running.into(),
        stages,
        ..Rollout::default()
    }
}

fn canary(phase: AgentPhase) -> Stage {
    let settled = u32::from(phase == AgentPhase::Settled);
    Stage {
        name: "canary".into(),
        open: true,
        agents: 1,
        settled,
        in_flight: 1 - settled,
        max_in_flight: 1,
        members: vec![member("t1", phase)],
        ..Stage::default()
    }
}

fn rest() -> Stage {
    Stage {
        name: "rest".into(),
        agents: 3,
        members: vec![member("t2", AgentPhase::Unspecified)],
        ..Stage::default()
    }
}

fn texts(lines: &mut Lines, rollout: &Rollout) -> Vec<String> {
    lines
        .observe(rollout)
        .into_iter()
        .map(|line| line.text)
        .collect()
}

#[test]
fn a_good_stage_is_told_step_by_step_and_each_step_once() {
    let mut lines = Lines::default();
    let first = texts(
        &mut lines,
        &rollout(vec![canary(AgentPhase::Pulling), rest()]),
    );
    assert_eq!(
        first,
        [
            "rollout codex-7-1: codex pin 7 (-) to 4 agents in 2 stages",
            "stage canary open: 1 agent, 1 at once",
            "agent t1 pulling",
        ]
    );
    assert!(
        texts(
            &mut lines,
            &rollout(vec![canary(AgentPhase::Pulling), rest()])
        )
        .is_empty()
    );
    let verifying = texts(
        &mut lines,
        &rollout(vec![canary(AgentPhase::Verifying), rest()]),
    );
    assert_eq!(verifying, ["agent t1 verifying"]);
    let settled = texts(
        &mut lines,
        &rollout(vec![canary(AgentPhase::Settled), rest()]),
    );
    assert_eq!(settled, ["agent t1 settled", "stage canary 1/1 settled"]);
    let passed = Stage {
        passed: true,
        ..canary(AgentPhase::Settled)
    };
    assert_eq!(
        texts(&mut lines, &rollout(vec![passed, rest()])),
        ["stage canary passed"]
    );
}

#[test]
fn a_failure_comes_with_its_kind_and_a_halt_with_its_reason_and_next_command() {
    let mut lines = Lines::default();
    let _ = lines.observe(&rollout(vec![canary(AgentPhase::Verifying), rest()]));
    let mut failed = canary(AgentPhase::RolledBack);
    failed.failed = 1;
    failed.members[0].failure = Some(Failure {
        kind: FailureKind::Health.into(),
        message: "exited with 1\nat start".into(),
        ..Failure::default()
    });
    let mut halted = rollout(vec![failed, rest()]);
    halted.phase = RolloutPhase::Halted.into();
    halted.reason = "1 of 1 failed in canary".into();
    halted.halted_by = Gate::FailureBudget.into();
    assert_eq!(
        texts(&mut lines, &halted),
        [
            "agent t1 rolled back: health: exited with 1 at start",
            "stage canary 0/1 settled, 1 failed",
            "rollout halted: 1 of 1 failed in canary",
            "Why: pinion rollout explain codex-7-1. To try those that failed once more: pinion rollout retry codex-7-1, then pinion rollout resume codex-7-1; to go on without them: pinion rollout resume codex-7-1; to take it back: pinion rollout rollback codex-7-1",
        ]
    );
    assert!(texts(&mut lines, &halted).is_empty());
}

#[test]
fn waiting_is_told_once_and_a_countdown_does_not_repeat_it() {
    let waiting = |reason: &str| {
        let mut stage = Stage {
            in_flight: 0,
            ..canary(AgentPhase::Unspecified)
        };
        stage.waiting_for = vec![reason.into()];
        rollout(vec![stage, rest()])
    };
    let mut lines = Lines::default();
    let first = texts(&mut lines, &waiting("t1, offline for 12 s"));
    assert_eq!(
        first.last().map(String::as_str),
        Some("stage canary waits for t1, offline for 12 s")
    );
    assert!(texts(&mut lines, &waiting("t1, offline for 15 s")).is_empty());
    assert_eq!(
        texts(&mut lines, &waiting("the bake")),
        ["stage canary waits for the bake"]
    );
}

#[test]
fn a_long_silence_says_what_is_waited_for_and_where_to_ask() {
    let mut stage = canary(AgentPhase::Unspecified);
    stage.waiting_for = vec!["machines: 1 in flight".into()];
    let mut quiet = rollout(vec![stage]);
    let line = Lines::silence(&quiet).expect("it runs").text;
    assert!(
        line.contains("1 in flight") && line.contains("pinion rollout explain codex-7-1"),
        "{line}"
    );
    quiet.phase = RolloutPhase::Paused.into();
    assert_eq!(Lines::silence(&quiet), None);
}

#[test]
fn while_machines_are_under_way_their_lines_are_enough() {
    let mut stage = canary(AgentPhase::Verifying);
    stage.waiting_for = vec!["machines: 1 in flight".into()];
    let said = texts(&mut Lines::default(), &rollout(vec![stage, rest()]));
    assert!(
        !said.iter().any(|line| line.contains("waits for")),
        "{said:?}"
    );
}

#[test]
fn an_approval_says_which_stage_and_how() {
    let mut waiting = rollout(vec![
        Stage {
            passed: true,
            ..canary(AgentPhase::Settled)
        },
        Stage {
            plan_hash: "1f0c2a4b5d6e7f809a1b".into(),
            ..rest()
        },
    ]);
    waiting.phase = RolloutPhase::AwaitingApproval.into();
    waiting.open_stage = 1;
    let said = texts(&mut Lines::default(), &waiting);
    assert!(
        said.contains(&"rollout awaiting approval of stage rest".to_owned()),
        "{said:?}"
    );
    assert!(
        said.contains(
            &"To go on: pinion rollout approve codex-7-1 --plan 1f0c2a4b5d6e7f809a1b".to_owned()
        ),
        "{said:?}"
    );
}

#[test]
fn a_reason_that_says_the_phase_is_not_told_twice() {
    let mut paused = rollout(vec![canary(AgentPhase::Pulling)]);
    paused.phase = RolloutPhase::Paused.into();
    paused.reason = "paused by alice: lunch".into();
    let said = texts(&mut Lines::default(), &paused);
    assert!(
        said.contains(&"rollout paused by alice: lunch".to_owned()),
        "{said:?}"
    );
}

#[test]
fn a_reason_that_was_told_is_not_told_again() {
    let mut rollout = rollout(vec![canary(AgentPhase::RolledBack)]);
    rollout.phase = RolloutPhase::RollingBack.into();
    rollout.reason = "1 of 1 failed".into();
    let mut lines = Lines::default();
    assert!(
        texts(&mut lines, &rollout).contains(&"rollout rolling back: 1 of 1 failed".to_owned())
    );
    rollout.phase = RolloutPhase::RolledBack.into();
    assert_eq!(texts(&mut lines, &rollout), ["rollout rolled back"]);
}

#[test]
fn a_watch_that_begins_late_does_not_list_what_is_done() {
    let said = texts(
        &mut Lines::default(),
        &rollout(vec![canary(AgentPhase::Settled), rest()]),
    );
    assert!(
        !said.iter().any(|line| line.starts_with("agent t1")),
        "{said:?}"
    );
    assert!(
        said.contains(&"stage canary 1/1 settled".to_owned()),
        "{said:?}"
    );
}

#[test]
fn another_attempt_is_told_as_one() {
    let mut lines = Lines::default();
    let _ = lines.observe(&rollout(vec![canary(AgentPhase::RolledBack), rest()]));
    let mut again = canary(AgentPhase::Pulling);
    again.members[0].attempt = 2;
    assert_eq!(
        texts(&mut lines, &rollout(vec![again, rest()])),
        ["agent t1 pulling (attempt 2)"]
    );
}

#[test]
fn the_ends_say_what_came_of_it() {
    let end = |phase: RolloutPhase| {
        let mut lines = Lines::default();
        let _ = lines.observe(&rollout(vec![canary(AgentPhase::Settled)]));
        let mut rollout = rollout(vec![canary(AgentPhase::Settled)]);
        rollout.phase = phase.into();
        rollout.superseded_by = "codex-8-1".into();
        texts(&mut lines, &rollout)
    };
    assert_eq!(
        end(RolloutPhase::Completed),
        ["rollout completed: 1/1 settled"]
    );
    assert_eq!(
        end(RolloutPhase::Superseded),
        ["rollout superseded by codex-8-1"]
    );
    assert_eq!(end(RolloutPhase::RolledBack), ["rollout rolled back"]);
}
