use super::{Verdict, View};
use crate::spec::written;
use crate::{Check, CheckRun, CheckVerdict, Gate};

/// What the world says of a stage whose machines are done: every check must
/// pass. One that fails stops the rollout as a failure of it; one that cannot
/// tell stops it for a person. Dry runs are waited for, and stop nothing.
pub(crate) fn check(view: View<'_>) -> Verdict {
    for bad in [CheckVerdict::Failed, CheckVerdict::Inconclusive] {
        let mut ended = runs(view).filter(|(check, _)| !check.dry_run);
        if let Some((check, run)) = ended.find_map(|(check, run)| {
            let run = run?;
            (run.verdict(check, view.now) == Some(bad)).then_some((check, run))
        }) {
            return stop(view, check, run, bad);
        }
    }
    let open: Vec<_> = runs(view)
        .filter(|(check, run)| run.is_none_or(|run| run.verdict(check, view.now).is_none()))
        .collect();
    if open.is_empty() {
        return Verdict::Pass;
    }
    let until = open
        .iter()
        .filter_map(|(check, run)| run.map(|run| run.deadline(check)));
    let until = until.min();
    let open = open.into_iter().map(|(check, run)| progress(check, run));
    let words: Vec<_> = open.chain(notes(view)).collect();
    let stage = &view.stage.rules.name;
    Verdict::wait(
        format!("checks of stage {stage}: {}", words.join("; ")),
        until,
    )
}

/// How the dry runs of a stage ended, in words.
pub(crate) fn notes(view: View<'_>) -> impl Iterator<Item = String> {
    let dry = runs(view).filter(|(check, _)| check.dry_run);
    dry.filter_map(move |(check, run)| {
        let run = run?;
        let word = run.verdict(check, view.now)?.word();
        Some(format!(
            "dry run of check {}: {word} ({})",
            check.name, run.last.detail
        ))
    })
}

/// Every check with what was measured of it.
pub(crate) fn runs<'a>(view: View<'a>) -> impl Iterator<Item = (&'a Check, Option<&'a CheckRun>)> {
    let checks = view.stage.rules.checks.iter();
    checks.map(move |check| (check, view.stage.check(&check.name)))
}

fn stop(view: View<'_>, check: &Check, run: &CheckRun, verdict: CheckVerdict) -> Verdict {
    let stage = &view.stage.rules.name;
    let (name, last) = (&check.name, &run.last.detail);
    if verdict == CheckVerdict::Failed {
        let (failures, samples, limit) = (run.failures, run.samples, check.failure_limit);
        let reason = format!(
            "stage {stage}: check {name} failed: {failures} of {samples} sample(s) failed and {limit} may: {last}"
        );
        return Verdict::stop(Gate::Metric, reason);
    }
    let reason = format!(
        "stage {stage}: check {name} is inconclusive: {} of {} success(es) in a row after {}; the last sample: {last}; mend what it asks and resume, or abort this one and start another without it",
        run.successes,
        check.samples,
        written(check.timeout)
    );
    Verdict::inconclusive(Gate::Metric, reason)
}

/// How far a check is that goes on.
fn progress(check: &Check, run: Option<&CheckRun>) -> String {
    let name = &check.name;
    let dry = if check.dry_run { " (dry run)" } else { "" };
    let Some(run) = run else {
        return format!("{name}{dry}: no sample yet");
    };
    let failed = match run.failures {
        0 => String::new(),
        failures => format!(", {failures} failed and {} may", check.failure_limit),
    };
    format!(
        "{name}{dry}: {} of {} success(es) in a row{failed}; the last sample: {}",
        run.successes, check.samples, run.last.detail
    )
}
