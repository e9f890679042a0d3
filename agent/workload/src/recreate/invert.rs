//! The engine's merge (moby `daemon/commit.go`, `merge`), backwards.

use std::collections::BTreeSet;

use serde_json::Value;

use super::draft::{Draft, Object, same};
use super::kept::Kept;
use super::{command, env, healthcheck};

/// Takes out of the draft what came from the old image.
///
/// What a user set to exactly the image's own value cannot be told from it and
/// follows the new image, unless a label of the container says whose it is.
pub(super) fn subtract(draft: &mut Draft<'_>, image: &Value) {
    let empty = Object::new();
    let image = image.as_object().unwrap_or(&empty);
    let published = published(&draft.host);
    let kept = Kept::read(draft);
    let config = &mut draft.config;
    for field in ["User", "WorkingDir", "StopSignal"] {
        if !kept.is(field) {
            subtract_value(config, image, field);
        }
    }
    env::subtract(config, image, |name| kept.has("Env", name));
    command::subtract(config, image, &kept);
    if !kept.is("Healthcheck") {
        healthcheck::subtract(config, image);
    }
    for field in ["Labels", "Volumes"] {
        subtract_entries(config, image, field, |key| kept.has(field, key));
    }
    // The engine maps only ports that are exposed: a published one stays exposed whatever the new image says.
    subtract_entries(config, image, "ExposedPorts", |port| {
        published.contains(port) || kept.has("ExposedPorts", port)
    });
}

fn published(host: &Object) -> BTreeSet<String> {
    let bindings = host.get("PortBindings").and_then(Value::as_object);
    bindings
        .into_iter()
        .flat_map(|ports| ports.keys().cloned())
        .collect()
}

fn subtract_value(config: &mut Object, image: &Object, field: &str) {
    if same(config.get(field), image.get(field)) {
        config.remove(field);
    }
}

/// Drops entries whose key and value are the image's, but for those that `stays` names.
fn subtract_entries(
    config: &mut Object,
    image: &Object,
    field: &str,
    stays: impl Fn(&str) -> bool,
) {
    let Some(theirs) = image.get(field).and_then(Value::as_object) else {
        return;
    };
    let Some(ours) = config.get_mut(field).and_then(Value::as_object_mut) else {
        return;
    };
    ours.retain(|key, value| stays(key) || theirs.get(key) != Some(value));
}
