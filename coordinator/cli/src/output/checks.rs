//! What is measured between stages.

use pinion_proto::v1;
use pinion_proto::v1::check::Probe;

use super::{age, text, words};

/// What was measured, and what was remarkable about how stages passed; one a line.
pub(crate) fn measured(rollout: &v1::Rollout) -> String {
    let mut out = String::new();
    for stage in &rollout.stages {
        for check in &stage.checks {
            out.push_str(&line(stage, check));
        }
        if !stage.note.is_empty() {
            let note = text::line(&stage.note);
            out.push_str(&format!("stage {} passed: {note}\n", stage.name));
        }
    }
    out
}

fn line(stage: &v1::Stage, check: &v1::StageCheck) -> String {
    let dry = if check.dry_run { " (dry run)" } else { "" };
    format!(
        "check {} of stage {}{dry}: {}, {}, {} in a row good, {} bad; the last: {}\n",
        check.name,
        stage.name,
        words::check_verdict(check.verdict),
        text::count(check.samples, "sample"),
        check.successes,
        check.failures,
        text::line(&check.detail)
    )
}

/// What will be asked after which stage, one a line.
pub(crate) fn asked(strategy: &v1::Strategy) -> String {
    let stages = strategy.stages.iter();
    let checks = stages.flat_map(|stage| stage.checks.iter().map(move |check| (stage, check)));
    let lines = checks.map(|(stage, check)| {
        let dry = if check.dry_run { " (dry run)" } else { "" };
        format!(
            "after stage {}, check {}{dry}: {}, every {}, {} in a row\n",
            stage.name,
            check.name,
            text::line(&probe(check)),
            age::duration(check.interval.as_ref()),
            check.samples.unwrap_or(1)
        )
    });
    lines.collect()
}

fn probe(check: &v1::Check) -> String {
    match &check.probe {
        Some(Probe::Prometheus(query)) => {
            format!("{} {} at {}", query.query, query.success, query.url)
        }
        Some(Probe::Http(request)) => {
            let status = request.status.unwrap_or(200);
            let url = request.url.split(['?', '#']).next().unwrap_or_default();
            format!("{status} from {url}")
        }
        None => "asks something that this pinion does not know".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_and_dry_runs_are_told_on_a_line_each() {
        let check = v1::StageCheck {
            name: "errors".into(),
            verdict: v1::CheckVerdict::Failed.into(),
            dry_run: true,
            samples: 2,
            successes: 0,
            failures: 1,
            detail: "0.5 is not < 0.01:\u{1b}[2J up".into(),
            sampled_at: None,
        };
        let stage = v1::Stage {
            name: "canary".into(),
            checks: vec![check],
            note: "1 failed".into(),
            ..Default::default()
        };
        let rollout = v1::Rollout {
            stages: vec![stage],
            ..Default::default()
        };
        assert_eq!(
            measured(&rollout),
            "check errors of stage canary (dry run): failed, 2 samples, 0 in a row good, 1 bad; the last: 0.5 is not < 0.01: [2J up\nstage canary passed: 1 failed\n"
        );
    }

    #[test]
    fn a_plan_says_what_will_be_asked_and_shows_no_key() {
        let request = v1::HttpRequest {
            url: "https://app/health?key=secret".into(),
            ..Default::default()
        };
        let query = v1::PrometheusQuery {
            url: "http://prometheus".into(),
            query: "up".into(),
            success: "> 0".into(),
            ..Default::default()
        };
        let check = |name: &str, probe| v1::Check {
            name: name.into(),
            probe: Some(probe),
            interval: Some(prost_types::Duration {
                seconds: 10,
                nanos: 0,
            }),
            ..Default::default()
        };
        let stage = v1::StageSpec {
            name: "canary".into(),
            checks: vec![
                check("smoke", Probe::Http(request)),
                check("up", Probe::Prometheus(query)),
            ],
            ..Default::default()
        };
        let strategy = v1::Strategy {
            stages: vec![stage],
            ..Default::default()
        };
        assert_eq!(
            asked(&strategy),
            "after stage canary, check smoke: 200 from https://app/health, every 10s, 1 in a row\n\
             after stage canary, check up: up > 0 at http://prometheus, every 10s, 1 in a row\n"
        );
    }
}
