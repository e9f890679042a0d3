//! A rollout as lines, each written only when it says something new.

use std::collections::BTreeMap;

use pinion_proto::v1::{AgentPhase, Failure, Member, Rollout, RolloutPhase, Stage};

use crate::output::next::next_command;
use crate::output::rollouts::{goes_on_by_itself, phase_and_reason, totals};
use crate::output::{text, whole, words};

/// A line, and what it is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// What it is about.
    pub(crate) about: About,
    /// What it says.
    pub(crate) text: String,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// The rollout as a whole.
    Rollout,
    /// A stage opened or passed.
    Stage,
    /// How far a stage is.
    Count,
    /// What a stage waits for.
    Wait,
    /// A machine went on.
    Agent,
    /// A machine failed.
    Failure,
}

/// What was said so far.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// Whether anything was.
    begun: bool,
    phase: String,
    reason: String,
    stages: BTreeMap<String, SeenStage>,
    members: BTreeMap<String, SeenMember>,
}

#[derive(Debug, Default)]
struct SeenStage {
    open: bool,
    passed: bool,
    counts: String,
    waits: String,
}

#[derive(Debug, Default, PartialEq)]
struct SeenMember {
    phase: i32,
    attempt: u32,
    failure: Option<Failure>,
}

impl Lines {
    /// The lines that `rollout` adds to what was said.
    pub(crate) fn observe(&mut self, rollout: &Rollout) -> Vec<Line> {
        let mut lines = Vec::new();
        if !self.begun {
            lines.push(Line {
                about: About::Rollout,
                text: headline(rollout),
            });
        }
        for stage in &rollout.stages {
            self.opening(stage, &mut lines);
            for member in &stage.members {
                self.member(member, &mut lines);
            }
            self.stage(stage, &mut lines);
            self.wait(rollout, stage, &mut lines);
        }
        self.phase(rollout, &mut lines);
        self.begun = true;
        lines
    }

    /// What `rollout` waits for, once there was no news for a while; nothing
    /// while it waits for a person, whom its last line told so.
    pub(crate) fn silence(rollout: &Rollout) -> Option<Line> {
        if !goes_on_by_itself(rollout) {
            return None;
        }
        let stages = rollout
            .stages
            .iter()
            .filter(|stage| !stage.waiting_for.is_empty());
        let waits: Vec<_> = stages
            .map(|stage| {
                format!(
                    "stage {} waits for {}",
                    stage.name,
                    text::line(&stage.waiting_for.join("; "))
                )
            })
            .collect();
        let waits = if waits.is_empty() {
            "it goes on".to_owned()
        } else {
            waits.join("; ")
        };
        let text = format!(
            "no news: {waits}. Why, agent by agent: pinion rollout explain {}",
            rollout.id
        );
        Some(Line {
            about: About::Rollout,
            text,
        })
    }

    fn opening(&mut self, stage: &Stage, lines: &mut Vec<Line>) {
        let seen = self.stages.entry(stage.name.clone()).or_default();
        if stage.open && !stage.passed && !seen.open {
            let machines = text::count(stage.agents, "agent");
            lines.push(Line {
                about: About::Stage,
                text: format!(
                    "stage {} open: {machines}, {} at once",
                    stage.name, stage.max_in_flight
                ),
            });
        }
        seen.open = stage.open;
    }

    fn member(&mut self, member: &Member, lines: &mut Vec<Line>) {
        let now = SeenMember {
            phase: member.phase,
            attempt: member.attempt,
            failure: member.failure.clone(),
        };
        let before = self.members.get(&member.agent);
        // A watch that begins late does not list all that is done.
        let old_news = !self.begun && member.phase() == AgentPhase::Settled;
        let unassigned = member.phase == 0 && member.failure.is_none();
        if before != Some(&now) && !old_news && !unassigned {
            let about = if member.failure.is_some() {
                About::Failure
            } else {
                About::Agent
            };
            lines.push(Line {
                about,
                text: member_line(member),
            });
        }
        self.members.insert(member.agent.clone(), now);
    }

    fn stage(&mut self, stage: &Stage, lines: &mut Vec<Line>) {
        let seen = self.stages.entry(stage.name.clone()).or_default();
        let counts = counts(stage);
        let done = stage.settled + stage.staged + stage.failed + stage.skipped > 0;
        if done && counts != seen.counts {
            lines.push(Line {
                about: About::Count,
                text: format!("stage {} {counts}", stage.name),
            });
        }
        if stage.passed && !seen.passed {
            lines.push(Line {
                about: About::Stage,
                text: format!("stage {} passed", stage.name),
            });
        }
        seen.counts = counts;
        seen.passed = stage.passed;
    }

