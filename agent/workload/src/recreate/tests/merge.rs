//! The engine's merge (moby `daemon/commit.go`, `merge`, and the reset of a
//! cleared entrypoint after it), as the yardstick for its inversion.

use serde_json::{Map, Value, json};

use crate::recreate::draft::is_unset;

/// What inspect shows as `Config` for a container that was created with `user` from `image`.
pub(super) fn merge(user: &Value, image: &Value) -> Value {
    let mut merged = user.as_object().cloned().expect("settings are an object");
    for field in ["User", "WorkingDir", "StopSignal"] {
        if is_unset(merged.get(field)) {
            take(&mut merged, image, field);
        }
    }
    merge_env(&mut merged, image);
    merge_map(&mut merged, image, "Labels", false);
    merge_map(&mut merged, image, "Volumes", true);
    merge_map(&mut merged, image, "ExposedPorts", false);
    merge_command(&mut merged, image);
    merge_healthcheck(&mut merged, image);
    if merged.get("Entrypoint") == Some(&json!([""])) {
        merged.insert("Entrypoint".to_owned(), Value::Null);
    }
    Value::Object(merged)
}

fn take(merged: &mut Map<String, Value>, image: &Value, field: &str) {
    match image.get(field) {
        Some(value) => merged.insert(field.to_owned(), value.clone()),
        None => merged.remove(field),
    };
}

fn merge_env(merged: &mut Map<String, Value>, image: &Value) {
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let name = |variable: &Value| {
        let variable = variable.as_str().expect("a variable is a text");
        variable
            .split_once('=')
            .map_or(variable, |(name, _)| name)
            .to_owned()
    };
    let user = list(merged.get("Env"));
    let mut all = user.clone();
    all.extend(
        list(image.get("Env"))
            .into_iter()
            .filter(|theirs| user.iter().all(|ours| name(ours) != name(theirs))),
    );
    merged.insert("Env".to_owned(), Value::Array(all));
}

fn merge_map(merged: &mut Map<String, Value>, image: &Value, field: &str, image_wins: bool) {
    let mut map = merged
        .get(field)
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    for (key, value) in image
        .get(field)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if image_wins || !map.contains_key(key) {
            map.insert(key.clone(), value.clone());
        }
    }
    merged.insert(field.to_owned(), Value::Object(map));
}

fn merge_command(merged: &mut Map<String, Value>, image: &Value) {
    if !is_unset(merged.get("Entrypoint")) {
        return;
    }
    if is_unset(merged.get("Cmd")) {
        take(merged, image, "Cmd");
    }
    if merged.get("Entrypoint").is_none_or(Value::is_null) {
        take(merged, image, "Entrypoint");
    }
}

fn merge_healthcheck(merged: &mut Map<String, Value>, image: &Value) {
    let Some(theirs) = image.get("Healthcheck").and_then(Value::as_object) else {
        return;
    };
    if merged.get("Healthcheck").is_none_or(Value::is_null) {
        return take(merged, image, "Healthcheck");
    }
    let ours = merged
        .get_mut("Healthcheck")
        .and_then(Value::as_object_mut)
        .expect("not null");
    for (field, value) in theirs {
        if is_unset(ours.get(field)) {
            ours.insert(field.clone(), value.clone());
        }
    }
}

/// A `Config` without the difference between what is absent and what is empty.
pub(super) fn normal(config: &Value) -> Value {
    let Value::Object(object) = config else {
        return config.clone();
    };
    let normal = object
        .iter()
        .map(|(key, value)| (key.clone(), normal_env(key, value)));
    Value::Object(normal.filter(|(_, value)| !is_unset(Some(value))).collect())
}

/// The engine keeps the order of variables, but only the last of a name counts.
fn normal_env(key: &str, value: &Value) -> Value {
    if key != "Env" {
        return normal(value);
    }
    let variables = value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str);
    let mut last = Map::new();
    for variable in variables {
        let (name, value) = variable
            .split_once('=')
            .map_or((variable, Value::Null), |(name, v)| (name, json!(v)));
        last.insert(name.to_owned(), value);
    }
    Value::Object(last)
}
