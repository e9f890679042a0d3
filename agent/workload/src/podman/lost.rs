//! What of a container's settings its successor lacks, by Podman's own answers
//! about both, which show more than those that are compatible.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Of `Config`: what may come from the image, or is another one's by nature.
/// How these are carried over is seen in the compatible answer.
const OF_THE_IMAGE: [&str; 14] = [
    "Annotations",
    "Cmd",
    "CreateCommand",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Hostname",
    "Image",
    "Labels",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
];

/// Of `HostConfig`: what names a file of the container's own or another
/// container, and what changes on purpose.
const OF_ITS_OWN: [&str; 6] = [
    "AutoRemove",
    "Binds",
    "ContainerIDFile",
    "PortBindings",
    "RestartPolicy",
    "VolumesFrom",
];

/// Annotations that Podman makes itself, by how they begin.
const OWN_ANNOTATIONS: [&str; 4] = [
    "io.container.manager",
    "io.kubernetes.cri-o.",
    "io.podman.annotations.autoremove",
    "org.opencontainers.image.stopSignal",
];

/// Options of `podman run` whose effect no answer shows.
const HIDDEN: [&str; 11] = [
    "--cgroup-conf",
    "--device-cgroup-rule",
    "--image-volume",
    "--ip",
    "--ip6",
    "--mac-address",
    "--no-hosts",
    "--sysctl",
    "--umask",
    "--unsetenv",
    "--unsetenv-all",
];

/// The settings of `old` that `next` does not have, by name; never a value.
#[must_use]
pub fn lost(old: &Value, next: &Value) -> Vec<String> {
    let (had, has) = (settings(old), settings(next));
    let unset = Value::Null;
    let differs = |name: &&String| !same(&had[*name], has.get(*name).unwrap_or(&unset));
    let mut lost: Vec<String> = had.keys().filter(differs).cloned().collect();
    lost.extend(hidden(old));
    lost
}

fn settings(inspect: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for (part, left_out) in [("Config", &OF_THE_IMAGE[..]), ("HostConfig", &OF_ITS_OWN)] {
        let fields = inspect[part].as_object().into_iter().flatten();
        let fields = fields.filter(|(field, _)| !left_out.contains(&field.as_str()));
        found
            .extend(fields.map(|(field, value)| (format!("{part}.{field}"), normal(field, value))));
    }
    let annotations = inspect["Config"]["Annotations"].as_object();
    for (name, value) in annotations.into_iter().flatten() {
        if !OWN_ANNOTATIONS.iter().any(|own| name.starts_with(own)) {
            found.insert(format!("annotation {name}"), value.clone());
        }
    }
    for mount in inspect["Mounts"].as_array().into_iter().flatten() {
        let place = mount["Destination"].as_str().unwrap_or_default();
        let fields = ["Type", "Name", "Source", "RW", "Propagation", "Options"];
        let kept = fields.map(|field| normal(field, &mount[field]));
        found.insert(format!("mount {place}"), json!(kept));
    }
    let networks = inspect["NetworkSettings"]["Networks"].as_object();
    let names = networks.into_iter().flatten().map(|(name, _)| name);
    found.extend(names.map(|name| (format!("network {name}"), json!(true))));
    found.insert("Pod".to_owned(), inspect["Pod"].clone());
    found.insert("OCIRuntime".to_owned(), inspect["OCIRuntime"].clone());
    found
}

/// One word for what means the same.
fn normal(field: &str, value: &Value) -> Value {
    match (field, value) {
        // Shown for "not set", which means this.
        ("Umask", Value::String(mask)) if mask == "0000" => json!("0022"),
        ("LogConfig", log) => {
            // The two write the same.
            let json_file = log["Type"] == "json-file";
            let kind = if json_file {
                &json!("k8s-file")
            } else {
                &log["Type"]
            };
            json!([kind, log["Config"], log["Tag"], log["Size"]])
        }
        ("sdNotifyMode", Value::String(mode)) if mode == "container" => Value::Null,
        // The successor's is another id by right.
        ("NetworkMode" | "IpcMode" | "PidMode", Value::String(mode))
            if mode.starts_with("container:") =>
        {
            json!("container")
        }
        (_, Value::Array(list)) => {
            let mut list = list.clone();
            list.sort_by_key(Value::to_string);
            Value::Array(list)
        }
        (_, value) => value.clone(),
    }
}

fn same(had: &Value, has: &Value) -> bool {
    let unset = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        Value::Bool(true) => false,
    };
    had == has || (unset(had) && unset(has))
}

