use pinion_model::CheckName;
use pinion_proto::convert::{InvalidField, duration, from_duration, optional_text, or_empty, text};
use pinion_proto::v1;
use pinion_rollout::{Check, HttpGet, Probe, PromQuery};

use super::fields::{InvalidFields, each};
use crate::Faults;

/// A stage's checks as they were asked for; whether they make sense is the engine's to say.
pub(super) fn from_messages(
    field: &str,
    messages: &[v1::Check],
) -> Result<Vec<Check>, InvalidFields> {
    each(field, messages, from_message)
}

fn from_message(field: &str, message: &v1::Check) -> Result<Check, InvalidFields> {
    let below = |name: &str| format!("{field}.{name}");
    let mut faults = Faults::default();
    let name = faults.find(text::<CheckName>(&below("name"), &message.name));
    let probe = faults.find(probe(field, message.probe.as_ref()));
    let interval = faults.keep(from_duration(&below("interval"), message.interval.as_ref()));
    let timeout = faults.keep(from_duration(&below("timeout"), message.timeout.as_ref()));
    let usual = name.zip(probe).map(|(name, probe)| Check::of(name, probe));
    faults.finish(usual.map(|usual| Check {
        interval: interval.unwrap_or(usual.interval),
        samples: message.samples.unwrap_or(usual.samples),
        failure_limit: message.failure_limit,
        timeout: timeout.unwrap_or(usual.timeout),
        dry_run: message.dry_run,
        ..usual
    }))
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

#[cfg(test)]
mod tests;
