//! The answer of Prometheus' HTTP API to an instant query.

use std::collections::BTreeMap;

use pinion_rollout::{Answer, Series};
use serde::Deserialize;
use serde_json::Value;

use super::Trouble;

/// How the API wraps every answer, good or bad.
#[derive(Deserialize)]
struct Envelope {
    status: String,
    data: Option<Outcome>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

/// A number and when it was so.
type Point = (Value, String);

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    value: Option<Point>,
}

/// Reads an answer of that code.
pub(super) fn read(status: u16, body: &[u8]) -> Result<Answer, Trouble> {
    let envelope: Result<Envelope, _> = serde_json::from_slice(body);
    let envelope = match envelope {
        Ok(envelope) if status == 200 && envelope.status == "success" => envelope,
        Ok(Envelope { error, .. }) if !error.is_empty() => {
            return Err(Trouble::Refused { status, error });
        }
        Err(error) if status == 200 => return Err(Trouble::garbage(error)),
        _ => return Err(Trouble::Code(status)),
    };
    // Part of the data could not be read: what is missing may be the worst.
    if let Some(warning) = envelope.warnings.into_iter().next() {
        return Err(Trouble::Partial(warning));
    }
    let outcome = envelope
        .data
        .ok_or_else(|| Trouble::garbage("it has no data"))?;
    match outcome.kind.as_str() {
        "scalar" => {
            let (_, value): Point = read_value(outcome.result)?;
            number(&value).map(Answer::Scalar)
        }
        "vector" => {
            let rows: Vec<Row> = read_value(outcome.result)?;
            rows.into_iter()
                .map(series)
                .collect::<Result<_, _>>()
                .map(Answer::Vector)
        }
        other => Err(Trouble::garbage(format!(
            "the query gives a {other}, and a check needs a scalar or an instant vector"
        ))),
    }
}

fn read_value<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Trouble> {
    serde_json::from_value(value).map_err(Trouble::garbage)
}

fn series(row: Row) -> Result<Series, Trouble> {
    let Some((_, value)) = row.value else {
        let message =
            "a series is a native histogram; take histogram_quantile or histogram_fraction of it";
        return Err(Trouble::garbage(message));
    };
    Ok(Series {
        labels: labels(row.metric),
        value: number(&value)?,
    })
}

/// Written as Go does it: `0.5`, `1e-05`, `+Inf`, `NaN`.
fn number(text: &str) -> Result<f64, Trouble> {
    text.parse()
        .map_err(|_| Trouble::garbage(format!("{text:?} is no number")))
}

/// As PromQL writes them, the metric's name first.
fn labels(mut metric: BTreeMap<String, String>) -> String {
    let name = metric.remove("__name__").unwrap_or_default();
    if metric.is_empty() {
        return name;
    }
    let pairs = metric.iter().map(|(key, value)| format!("{key}={value:?}"));
    format!("{name}{{{}}}", pairs.collect::<Vec<_>>().join(","))
}
