use std::collections::BTreeSet;
use std::time::Duration;

use super::{Check, HttpGet, Probe, PromQuery};
use crate::Fault;

const MAX_CHECKS: usize = 20;
const MAX_TEXT: usize = 4096;
const MAX_URL: usize = 2048;
const INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);
const MAX_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);
const MAX_SAMPLES: u32 = 1000;

/// All that is wrong with a stage's checks; `path` is where their list stands.
#[must_use]
pub fn check_all(checks: &[Check], path: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if checks.len() > MAX_CHECKS {
        let message = format!("at most {MAX_CHECKS} checks a stage; got {}", checks.len());
        faults.push(Fault::new(path, message));
    }
    let mut names = BTreeSet::new();
    for (place, check) in checks.iter().enumerate() {
        let path = format!("{path}[{place}]");
        if !names.insert(&check.name) {
            let message = format!(
                "{:?} is the name of two checks of this stage; each needs one of its own",
                check.name.as_str()
            );
            faults.push(Fault::new(format!("{path}.name"), message));
        }
        check.find_faults(&path, &mut faults);
    }
    faults
}

impl Check {
    fn find_faults(&self, path: &str, faults: &mut Vec<Fault>) {
        match &self.probe {
            Probe::Prometheus(query) => query.find_faults(&format!("{path}.prometheus"), faults),
            Probe::Http(get) => get.find_faults(&format!("{path}.http"), faults),
        }
        let mut fault = |key: &str, message: String| {
            faults.push(Fault::new(format!("{path}.{key}"), message));
        };
        if !INTERVAL.contains(&self.interval) {
            let got = self.interval;
            fault("interval", format!("must be 1 s to 1 h; got {got:?}"));
        }
        if !(1..=MAX_SAMPLES).contains(&self.samples) {
            let message = format!("must be 1 to {MAX_SAMPLES}; got {}", self.samples);
            fault("samples", message);
        }
        if self.failure_limit > MAX_SAMPLES {
            let message = format!("must be 0 to {MAX_SAMPLES}; got {}", self.failure_limit);
            fault("failure_limit", message);
        }
        if let Some(message) = self.timeout_fault() {
            fault("timeout", message);
        }
    }

    fn timeout_fault(&self) -> Option<String> {
        let (got, samples, interval) = (self.timeout, self.samples, self.interval);
        let needed = interval.saturating_mul(samples);
        if got > MAX_TIMEOUT {
            Some(format!("must be at most 7 days; got {got:?}"))
        } else if got.is_zero() || got < needed {
            Some(format!(
                "{got:?} ends before {samples} sample(s), one every {interval:?}, can be taken; must be at least {needed:?}"
            ))
        } else {
            None
        }
    }
}

impl PromQuery {
    fn find_faults(&self, path: &str, faults: &mut Vec<Fault>) {
        let mut fault = |key: &str, message: String| {
            faults.push(Fault::new(format!("{path}.{key}"), message));
        };
        if let Some(message) = url_fault(&self.url) {
            fault("url", message);
        } else if self.url.contains(['?', '#']) {
            let message = "must be the server's address alone, such as \"http://prometheus:9090\"; what to ask stands in query";
            fault("url", message.to_owned());
        }
        if self.query.trim().is_empty() || self.query.len() > MAX_TEXT {
            let message = format!(
                "must be PromQL, 1 to {MAX_TEXT} bytes; got {} byte(s)",
                self.query.len()
            );
            fault("query", message);
        }
        if let Some(both) = self
            .failure
            .and_then(|failure| failure.common(self.success))
        {
            let message = format!(
                "overlaps success ({}): {both} would be both; make them disjoint",
                self.success
            );
            fault("failure", message);
        }
    }
}

impl HttpGet {
    fn find_faults(&self, path: &str, faults: &mut Vec<Fault>) {
        let mut fault = |key: &str, message: String| {
            faults.push(Fault::new(format!("{path}.{key}"), message));
        };
        if let Some(message) = url_fault(&self.url) {
            fault("url", message);
        }
        if !(200..=599).contains(&self.status) {
            fault("status", format!("must be 200 to 599; got {}", self.status));
        }
        let length = self.body_contains.as_ref().map(String::len);
        if let Some(length) = length.filter(|length| !(1..=MAX_TEXT).contains(length)) {
            let message = format!(
                "must be 1 to {MAX_TEXT} bytes; got {length}; leave it out if the body does not matter"
            );
            fault("body_contains", message);
        }
    }
}

/// What is wrong with an address; it is not repeated, as it may hold a password.
fn url_fault(url: &str) -> Option<String> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest.filter(|_| url.len() <= MAX_URL) else {
        return Some(format!(
            "must begin with http:// or https://, and have at most {MAX_URL} bytes"
        ));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Some(
            "must hold no user or password: a strategy is shown to everybody; a token stands in a file that the coordinator's [probe] token_files names".to_owned(),
        );
    }
    let whole = url.bytes().all(|byte| byte.is_ascii_graphic());
    (!whole || !is_host_and_port(authority)).then(|| {
        "must be an address such as \"http://prometheus:9090\", in ASCII without spaces".to_owned()
    })
}

/// A name, an IPv4 address or an IPv6 address in brackets; with or without a port.
fn is_host_and_port(authority: &str) -> bool {
    let bracketed = authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'));
    let (host, rest) = match bracketed {
        Some((host, rest)) => (host.parse::<core::net::Ipv6Addr>().is_ok(), rest),
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, rest) = authority.split_at(end);
            (is_name(host), rest)
        }
    };
    let port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    host && (rest.is_empty() || rest.strip_prefix(':').is_some_and(port))
}

fn is_name(host: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    !host.is_empty() && host.bytes().all(letter)
}
