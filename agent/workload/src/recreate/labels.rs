use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::draft::Draft;
use crate::names::{OLD_POLICY_LABEL, OLD_STATE_LABEL};

/// Names the operation that made a container.
pub const OPERATION_LABEL: &str = "pinion.op";

/// The id of the container that a container was made to replace.
pub const REPLACES_LABEL: &str = "pinion.replaces";

/// Compose compares it with the image's id to see whether a container is up to date.
const COMPOSE_IMAGE_LABEL: &str = "com.docker.compose.image";

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
        OLD_STATE_LABEL,
        OLD_POLICY_LABEL,
    ] {
        labels.remove(label);
    }
    if let Some(image) = labels.get_mut(COMPOSE_IMAGE_LABEL) {
        *image = Value::String(image_id.to_owned());
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
