use pinion_model::CheckName;
use pinion_rollout::{Check, HttpGet, Probe, PromQuery};

use super::each;
use crate::{ConfigError, Faults, Section};

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
const QUERY_KEYS: [&str; 4] = ["url", "query", "success", "failure"];
const GET_KEYS: [&str; 3] = ["url", "status", "body_contains"];

/// Reads `checks` of a stage.
pub(super) fn read(file: &str, stage: &Section<'_>) -> Result<Vec<Check>, ConfigError> {
    each(file, stage, "checks", &KEYS, check)
}

fn check(file: &str, section: &Section<'_>) -> Result<Check, ConfigError> {
    let mut faults = Faults::default();
    let name = section.parsed::<CheckName>("name");
    let what = "a name of its own in the stage";
    let name = faults.find(name.and_then(|name| section.required("name", name, what)));
    let probe = faults.find(probe(file, section));
    let interval = faults.keep(section.duration("interval"));
    let samples = faults.keep(section.integer("samples", 1..=1000));
    let failure_limit = faults.keep(section.integer("failure_limit", 0..=1000));
    let timeout = faults.keep(section.duration("timeout"));
    let dry_run = faults.keep(section.flag("dry_run"));
    let usual = name.zip(probe).map(|(name, probe)| Check::of(name, probe));
    faults.finish(usual.map(|usual| Check {
        interval: interval.unwrap_or(usual.interval),
        samples: samples.unwrap_or(usual.samples),
        failure_limit: failure_limit.unwrap_or(usual.failure_limit),
        timeout: timeout.unwrap_or(usual.timeout),
        dry_run: dry_run.unwrap_or(usual.dry_run),
        ..usual
    }))
}

fn probe(file: &str, section: &Section<'_>) -> Result<Probe, ConfigError> {
    let below = |key: &str, table| Section::open(file, section.below(key), table);
    match (section.table("prometheus")?, section.table("http")?) {
        (Some(table), None) => query(&below("prometheus", table)).map(Probe::Prometheus),
        (None, Some(table)) => get(&below("http", table)).map(Probe::Http),
        _ => Err(section.error("", "must have exactly one of prometheus, http")),
    }
}

/// A string that must be there.
fn text<'a>(section: &Section<'a>, key: &str, what: &str) -> Result<&'a str, ConfigError> {
    section.required(key, section.text(key)?, what)
}

fn query(section: &Section<'_>) -> Result<PromQuery, ConfigError> {
    let mut faults = Faults::default();
    faults.keep(section.only(&QUERY_KEYS));
    let what = "the address of a Prometheus server, such as \"http://prometheus:9090\"";
    let url = faults.keep(text(section, "url", what)).to_owned();
    let query = faults.keep(text(section, "query", "PromQL")).to_owned();
    let what = "what a good value fulfils, such as \"< 0.01\"";
    let success = section.parsed("success");
    let success = success.and_then(|success| section.required("success", success, what));
    let success = faults.find(success);
    let failure = faults.keep(section.parsed("failure"));
    faults.finish(success.map(|success| PromQuery {
        url,
        query,
        success,
        failure,
    }))
}

fn get(section: &Section<'_>) -> Result<HttpGet, ConfigError> {
    let mut faults = Faults::default();
    faults.keep(section.only(&GET_KEYS));
    let url = faults.keep(text(section, "url", "an address to ask"));
    let status = faults.keep(section.integer("status", 200..=599));
    let body = faults.keep(section.text("body_contains"));
    let usual = HttpGet::of(url);
    let status = status.and_then(|status| u16::try_from(status).ok());
    let get = HttpGet {
        status: status.unwrap_or(usual.status),
        body_contains: body.map(str::to_owned),
        ..usual
    };
    faults.finish(Some(get))
}