    fn wait(&mut self, rollout: &Rollout, stage: &Stage, lines: &mut Vec<Line>) {
        let reasons: Vec<_> = stage
            .waiting_for
            .iter()
            .map(|reason| text::line(reason))
            .collect();
        let waits = reasons.join("; ");
        let key = without_numbers(&waits);
        let seen = self.stages.entry(stage.name.clone()).or_default();
        if !waits_are_news(rollout, stage) || waits.is_empty() || key == seen.waits {
            return;
        }
        seen.waits = key;
        lines.push(Line {
            about: About::Wait,
            text: format!("stage {} waits for {waits}", stage.name),
        });
    }

    fn phase(&mut self, rollout: &Rollout, lines: &mut Vec<Line>) {
        let line = phase_line(rollout);
        let starts = !self.begun && rollout.phase() == RolloutPhase::Running;
        if line != self.phase && !starts {
            let known = !rollout.reason.is_empty() && rollout.reason == self.reason;
            let text = if known {
                format!("rollout {}", words::rollout_phase(rollout.phase))
            } else {
                line.clone()
            };
            lines.push(Line {
                about: About::Rollout,
                text,
            });
            let next = next_command(rollout).into_iter();
            lines.extend(next.chain(report(rollout)).map(|text| Line {
                about: About::Rollout,
                text,
            }));
        }
        self.phase = line;
        self.reason.clone_from(&rollout.reason);
    }
}

/// What stands at the end, beside the outcome: what its shares were of.
fn report(rollout: &Rollout) -> Vec<String> {
    let over = RolloutPhase::known(rollout.phase).is_some_and(|phase| phase.is_terminal());
    let facts = [
        ("machines", whole::machines(rollout)),
        ("prefetch", whole::prefetch(rollout)),
    ];
    let facts = facts
        .into_iter()
        .filter(|(_, fact)| over && !fact.is_empty());
    facts
        .map(|(what, fact)| format!("{what}: {fact}"))
        .collect()
}

/// While machines are under way their own lines tell what is going on, and
/// while a person is waited for the rollout's do.
pub(crate) fn waits_are_news(rollout: &Rollout, stage: &Stage) -> bool {
    stage.in_flight + stage.soaking == 0 && goes_on_by_itself(rollout)
}

/// What the rollout is.
pub(crate) fn headline(rollout: &Rollout) -> String {
    format!(
        "rollout {}: {} pin {} ({}) to {} in {}",
        rollout.id,
        rollout.workload,
        rollout.pin,
        words::digest(&rollout.digest),
        text::count(totals(rollout).agents, "agent"),
        text::count(rollout.stages.len() as u64, "stage"),
    )
}

/// `3/4 settled, 1 failed`.
pub(crate) fn counts(stage: &Stage) -> String {
    let mut out = format!("{}/{} settled", stage.settled, stage.agents);
    for (number, word) in [
        (stage.staged, "staged"),
        (stage.failed, "failed"),
        (stage.skipped, "skipped"),
    ] {
        if number > 0 {
            out.push_str(&format!(", {number} {word}"));
        }
    }
    out
}

fn member_line(member: &Member) -> String {
    let mut out = format!(
        "agent {} {}",
        member.agent,
        words::agent_phase(member.phase)
    );
    if member.attempt > 1 {
        out.push_str(&format!(" (attempt {})", member.attempt));
    }
    if let Some(failure) = &member.failure {
        out.push_str(&format!(": {}", words::failure(failure)));
    }
    out
}

fn phase_line(rollout: &Rollout) -> String {
    let said = phase_and_reason(rollout);
    let stage = rollout.stages.get(rollout.open_stage as usize);
    match (rollout.phase(), stage) {
        (RolloutPhase::Completed, _) => {
            let total = totals(rollout);
            format!(
                "rollout completed: {}/{} settled",
                total.settled, total.agents
            )
        }
        (RolloutPhase::AwaitingApproval, Some(stage)) if rollout.reason.is_empty() => {
            format!("rollout {said} of stage {}", stage.name)
        }
        (RolloutPhase::Superseded, _) if !rollout.superseded_by.is_empty() => {
            format!("rollout superseded by {}", rollout.superseded_by)
        }
        _ => format!("rollout {said}"),
    }
}

/// So that a countdown is one line and not one a second.
fn without_numbers(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests;
