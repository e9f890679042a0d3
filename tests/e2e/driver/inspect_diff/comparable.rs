//! An inspect without what is another one in each run.

use serde_json::{Value, json};

use crate::api::settings;

/// Without ids, names of volumes and paths: `names` has what they stand for.
pub(super) fn comparable(inspect: &Value, names: &[(&str, &str)]) -> anyhow::Result<Value> {
    let mut shown = settings(inspect);
    let endpoints = shown["Networks"].as_object_mut();
    endpoints
        .into_iter()
        .flat_map(|all| all.values_mut())
        .for_each(clean_endpoint);
    sort_mounts(&mut shown["HostConfig"]["Mounts"]);
    let text = names
        .iter()
        .fold(shown.to_string(), |text, (name, stands_for)| {
            text.replace(name, stands_for)
        });
    let mut shown: Value = serde_json::from_str(&without_hashes(&text))?;
    hide_ephemeral(&mut shown["HostConfig"]["PortBindings"]);
    Ok(shown)
}

/// An address that nobody asked for is another one each time; `{}` is not set, as null is.
fn clean_endpoint(endpoint: &mut Value) {
    if endpoint["IPAMConfig"]["IPv4Address"] != endpoint["IPAddress"] {
        endpoint["IPAddress"] = Value::Null;
    }
    if endpoint["DriverOpts"] == json!({}) {
        endpoint["DriverOpts"] = Value::Null;
    }
}

fn sort_mounts(mounts: &mut Value) {
    if let Some(mounts) = mounts.as_array_mut() {
        mounts.sort_by_key(|mount| mount["Target"].to_string());
    }
}

/// 64 hex digits in a row are a volume's name.
fn without_hashes(text: &str) -> String {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_hex) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !is_hex(c)).unwrap_or(from.len());
        clean.push_str(before);
        clean.push_str(if end == 64 { "<hash>" } else { &from[..end] });
        rest = &from[end..];
    }
    clean + rest
}

/// The engine hands out ports from 32768 on.
fn hide_ephemeral(bindings: &mut Value) {
    let lists = bindings
        .as_object_mut()
        .into_iter()
        .flat_map(|all| all.values_mut());
    for binding in lists.filter_map(Value::as_array_mut).flatten() {
        let port = binding["HostPort"]
            .as_str()
            .and_then(|port| port.parse::<u16>().ok());
        if port.is_some_and(|port| port >= 32768) {
            binding["HostPort"] = json!("<ephemeral>");
        }
    }
}
