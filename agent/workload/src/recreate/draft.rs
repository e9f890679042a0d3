use pinion_model::{Failure, FailureKind};
use serde_json::{Map, Value, json};

use super::networks::Networks;
use crate::CreateSpec;

/// A JSON object of the engine.
pub(super) type Object = Map<String, Value>;

/// The next container while it is being made.
pub(super) struct Draft<'a> {
    /// The engine's answer about the old container.
    pub(super) inspect: &'a Value,
    /// The old container's id.
    pub(super) id: &'a str,
    /// Its name, without the leading slash.
    pub(super) name: &'a str,
    /// The engine's id of its image.
    pub(super) image: &'a str,
    /// The next container's `Config`.
    pub(super) config: Object,
    /// The next container's `HostConfig`.
    pub(super) host: Object,
    /// What cannot be kept.
    pub(super) warnings: Vec<String>,
}

impl<'a> Draft<'a> {
    /// Starts as an exact copy of the old container.
    pub(super) fn read(inspect: &'a Value) -> Result<Self, Failure> {
        let id = text(inspect, "Id");
        let name = text(inspect, "Name").trim_start_matches('/');
        let part = |key: &str| {
            inspect
                .get(key)
                .and_then(Value::as_object)
                .cloned()
                .ok_or_else(|| {
                    let message = format!(
                        "the engine's answer about container {name:?} ({id:?}) has no {key}"
                    );
                    Failure::new(FailureKind::Engine, message)
                })
        };
        let mut draft = Self {
            inspect,
            id,
            name,
            image: text(inspect, "Image"),
            config: part("Config")?,
            host: part("HostConfig")?,
            warnings: Vec::new(),
        };
        draft.say_what_stays_behind();
        Ok(draft)
    }

    fn say_what_stays_behind(&mut self) {
        if self.host.get("AutoRemove") == Some(&Value::Bool(true)) {
            // A created container with it is deleted by an engine's restart.
            self.host
                .insert("AutoRemove".to_owned(), Value::Bool(false));
            self.warnings.push(
                "--rm is dropped: the next container is not deleted when it stops".to_owned(),
            );
        }
        let limits = self.host.get("Ulimits").and_then(Value::as_array);
        if limits.is_some_and(|limits| !limits.is_empty()) {
            self.warnings.push(
                "its ulimits are kept as the engine shows them, its own defaults among them"
                    .to_owned(),
            );
        }
    }

    /// The old container's short id, which engines use as host name and alias.
    pub(super) fn short_id(&self) -> &'a str {
        self.id.get(..12).unwrap_or(self.id)
    }

    /// A text setting of `HostConfig`; "" if it is not set.
    pub(super) fn host_text(&self, key: &str) -> &str {
        self.host
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A label as inspect shows it; "" if it is not there.
    pub(super) fn label(&self, key: &str) -> &'a str {
        let labels = self.inspect.pointer("/Config/Labels");
        labels.map_or("", |labels| text(labels, key))
    }

    /// The body of the create call.
    pub(super) fn into_spec(self, networks: Networks) -> CreateSpec {
        let mut body = self.config;
        body.insert("HostConfig".to_owned(), Value::Object(self.host));
        if !networks.at_creation.is_empty() {
            body.insert(
                "NetworkingConfig".to_owned(),
                json!({ "EndpointsConfig": networks.at_creation }),
            );
        }
        CreateSpec {
            body: Value::Object(body),
            connect: networks.afterwards,
            warnings: self.warnings,
        }
    }
}

/// A text of an object; "" if it is not there.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of an object's list; none if it is not there.
pub(super) fn texts(object: &Object, key: &str) -> Vec<String> {
    let list = object.get(key).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Whether the engine reads it as "not set": null, "", 0, [] or {}.
pub(super) fn is_unset(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Bool(_)) => false,
        Some(Value::Number(number)) => number.as_i64() == Some(0),
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        Some(Value::Object(object)) => object.is_empty(),
    }
}

/// Equal as the engine sees it.
pub(super) fn same(left: Option<&Value>, right: Option<&Value>) -> bool {
    (is_unset(left) && is_unset(right)) || left == right
}
