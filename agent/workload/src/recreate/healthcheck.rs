use serde_json::Value;

use super::draft::{Object, is_unset, same};

/// Drops the fields that are the image's; what stays fills in from the new image.
///
/// A test of `["NONE"]` differs from any image's test and so stays.
pub(super) fn subtract(config: &mut Object, image: &Object) {
    let Some(theirs) = image.get("Healthcheck").and_then(Value::as_object) else {
        return;
    };
    let Some(ours) = config.get_mut("Healthcheck").and_then(Value::as_object_mut) else {
        return;
    };
    ours.retain(|field, value| !is_unset(Some(value)) && !same(Some(value), theirs.get(field)));
    if ours.is_empty() {
        config.remove("Healthcheck");
    }
}
