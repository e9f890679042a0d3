use pinion_model::CheckName;
use pinion_rollout::{Check, HttpGet, Probe, PromQuery, check_all};

use super::ConfigError;
use super::section::Section;

const KEYS: [&str; 8] = [
    "name",
    "prometheus",
    "http",
    "interval",
    "samples",
    "failure_limit",
    "timeout",
    "dry_run",
];

/// Reads `checks` of a stage.
pub(super) fn read(file: &str, stage: &Section<'_>) -> Result<Vec<Check>, ConfigError> {
    let tables = stage.tables("checks")?.unwrap_or_default();
    let path = stage.below("checks");
    let checks = tables.into_iter().enumerate().map(|(place, table)| {
        let section = Section::new(file, format!("{path}[{place}]"), table, &KEYS)?;
        check(file, &section)
    });
    let checks: Vec<_> = checks.collect::<Result<_, _>>()?;
    refuse(file, &checks, &path)?;
    Ok(checks)
}

/// The first fault by its key, and all others after it.
fn refuse(file: &str, checks: &[Check], path: &str) -> Result<(), ConfigError> {
    let mut faults = check_all(checks, path).into_iter();
    let Some(first) = faults.next() else {
        return Ok(());
    };
    let others = faults.map(|fault| format!("\n{file}: {fault}"));
    let others: String = others.collect();
    Err(ConfigError::Key {
        file: file.to_owned(),
        key: first.path,
        message: first.message + &others,
    })
}

fn check(file: &str, section: &Section<'_>) -> Result<Check, ConfigError> {
    let name: Option<CheckName> = section.parsed("name")?;
    let name = section.required("name", name, "a name of its own in the stage")?;
    let usual = Check::of(name, probe(file, section)?);
    Ok(Check {
        interval: section.duration("interval")?.unwrap_or(usual.interval),
        samples: section
            .integer("samples", 1..=1000)?
            .unwrap_or(usual.samples),
        failure_limit: section
            .integer("failure_limit", 0..=1000)?
            .unwrap_or(usual.failure_limit),
        timeout: section.duration("timeout")?.unwrap_or(usual.timeout),
        dry_run: section.flag("dry_run")?.unwrap_or(usual.dry_run),
        ..usual
    })
}

fn probe(file: &str, section: &Section<'_>) -> Result<Probe, ConfigError> {
    let below =
        |key: &str, table, known: &[&str]| Section::new(file, section.below(key), table, known);
    match (section.table("prometheus")?, section.table("http")?) {
        (Some(table), None) => {
            let known = ["url", "query", "success", "failure"];
            query(&below("prometheus", table, &known)?).map(Probe::Prometheus)
        }
        (None, Some(table)) => {
            let known = ["url", "status", "body_contains"];
            get(&below("http", table, &known)?).map(Probe::Http)
        }
        _ => Err(section.error("", "must have exactly one of prometheus, http")),
    }
}

fn query(section: &Section<'_>) -> Result<PromQuery, ConfigError> {
    let url = "the address of a Prometheus server, such as \"http://prometheus:9090\"";
    let success = "what a good value fulfils, such as \"< 0.01\"";
    Ok(PromQuery {
        url: section
            .required("url", section.text("url")?, url)?
            .to_owned(),
        query: section
            .required("query", section.text("query")?, "PromQL")?
            .to_owned(),
        success: section.required("success", section.parsed("success")?, success)?,
        failure: section.parsed("failure")?,
    })
}

fn get(section: &Section<'_>) -> Result<HttpGet, ConfigError> {
    let url = section.required("url", section.text("url")?, "an address to ask")?;
    let usual = HttpGet::of(url);
    let status = section.integer("status", 200..=599)?;
    Ok(HttpGet {
        status: status
            .and_then(|status| u16::try_from(status).ok())
            .unwrap_or(usual.status),
        body_contains: section.text("body_contains")?.map(str::to_owned),
        ..usual
    })
}

#[cfg(test)]
mod tests;
