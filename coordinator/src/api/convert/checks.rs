use pinion_model::{CheckName, RolloutPhase, Timestamp};
use pinion_proto::convert::{
    InvalidField, duration, from_duration, optional_text, or_empty, text, timestamp,
};
use pinion_proto::v1;
use pinion_rollout::{Check, CheckVerdict, HttpGet, Probe, PromQuery, Rollout, Stage};

/// A stage's checks as they were asked for; whether they make sense is the engine's to say.
pub(super) fn from_messages(
    field: &str,
    messages: &[v1::Check],
) -> Result<Vec<Check>, InvalidField> {
    let messages = messages.iter().enumerate();
    messages
        .map(|(place, message)| from_message(&format!("{field}[{place}]"), message))
        .collect()
}

fn from_message(field: &str, message: &v1::Check) -> Result<Check, InvalidField> {
    let below = |name: &str| format!("{field}.{name}");
    let name: CheckName = text(&below("name"), &message.name)?;
    let usual = Check::of(name, probe(field, message.probe.as_ref())?);
    let interval = from_duration(&below("interval"), message.interval.as_ref())?;
    let timeout = from_duration(&below("timeout"), message.timeout.as_ref())?;
    Ok(Check {
        interval: interval.unwrap_or(usual.interval),
        samples: message.samples.unwrap_or(usual.samples),
        failure_limit: message.failure_limit,
        timeout: timeout.unwrap_or(usual.timeout),
        dry_run: message.dry_run,
        ..usual
    })
}

fn probe(field: &str, message: Option<&v1::check::Probe>) -> Result<Probe, InvalidField> {
    match message {
        Some(v1::check::Probe::Prometheus(query)) => Ok(Probe::Prometheus(PromQuery {
            url: query.url.clone(),
            query: query.query.clone(),
            success: text(&format!("{field}.prometheus.success"), &query.success)?,
            failure: optional_text(&format!("{field}.prometheus.failure"), &query.failure)?,
        })),
        Some(v1::check::Probe::Http(request)) => http(field, request).map(Probe::Http),
        None => Err(InvalidField::new(
            field,
            "must have one of prometheus, http",
        )),
    }
}

fn http(field: &str, request: &v1::HttpRequest) -> Result<HttpGet, InvalidField> {
    let usual = HttpGet::of(&request.url);
    let status = request.status.map(u16::try_from).transpose();
    let status = status
        .map_err(|_| InvalidField::new(&format!("{field}.http.status"), "must be 200 to 599"))?;
    let body = (!request.body_contains.is_empty()).then(|| request.body_contains.clone());
    Ok(HttpGet {
        status: status.unwrap_or(usual.status),
        body_contains: body,
        ..usual
    })
}

/// A check with every default filled in.
pub(super) fn message(check: &Check) -> v1::Check {
    let probe = match &check.probe {
        Probe::Prometheus(query) => v1::check::Probe::Prometheus(v1::PrometheusQuery {
            url: query.url.clone(),
            query: query.query.clone(),
            success: query.success.to_string(),
            failure: or_empty(query.failure.as_ref()),
        }),
        Probe::Http(get) => v1::check::Probe::Http(v1::HttpRequest {
            url: get.url.clone(),
            status: Some(get.status.into()),
            body_contains: get.body_contains.clone().unwrap_or_default(),
        }),
    };
    v1::Check {
        name: check.name.to_string(),
        probe: Some(probe),
        interval: Some(duration(check.interval)),
        samples: Some(check.samples),
        failure_limit: check.failure_limit,
        timeout: Some(duration(check.timeout)),
        dry_run: check.dry_run,
    }
}

/// What was measured of a stage's checks, as it was when the stage passed or
/// the rollout stopped.
pub(super) fn measured(rollout: &Rollout, stage: &Stage, now: Timestamp) -> Vec<v1::StageCheck> {
    let stopped = (rollout.phase != RolloutPhase::Running).then_some(rollout.since);
    let now = stage.passed_at.or(stopped).unwrap_or(now);
    let checks = stage.rules.checks.iter();
    let measured = checks.filter_map(|check| {
        let run = stage.check(&check.name)?;
        Some(v1::StageCheck {
            name: run.name.to_string(),
            verdict: verdict(run.verdict(check, now)).into(),
            dry_run: check.dry_run,
            samples: run.samples,
            successes: run.successes,
            failures: run.failures,
            detail: run.last.detail.clone(),
            sampled_at: Some(timestamp(run.last_at)),
        })
    });
    measured.collect()
}

fn verdict(verdict: Option<CheckVerdict>) -> v1::CheckVerdict {
    match verdict {
        None => v1::CheckVerdict::Unspecified,
        Some(CheckVerdict::Passed) => v1::CheckVerdict::Passed,
        Some(CheckVerdict::Failed) => v1::CheckVerdict::Failed,
        Some(CheckVerdict::Inconclusive) => v1::CheckVerdict::Inconclusive,
    }
}

#[cfg(test)]
mod tests;
