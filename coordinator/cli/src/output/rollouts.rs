//! Rollouts.

use pinion_proto::v1;

use super::age::{self, Now};
use super::next::next_command;
use super::table::{Table, fields};
use super::{checks, text, whole, words};

/// Characters of a reason in a list; `rollout show` has it whole.
const REASON: usize = 80;
/// Lines of a machine's log that are shown.
const LOG_LINES: usize = 10;

/// Rollouts, one a line.
pub(crate) fn list(answer: &v1::ListRolloutsResponse, now: Now) -> String {
    let mut table = Table::new([
        "ROLLOUT", "PHASE", "PIN", "DIGEST", "STAGE", "SETTLED", "FAILED", "STARTED", "REASON",
    ]);
    for rollout in &answer.rollouts {
        let total = totals(rollout);
        table.row([
            rollout.id.clone(),
            words::rollout_phase(rollout.phase),
            rollout.pin.to_string(),
            words::digest(&rollout.digest),
            open_stage(rollout),
            format!("{}/{}", total.settled, total.agents),
            total.failed.to_string(),
            now.when(
                rollout
                    .started
                    .as_ref()
                    .and_then(|started| started.at.as_ref()),
            ),
            if rollout.reason.is_empty() {
                "-".into()
            } else {
                text::cut(&text::line(&rollout.reason), REASON)
            },
        ]);
    }
    if table.is_empty() {
        return "No rollouts yet. Start one: pinion rollout start WORKLOAD --watch".into();
    }
    table.render()
}

/// One rollout; of its machines those that failed, or `all`.
pub(crate) fn show(rollout: &v1::Rollout, all: bool, now: Now) -> String {
    let started = rollout.started.as_ref();
    let mut out = fields([
        ("rollout", rollout.id.clone()),
        ("phase", words::rollout_phase(rollout.phase)),
        ("reason", text::line(&rollout.reason)),
        ("halted by", halted_by(rollout)),
        ("pin", format!("{} ({})", rollout.pin, rollout.digest)),
        ("stage", open_stage(rollout)),
        (
            "started",
            started.map_or_else(String::new, |started| attribution(started, now)),
        ),
        ("ended", now.when(rollout.ended_at.as_ref())),
        ("waits for", rollout.waits_for.clone()),
        ("replaces", rollout.replaces.clone()),
        ("superseded by", rollout.superseded_by.clone()),
        ("machines", whole::machines(rollout)),
        ("strategy", whole::strategy(rollout.strategy.as_ref())),
        ("prefetch", whole::prefetch(rollout)),
        (
            "windows overridden",
            rollout
                .windows_overridden
                .as_ref()
                .map_or_else(String::new, |overridden| attribution(overridden, now)),
        ),
        (
            "on failure",
            words::failure_action(rollout.strategy.as_ref().map_or(0, |s| s.on_failure)),
        ),
        (
            "soak",
            age::duration(rollout.strategy.as_ref().and_then(|s| s.soak.as_ref())),
        ),
    ]);
    out.push_str(&format!("\n{}", stages(rollout)));
    out.push_str(&checks::measured(rollout));
    for stage in rollout.stages.iter().filter(|_| goes_on_by_itself(rollout)) {
        for reason in &stage.waiting_for {
            out.push_str(&format!(
                "stage {} waits for {}\n",
                stage.name,
                text::line(reason)
            ));
        }
    }
    let members = members(rollout, all, now);
    if !members.is_empty() {
        out.push_str(&format!("\n{members}"));
    }
    out.push_str(&logs(rollout));
    if let Some(next) = next_command(rollout) {
        out.push_str(&format!("\n{next}\n"));
    }
    out
}

/// The gate; empty if none did.
fn halted_by(rollout: &v1::Rollout) -> String {
    match rollout.halted_by() {
        v1::Gate::Unspecified => String::new(),
        gate => words::gate(gate),
    }
}

/// What was asked of a rollout, and where it is now, on one line.
pub(crate) fn changed(rollout: &v1::Rollout) -> String {
    format!("rollout {} is {}", rollout.id, phase_and_reason(rollout))
}

/// `halted: 1 of 1 failed`; a reason that begins with the phase, such as
/// `paused by alice`, says it alone.
pub(crate) fn phase_and_reason(rollout: &v1::Rollout) -> String {
    let phase = words::rollout_phase(rollout.phase);
    match text::line(&rollout.reason) {
        reason if reason.is_empty() => phase,
        reason if reason.starts_with(&phase) => reason,
        reason => format!("{phase}: {reason}"),
    }
}

/// Whether it waits for machines and time; else it waits for a person, whom
/// [`next_command`] tells what to type.
pub(crate) fn goes_on_by_itself(rollout: &v1::Rollout) -> bool {
    matches!(
        rollout.phase(),
        v1::RolloutPhase::Running | v1::RolloutPhase::RollingBack | v1::RolloutPhase::Aborting
    )
}

/// Name and number of the open stage, such as `canary 1/3`.
pub(crate) fn open_stage(rollout: &v1::Rollout) -> String {
    match rollout.stages.get(rollout.open_stage as usize) {
        Some(stage) => format!(
            "{} {}/{}",
            stage.name,
            rollout.open_stage + 1,
            rollout.stages.len()
        ),
        None => "-".into(),
    }
}

