//! Why machines are not done.

use pinion_proto::v1;

use super::age::Now;
use super::table::Table;
use super::text;

/// Lines of a machine's log that are shown.
const LOG_LINES: usize = 10;

/// The whole rollout's reason, then each machine's.
pub(crate) fn explain(answer: &v1::ExplainRolloutResponse, now: Now) -> String {
    let mut out = format!("{}\n", text::line(&answer.summary));
    let mut table = Table::new(["AGENT", "STAGE", "REASON", "SINCE", "DETAIL"]);
    for one in &answer.agents {
        table.row([
            one.agent.clone(),
            one.stage.clone(),
            one.reason.clone(),
            now.age(one.since.as_ref()),
            text::line(&one.detail),
        ]);
    }
    if !table.is_empty() {
        out.push_str(&format!("\n{}", table.render()));
    } else if answer.not_kept == 0 {
        out.push_str("\nEvery agent of it is done.\n");
    }
    out.push_str(&logs(&answer.agents));
    out
}

fn logs(agents: &[v1::Explanation]) -> String {
    let failures = agents
        .iter()
        .filter_map(|one| Some((one, one.failure.as_ref()?)));
    failures
        .filter(|(_, failure)| !failure.log_tail.trim().is_empty())
        .map(|(one, failure)| {
            let lines = text::tail(&failure.log_tail, LOG_LINES, "  ");
            format!("\nlast lines of {}:\n{lines}", text::line(&one.agent))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_machine_has_its_reason() {
        let one = v1::Explanation {
            agent: "t2".into(),
            stage: "rest".into(),
            reason: "stage_not_open".into(),
            detail: "waits for stage canary".into(),
            failure: Some(v1::Failure {
                log_tail: format!("too old\n{}bo\u{1b}om\n", "line\n".repeat(9)),
                ..Default::default()
            }),
            ..Default::default()
        };
        let answer = v1::ExplainRolloutResponse {
            summary: "halted: 1 failed".into(),
            agents: vec![one],
            not_kept: 0,
        };
        let text = explain(&answer, Now(0));
        for part in [
            "halted: 1 failed",
            "t2",
            "rest",
            "stage_not_open",
            "waits for stage canary",
            "last lines of t2:",
            "  bo om",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        assert!(!text.contains("too old"), "ten lines are shown:\n{text}");
        let mut nobody = v1::ExplainRolloutResponse::default();
        assert!(explain(&nobody, Now(0)).contains("is done"));
        nobody.not_kept = 3;
        assert!(!explain(&nobody, Now(0)).contains("is done"));
    }
}
