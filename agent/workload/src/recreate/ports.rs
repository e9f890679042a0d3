//! Published ports that the engine chooses anew at every start.

use serde_json::{Value, json};

use super::draft::{Draft, Object, text};

/// Label that, set to `true`, keeps the ports that the engine chose.
pub const PIN_PORTS_LABEL: &str = "pinion.pin-ports";

/// Where the container's label asks for it, pins what the engine chose (for
/// `-p 80`, for a range and for `-P`) to the port that it has now.
pub(super) fn keep(draft: &mut Draft<'_>) {
    let chosen = draft.inspect.pointer("/NetworkSettings/Ports");
    let chosen = chosen
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut bindings = match draft.host.get("PortBindings") {
        Some(Value::Object(bindings)) => bindings.clone(),
        _ => Object::new(),
    };
    let moves = bindings.values().flat_map(list).any(is_open);
    let all = draft.host.get("PublishAllPorts") == Some(&Value::Bool(true));
    if !moves && !all {
        return;
    }
    if draft.label(PIN_PORTS_LABEL) != "true" {
        draft.warnings.push(format!(
            "the engine chooses published ports anew; {PIN_PORTS_LABEL}=true keeps the ones it chose"
        ));
        return;
    }
    for (port, bound) in &mut bindings {
        pin(bound, chosen.get(port));
    }
    let unbound = chosen.iter().filter(|_| all);
    for (port, now) in unbound {
        if !bindings.contains_key(port) && !list(now).is_empty() {
            let mut open = json!([{ "HostIp": "", "HostPort": "" }]);
            pin(&mut open, Some(now));
            bindings.insert(port.clone(), open);
        }
    }
    draft
        .host
        .insert("PortBindings".to_owned(), Value::Object(bindings));
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The engine chooses it: no port, or one of a range.
pub(crate) fn is_open(binding: &Value) -> bool {
    let port = text(binding, "HostPort");
    port.is_empty() || port == "0" || port.contains('-')
}

/// Each open binding gets the port that one of the same address has.
fn pin(bound: &mut Value, now: Option<&Value>) {
    let now = now.map_or(&[][..], list);
    let taken: Vec<String> = list(bound)
        .iter()
        .filter(|b| !is_open(b))
        .map(|b| text(b, "HostPort").to_owned())
        .collect();
    let mut free: Vec<&Value> = now
        .iter()
        .filter(|n| !taken.iter().any(|t| t == text(n, "HostPort")))
        .collect();
    for binding in bound
        .as_array_mut()
        .into_iter()
        .flatten()
        .filter(|b| is_open(b))
    {
        let address = text(binding, "HostIp").to_owned();
        let fits = |now: &&Value| address.is_empty() || text(now, "HostIp") == address;
        let Some(found) = free.iter().position(fits) else {
            continue;
        };
        let port = text(free[found], "HostPort").to_owned();
        // One binding shows twice, for IPv4 and IPv6.
        free.retain(|now| text(now, "HostPort") != port);
        binding["HostPort"] = json!(port);
    }
}
