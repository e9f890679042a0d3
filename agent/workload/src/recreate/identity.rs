use serde_json::{Value, json};

use super::draft::Draft;

/// Drops the host name that the engine made up: carried on, it would be the
/// dead container's, and with a foreign UTS namespace the engine refuses it.
pub(super) fn keep(draft: &mut Draft<'_>, host_name: &str) {
    let hostname = draft
        .config
        .get("Hostname")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let network = draft.host_text("NetworkMode");
    let borrowed = network.starts_with("container:");
    let made_up = hostname == draft.short_id() || (network == "host" && hostname == host_name);
    if made_up || borrowed || draft.host_text("UTSMode") == "host" {
        draft.config.remove("Hostname");
    }
    if borrowed {
        forget_what_the_lender_decides(draft);
    }
}

/// Of a container in another one's network namespace; the engine refuses most of these.
fn forget_what_the_lender_decides(draft: &mut Draft<'_>) {
    for field in ["Domainname", "ExposedPorts", "MacAddress"] {
        draft.config.remove(field);
    }
    for field in [
        "Links",
        "Dns",
        "DnsOptions",
        "DnsSearch",
        "ExtraHosts",
        "PortBindings",
    ] {
        draft.host.remove(field);
    }
    draft
        .host
        .insert("PublishAllPorts".to_owned(), json!(false));
}
