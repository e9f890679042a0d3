//! What the world says when a check asks.

use std::collections::BTreeMap;

use pinion_model::CheckName;
use pinion_rollout::{Answer, DueProbe, Judgement, Observation, Probe, Sample, due_probes};

use super::bench::Bench;
use super::words::Words;

/// What checks find, by their names; nothing until a script says so.
#[derive(Default)]
pub(super) struct Found(BTreeMap<CheckName, Finding>);

enum Finding {
    Value(f64),
    Page(u16, String),
}

/// `check errors finds 0.02`, `check login finds page 200 "ok"`, `check errors finds nothing`.
pub(super) fn command(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    words.next("check")?;
    let name: CheckName = words.parse("the name of a check")?;
    if !words.take("finds") {
        return Err("a check finds something: a number, a page, or nothing".to_owned());
    }
    let finding = match words.next("a number, a page, or nothing")?.as_str() {
        "nothing" => None,
        "page" => {
            let status = words.parse("the code of the answer")?;
            Some(Finding::Page(status, words.quoted()))
        }
        value => {
            let value = value.parse();
            Some(Finding::Value(value.map_err(|error| format!("{error}"))?))
        }
    };
    words.end()?;
    match finding {
        Some(finding) => bench.found.0.insert(name, finding),
        None => bench.found.0.remove(&name),
    };
    Ok(())
}

/// Takes every sample that is due, as the coordinator does; true if there was one.
pub(super) fn sample(bench: &mut Bench) -> bool {
    let due = due_probes(&bench.world, bench.now).due;
    let taken = !due.is_empty();
    for probe in due {
        let sample = ask(&bench.found, &probe);
        bench.say(format!(
            "check {} of stage {}: {}: {}",
            probe.check,
            probe.stage,
            word(sample.outcome),
            sample.detail
        ));
        bench.observe(Observation::Probed {
            rollout: probe.rollout,
            stage: probe.stage,
            check: probe.check,
            asked_at: bench.now,
            sample,
            at: bench.now,
        });
    }
    taken
}

fn ask(found: &Found, due: &DueProbe) -> Sample {
    match (&due.probe, found.0.get(&due.check)) {
        (Probe::Prometheus(query), Some(Finding::Value(value))) => {
            query.judge(&Answer::Scalar(*value))
        }
        (Probe::Http(page), Some(Finding::Page(status, body))) => page.judge(*status, body),
        _ => Sample::inconclusive("no answer"),
    }
}

fn word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Success => "success",
        Judgement::Failure => "failure",
        Judgement::Inconclusive => "inconclusive",
    }
}
