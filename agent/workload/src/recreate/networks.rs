//! Endpoints: what the user gave is kept, what the engine filled in is left behind.

use serde_json::{Value, json};

use super::ApiVersion;
use super::draft::{Draft, Object, text};
use crate::{ORDER_LABEL, START_FIRST};

/// What the user may give an endpoint; all else in it is the engine's. Its
/// address among them: a MAC that is copied here would exist twice (the one
/// that a user chose is `Config.MacAddress`).
const USERS_FIELDS: [&str; 5] = ["Aliases", "DriverOpts", "GwPriority", "IPAMConfig", "Links"];

/// The endpoints of the next container.
#[derive(Default)]
pub(super) struct Networks {
    /// Sent with the create call.
    pub(super) at_creation: Object,
    /// Connected after it, before the start.
    pub(super) afterwards: Vec<(String, Value)>,
}

/// Takes the endpoints over, the primary one under the name that `NetworkMode` has.
pub(super) fn keep(draft: &mut Draft<'_>, api: ApiVersion) -> Networks {
    let mode = draft.host_text("NetworkMode").to_owned();
    let disabled = draft.config.get("NetworkDisabled") == Some(&Value::Bool(true));
    if disabled || mode.starts_with("container:") {
        return Networks::default();
    }
    let endpoints = endpoints(draft.inspect);
    let Some(primary) = primary(draft, &mode, endpoints) else {
        return Networks::default();
    };
    let mut networks = Networks::default();
    for (name, endpoint) in endpoints.into_iter().flatten() {
        let kept = users_part(draft, name, endpoint, api);
        if *name == primary || api >= ApiVersion::MANY_ENDPOINTS {
            networks.at_creation.insert(name.clone(), kept);
        } else {
            networks.afterwards.push((name.clone(), kept));
        }
    }
    networks
}

fn endpoints(inspect: &Value) -> Option<&Object> {
    inspect
        .pointer("/NetworkSettings/Networks")
        .and_then(Value::as_object)
}

/// The primary network's name; adjusts `NetworkMode` where it does not name it.
fn primary(draft: &mut Draft<'_>, mode: &str, endpoints: Option<&Object>) -> Option<String> {
    let wanted = if matches!(mode, "default" | "") {
        "bridge"
    } else {
        mode
    };
    let endpoints = endpoints.filter(|endpoints| !endpoints.is_empty());
    let Some(endpoints) = endpoints else {
        if !matches!(mode, "none" | "host") {
            draft.warnings.push(format!(
                "connected to no network, though created on {wanted}: it stays without one"
            ));
            draft.host.insert("NetworkMode".to_owned(), json!("none"));
        }
        return None;
    };
    if endpoints.contains_key(wanted) {
        return Some(wanted.to_owned());
    }
    // Without an address under the mode's very name, a static one is lost (moby#47441).
    let by_id = endpoints
        .iter()
        .find(|(_, e)| mode.len() >= 12 && text(e, "NetworkID").starts_with(mode));
    let name = by_id
        .or_else(|| endpoints.iter().next())
        .map(|(name, _)| name.clone())?;
    if by_id.is_none() {
        draft.warnings.push(format!(
            "no longer connected to {wanted}, on which it was created: {name} is its first"
        ));
    }
    draft.host.insert("NetworkMode".to_owned(), json!(name));
    Some(name)
}

fn users_part(draft: &Draft<'_>, network: &str, endpoint: &Value, api: ApiVersion) -> Value {
    let mut kept = Object::new();
    for field in USERS_FIELDS {
        match endpoint.get(field) {
            None | Some(Value::Null) => {}
            Some(value) => drop(kept.insert(field.to_owned(), value.clone())),
        }
    }
    let mut aliases = match kept.remove("Aliases") {
        Some(aliases) => users_aliases(draft, network, &aliases, api),
        None => Vec::new(),
    };
    aliases.extend(own_name(draft, network).filter(|name| !aliases.contains(name)));
    if !aliases.is_empty() {
        kept.insert("Aliases".to_owned(), json!(aliases));
    }
    Value::Object(kept)
}

/// One that is replaced start-first must answer to its name also while the
/// two change names, so that it never fails to resolve.
fn own_name(draft: &Draft<'_>, network: &str) -> Option<String> {
    let labels = draft.inspect.pointer("/Config/Labels")?;
    let asks = labels.get(ORDER_LABEL)? == START_FIRST;
    (asks && takes_aliases(network)).then(|| draft.name.to_owned())
}

fn takes_aliases(network: &str) -> bool {
    !matches!(network, "bridge" | "host" | "none")
}

/// Old engines add the short id, and the host name, on every start; the
/// engine's own networks take no alias at all.
fn users_aliases(
    draft: &Draft<'_>,
    network: &str,
    aliases: &Value,
    api: ApiVersion,
) -> Vec<String> {
    if !takes_aliases(network) {
        return Vec::new();
    }
    let hostname = draft
        .config
        .get("Hostname")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let added = |alias: &str| {
        api < ApiVersion::CLEAN_ALIASES && (alias == draft.short_id() || alias == hostname)
    };
    let mut kept: Vec<String> = Vec::new();
    for alias in aliases
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !added(alias) && !kept.iter().any(|known| known == alias) {
            kept.push(alias.to_owned());
        }
    }
    kept
}
