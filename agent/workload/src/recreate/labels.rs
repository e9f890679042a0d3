use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::draft::Draft;
use crate::compose;
use crate::names::{
    FOR_LABEL, OLD_IMAGE_LABEL, OLD_POLICY_LABEL, OLD_STATE_LABEL, RESTORES_LABEL, TERMS_LABEL,
};

/// Names the operation that made a container.
pub const OPERATION_LABEL: &str = "pinion.op";

/// The id of the container that a container was made to replace.
pub const REPLACES_LABEL: &str = "pinion.replaces";

/// Keeps the user's labels (Compose's hash of the configuration among them),
/// forgets the last operation's, and adds `extra`.
pub(super) fn keep(draft: &mut Draft<'_>, extra: &BTreeMap<String, String>, image_id: &str) {
    let mut labels = match draft.config.remove("Labels") {
        Some(Value::Object(labels)) => labels,
        _ => Map::new(),
    };
    for label in [
        OPERATION_LABEL,
        REPLACES_LABEL,
        FOR_LABEL,
        OLD_STATE_LABEL,
        OLD_POLICY_LABEL,
        OLD_IMAGE_LABEL,
        RESTORES_LABEL,
        TERMS_LABEL,
    ] {
        labels.remove(label);
    }
    if let Some(image) = labels.get_mut(compose::IMAGE_LABEL) {
        *image = Value::String(image_id.to_owned());
        let reference = draft.config.get("Image").and_then(Value::as_str);
        if let Some(reference) = reference.filter(|named| compose::split(named).is_some()) {
            labels.insert(compose::REFERENCE_LABEL.to_owned(), json!(reference));
        }
    }
    labels.extend(
        extra
            .iter()
            .map(|(key, value)| (key.clone(), Value::String(value.clone()))),
    );
    draft
        .config
        .insert("Labels".to_owned(), Value::Object(labels));
}
