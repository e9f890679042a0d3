//! A rollout as bars and rows, for a terminal.

use pinion_proto::v1::{AgentPhase, Member, Rollout, Stage};

use super::lines::{counts, waits_are_news};
use crate::output::age::Now;
use crate::output::{text, words};

/// A stage.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    /// Name of the stage, as wide as the widest.
    pub(crate) name: String,
    /// Machines that are done, also those that failed; not those that were skipped.
    pub(crate) done: u64,
    /// Machines.
    pub(crate) total: u64,
    /// The numbers in words.
    pub(crate) note: String,
}

/// A bar for each stage.
pub(crate) fn bars(rollout: &Rollout) -> Vec<Bar> {
    let width = rollout
        .stages
        .iter()
        .map(|stage| stage.name.chars().count())
        .max()
        .unwrap_or(0);
    rollout
        .stages
        .iter()
        .map(|stage| bar(stage, width))
        .collect()
}

fn bar(stage: &Stage, width: usize) -> Bar {
    let mut note = counts(stage);
    for (number, word) in [(stage.in_flight, "in flight"), (stage.soaking, "soaking")] {
        if number > 0 {
            note.push_str(&format!(", {number} {word}"));
        }
    }
    if stage.passed {
        note.push_str(", passed");
    }
    Bar {
        name: format!("{:<width$}", stage.name),
        done: (stage.settled + stage.staged + stage.failed).into(),
        total: stage.agents.into(),
        note,
    }
}

/// A row for each machine that is under way or failed, at most `limit`, and
/// then how many more; after them what stages wait for whose machines do not show it.
pub(crate) fn rows(rollout: &Rollout, limit: usize, now: Now) -> Vec<String> {
    let shown: Vec<_> = rollout
        .stages
        .iter()
        .flat_map(|stage| &stage.members)
        .filter(|member| is_shown(member))
        .collect();
    let width = shown
        .iter()
        .take(limit)
        .map(|member| member.agent.chars().count())
        .max()
        .unwrap_or(0);
    let mut rows: Vec<_> = shown
        .iter()
        .take(limit)
        .map(|member| row(member, width, now))
        .collect();
    if shown.len() > limit {
        rows.push(format!("  … and {} more", shown.len() - limit));
    }
    for stage in rollout
        .stages
        .iter()
        .filter(|stage| waits_are_news(rollout, stage))
    {
        let waits = stage
            .waiting_for
            .iter()
            .map(|reason| format!("  {} waits for {}", stage.name, text::line(reason)));
        rows.extend(waits);
    }
    rows
}

fn is_shown(member: &Member) -> bool {
    let over = matches!(
        member.phase(),
        AgentPhase::Unspecified | AgentPhase::Settled | AgentPhase::Staged | AgentPhase::Withdrawn
    );
    !over || member.failure.is_some()
}

fn row(member: &Member, width: usize, now: Now) -> String {
    let mut out = format!(
        "  {:<width$}  {} {}",
        member.agent,
        words::agent_phase(member.phase),
        now.age(member.since.as_ref())
    );
    if let Some(failure) = &member.failure {
        out.push_str(&format!("  {}", words::failure(failure)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_proto::v1::RolloutPhase;

    fn member(agent: &str, phase: AgentPhase) -> Member {
        Member {
            agent: agent.into(),
            phase: phase.into(),
            ..Member::default()
        }
    }

    fn rollout() -> Rollout {
        let members = vec![
            member("t1", AgentPhase::Settled),
            member("t2", AgentPhase::Pulling),
            member("t3", AgentPhase::Soaking),
            member("t4", AgentPhase::Unspecified),
        ];
        let stage = Stage {
            name: "rest".into(),
            agents: 4,
            settled: 1,
            in_flight: 1,
            soaking: 1,
            waiting_for: vec!["the soak of t3".into()],
            members,
            ..Stage::default()
        };
        let first = Stage {
            name: "canary".into(),
            passed: true,
            agents: 1,
            settled: 1,
            ..Stage::default()
        };
        Rollout {
            phase: RolloutPhase::Running.into(),
            stages: vec![first, stage],
            ..Rollout::default()
        }
    }

    #[test]
    fn each_stage_is_a_bar_with_its_numbers() {
        let bars = bars(&rollout());
        assert_eq!(
            (bars[0].done, bars[0].total, bars[0].note.as_str()),
            (1, 1, "1/1 settled, passed")
        );
        assert_eq!(
            (bars[1].name.as_str(), bars[1].done, bars[1].total),
            ("rest  ", 1, 4)
        );
        assert_eq!(bars[1].note, "1/4 settled, 1 in flight, 1 soaking");
    }

    #[test]
    fn what_a_stage_waits_for_is_a_row_when_no_machine_of_it_is_under_way() {
        let mut waiting = rollout();
        waiting.stages[0].waiting_for = vec!["the bake".into()];
        assert_eq!(
            rows(&waiting, 0, Now(0)).last().map(String::as_str),
            Some("  canary waits for the bake")
        );
    }

    #[test]
    fn only_machines_under_way_have_a_row_and_no_more_than_fit() {
        let rows_of = |limit| rows(&rollout(), limit, Now(0));
        assert_eq!(rows_of(10), ["  t2  pulling -", "  t3  soaking -"]);
        assert_eq!(rows_of(1)[1], "  … and 1 more");
    }
}