/// Options that it was made with and that cannot be seen any more.
fn hidden(inspect: &Value) -> Vec<String> {
    let options = options(inspect);
    let is_given = |option: &&str| options.iter().any(|(name, _)| name == option);
    let given = HIDDEN.into_iter().filter(is_given).map(str::to_owned);
    let address = options.iter().any(|(_, value)| {
        [":ip=", ",ip=", ":ip6=", ",ip6=", ":mac=", ",mac="]
            .iter()
            .any(|part| value.contains(part))
    });
    let permissions = options.iter().any(|(name, value)| {
        let permissions = value.splitn(3, ':').nth(2);
        *name == "--device" && permissions.is_some_and(|permissions| permissions != "rwm")
    });
    given
        .chain(address.then(|| "an address given with --network".to_owned()))
        .chain(permissions.then(|| "the permissions of --device".to_owned()))
        .collect()
}

/// What it was made with, up to its image: what follows is its own command.
/// Each is a word and its value, which is the next word where it has none.
fn options(inspect: &Value) -> Vec<(&str, &str)> {
    let command = inspect["Config"]["CreateCommand"].as_array();
    let image = &inspect["Config"]["Image"];
    let words = command.into_iter().flatten();
    let words: Vec<&str> = words
        .take_while(|word| *word != image)
        .filter_map(Value::as_str)
        .collect();
    let next = words.iter().skip(1).chain(&[""]);
    let pairs = words.iter().zip(next);
    pairs
        .map(|(word, next)| word.split_once('=').unwrap_or((word, next)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspect(id: &str) -> Value {
        json!({
            "Id": id, "Pod": "", "OCIRuntime": "crun",
            "Config": {
                "Hostname": id, "Image": "r.io/a", "Umask": "0022", "Timezone": "", "sdNotifyMode": "container",
                "Annotations": { "io.kubernetes.cri-o.Created": id },
                "CreateCommand": ["podman", "run", "-d", "r.io/a", "serve", "--ip", "1"],
            },
            "HostConfig": { "Memory": 1024, "ShmSize": 65_536_000, "LogConfig": { "Type": "k8s-file", "Path": id } },
            "Mounts": [{ "Type": "volume", "Name": "data", "Destination": "/data", "RW": true, "Options": ["a", "b"] }],
            "NetworkSettings": { "Networks": { "front": { "Aliases": [id] } } },
        })
    }

    fn after(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut next = inspect("2");
        next["Config"]["Umask"] = json!("0000");
        next["Config"]["sdNotifyMode"] = Value::Null;
        next["HostConfig"]["LogConfig"]["Type"] = json!("json-file");
        next["Mounts"][0]["Options"] = json!(["b", "a"]);
        change(&mut next);
        lost(&inspect("1"), &next)
    }

    #[test]
    fn a_successor_with_the_same_settings_lacks_none() {
        assert!(after(|_| {}).is_empty());
        assert!(after(|next| next["Config"]["Image"] = json!("r.io/b")).is_empty());
    }

    #[test]
    fn what_is_gone_or_changed_is_named() {
        assert_eq!(
            after(|next| next["HostConfig"]["Memory"] = json!(0)),
            ["HostConfig.Memory"]
        );
        assert_eq!(after(|next| next["Mounts"] = json!([])), ["mount /data"]);
        assert_eq!(
            after(|next| next["NetworkSettings"] = json!({})),
            ["network front"]
        );
        let mut old = inspect("1");
        old["Config"]["Timezone"] = json!("Europe/Berlin");
        old["Config"]["Annotations"]["x"] = json!("secret");
        old["Pod"] = json!("3");
        assert_eq!(
            lost(&old, &inspect("2")),
            ["Config.Timezone", "Pod", "annotation x"]
        );
    }

    #[test]
    fn what_no_answer_shows_is_read_from_how_it_was_made() {
        let mut old = inspect("1");
        old["Config"]["CreateCommand"] = json!([
            "podman",
            "run",
            "--sysctl=a=b",
            "--ip",
            "10.0.0.9",
            "--net",
            "front:mac=0:0",
            "--device=/dev/a:/dev/b:r",
            "r.io/a",
            "--umask",
        ]);
        assert_eq!(
            lost(&old, &inspect("2")),
            [
                "--ip",
                "--sysctl",
                "an address given with --network",
                "the permissions of --device"
            ]
        );
    }
}
