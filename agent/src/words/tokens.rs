//! Secrets that are known by what they look like, whoever owns them.
//!
//! - what follows `Bearer`, of at least 8 characters with a digit or 20 without;
//! - what follows `Basic`, if it is base64 of something with a colon;
//! - the rest of a line after `Authorization`, `Cookie`, `Set-Cookie` or
//!   `X-Api-Key` and a colon;
//! - JSON web tokens (`eyJ…` with two dots), and tokens that begin with one of
//!   [`PREFIXES`] and at least 16 characters behind it;
//! - the password in a URL (`scheme://user:password@host`);
//! - private keys in PEM, from `BEGIN` to `END` or to the end.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::REMOVED;

/// How tokens of well-known services begin.
const PREFIXES: [&str; 22] = [
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xapp-",
    "sk-",
    "sk_live_",
    "rk_live_",
    "AKIA",
    "ASIA",
    "fm1_",
    "fm2_",
    "fo1_",
    "npm_",
    "hvs.",
    "AIza",
];
/// Characters that must stand behind such a beginning.
const BEHIND: usize = 16;
/// Headers whose value is nobody's business.
const HEADERS: [&str; 4] = ["authorization:", "cookie:", "set-cookie:", "x-api-key:"];

pub(super) fn without(text: &str) -> String {
    let mut in_key = false;
    let lines: Vec<String> = text
        .split('\n')
        .filter_map(|line| {
            let (begins, ends) = (is_key(line, "BEGIN"), is_key(line, "END"));
            let was_in_key = in_key;
            in_key = (in_key || begins) && !ends;
            match (was_in_key, begins) {
                (true, _) => None,
                (false, true) => Some(REMOVED.to_owned()),
                (false, false) => Some(of_line(line)),
            }
        })
        .collect();
    lines.join("\n")
}

fn is_key(line: &str, edge: &str) -> bool {
    line.contains(&format!("-----{edge} ")) && line.contains("PRIVATE KEY-----")
}

fn of_line(line: &str) -> String {
    of_words(&of_urls(&of_headers(line)))
}

fn of_headers(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let end = HEADERS
        .iter()
        .filter_map(|header| Some(lower.find(header)? + header.len()))
        .min();
    match end {
        Some(end) if !line[end..].trim().is_empty() => format!("{} {REMOVED}", &line[..end]),
        _ => line.to_owned(),
    }
}

fn of_urls(line: &str) -> String {
    let mut parts = line.split("://");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c));
        let (authority, rest) = part.split_at(end.unwrap_or(part.len()));
        out.push_str("://");
        match authority.rsplit_once('@') {
            Some((user, host)) if user.contains(':') => {
                let name = user.split(':').next().unwrap_or_default();
                out.push_str(&format!("{name}:{REMOVED}@{host}"));
            }
            _ => out.push_str(authority),
        }
        out.push_str(rest);
    }
    out
}

/// Goes from run to run of characters that a token can have.
fn of_words(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut before = "";
    let mut rest = line;
    while let Some(start) = rest.find(is_tokens) {
        let body = rest[start..].find(|c| !is_tokens(c));
        let body = body.map_or(rest.len(), |length| start + length);
        let padding = rest[body..].len() - rest[body..].trim_start_matches('=').len();
        let end = body + padding;
        let (run, padded) = (&rest[start..body], &rest[start..end]);
        out.push_str(&rest[..start]);
        match secret_from(before, run, padded) {
            Some(from) => out.push_str(&format!("{}{REMOVED}", &run[..from])),
            None => out.push_str(padded),
        }
        before = run;
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn is_tokens(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~+/".contains(c)
}

/// Where in a run a secret begins, if one does; `before` is the run before it.
fn secret_from(before: &str, run: &str, padded: &str) -> Option<usize> {
    let is = |word: &str| before.eq_ignore_ascii_case(word);
    let has_digit = run.bytes().any(|byte| byte.is_ascii_digit());
    let is_long = run.len() >= 20 || (run.len() >= 8 && has_digit);
    if (is("bearer") && is_long) || (is("basic") && is_pair(padded)) {
        return Some(0);
    }
    let begins = |at: &usize| *at == 0 || !run.as_bytes()[at - 1].is_ascii_alphanumeric();
    (0..run.len())
        .filter(begins)
        .find(|at| is_token(&run[*at..]))
}

fn is_pair(padded: &str) -> bool {
    let decoded = STANDARD.decode(padded).or_else(|_| URL_SAFE.decode(padded));
    decoded.is_ok_and(|bytes| bytes.contains(&b':'))
}

fn is_token(text: &str) -> bool {
    let length = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
        end.unwrap_or(text.len())
    };
    let mut rest = PREFIXES
        .iter()
        .filter_map(|prefix| text.strip_prefix(prefix));
    let is_web_token =
        text.starts_with("eyJ") && text.matches('.').count() >= 2 && text.len() >= 20;
    is_web_token || rest.any(|rest| length(rest) >= BEHIND)
}