/// Sums over the stages.
pub(crate) struct Totals {
    /// Machines.
    pub(crate) agents: u32,
    /// Proven and soaked, or staged.
    pub(crate) settled: u32,
    /// Failed.
    pub(crate) failed: u32,
}

/// Sums over the stages of `rollout`.
pub(crate) fn totals(rollout: &v1::Rollout) -> Totals {
    let sum = |of: fn(&v1::Stage) -> u32| rollout.stages.iter().map(of).sum();
    Totals {
        agents: sum(|s| s.agents),
        settled: sum(|s| s.settled + s.staged),
        failed: sum(|s| s.failed),
    }
}

fn attribution(what: &v1::Attribution, now: Now) -> String {
    let mut out = format!(
        "{} by {}",
        now.when(what.at.as_ref()),
        words::actor(what.actor.as_ref())
    );
    if !what.reason.is_empty() {
        out.push_str(&format!(": {}", text::line(&what.reason)));
    }
    out
}

fn stages(rollout: &v1::Rollout) -> String {
    let mut table = Table::new([
        "STAGE",
        "IS",
        "AGENTS",
        "PENDING",
        "IN FLIGHT",
        "SOAKING",
        "SETTLED",
        "STAGED",
        "FAILED",
        "MAY FAIL",
        "SKIPPED",
    ]);
    for stage in &rollout.stages {
        let counts = [
            stage.pending,
            stage.in_flight,
            stage.soaking,
            stage.settled,
            stage.staged,
        ];
        let [pending, in_flight, soaking, settled, staged] = counts.map(|n| n.to_string());
        table.row([
            stage.name.clone(),
            stage_is(stage).into(),
            stage.agents.to_string(),
            pending,
            in_flight,
            soaking,
            settled,
            staged,
            stage.failed.to_string(),
            stage.failure_budget.to_string(),
            stage.skipped.to_string(),
        ]);
    }
    table.render()
}

fn stage_is(stage: &v1::Stage) -> &'static str {
    match (stage.passed, stage.open) {
        (true, _) => "passed",
        (false, true) => "open",
        (false, false) => "closed",
    }
}

fn members(rollout: &v1::Rollout, all: bool, now: Now) -> String {
    let mut table = Table::new([
        "AGENT", "STAGE", "PHASE", "SINCE", "BEFORE", "RUNNING", "ATTEMPT", "WAS", "FAILURE",
    ]);
    for stage in &rollout.stages {
        for member in stage
            .members
            .iter()
            .filter(|member| all || member.failure.is_some())
        {
            table.row([
                member.agent.clone(),
                stage.name.clone(),
                words::agent_phase(member.phase),
                now.age(member.since.as_ref()),
                words::digest(&member.baseline),
                words::digest(&member.running),
                member.attempt.to_string(),
                whole::was(member).into(),
                member
                    .failure
                    .as_ref()
                    .map_or_else(|| "-".into(), words::failure),
            ]);
        }
    }
    if table.is_empty() {
        String::new()
    } else {
        table.render()
    }
}

fn logs(rollout: &v1::Rollout) -> String {
    let members = rollout.stages.iter().flat_map(|stage| &stage.members);
    members
        .filter_map(|member| member.failure.as_ref().map(|failure| (member, failure)))
        .filter(|(_, failure)| !failure.log_tail.trim().is_empty())
        .map(|(member, failure)| {
            format!(
                "\nlast lines of {}:\n{}",
                member.agent,
                text::tail(&failure.log_tail, LOG_LINES, "  ")
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout() -> v1::Rollout {
        let failure = v1::Failure {
            kind: v1::FailureKind::Health.into(),
            message: "exited with 1".into(),
            log_tail: "boom\u{1b}[31m\n".into(),
        };
        let members = vec![
            v1::Member {
                agent: "t1".into(),
                failure: Some(failure),
                phase: v1::AgentPhase::RolledBack.into(),
                ..Default::default()
            },
            v1::Member {
                agent: "t2".into(),
                ..Default::default()
            },
        ];
        let stage = v1::Stage {
            name: "canary".into(),
            open: true,
            agents: 2,
            failed: 1,
            members,
            ..Default::default()
        };
        v1::Rollout {
            id: "codex-7-1".into(),
            phase: v1::RolloutPhase::Halted.into(),
            reason: "1 failed in canary, of which 0 may".into(),
            stages: vec![stage],
            ..Default::default()
        }
    }

    #[test]
    fn a_halted_rollout_shows_why_who_failed_and_what_to_type() {
        let text = show(&rollout(), false, Now(0));
        for part in [
            "halted",
            "1 failed in canary",
            "rolled back",
            "health: exited with 1",
            "boom",
            "rollout rollback codex-7-1",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert!(!text.contains("t2") && !text.contains('\u{1b}'), "{text}");
        assert!(show(&rollout(), true, Now(0)).contains("t2"));
    }

    #[test]
    fn an_empty_list_says_how_to_start_one() {
        assert!(
            list(&v1::ListRolloutsResponse::default(), Now(0)).contains("pinion rollout start")
        );
        let some = v1::ListRolloutsResponse {
            rollouts: vec![rollout()],
            ..Default::default()
        };
        assert!(list(&some, Now(0)).contains("canary 1/1"));
    }
}
