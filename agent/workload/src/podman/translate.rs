//! Podman's answers in Docker's words.

use serde_json::{Map, Value, json};

/// What Podman gives to every container that has none of its own.
const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Signals by their number, for those that images name.
const SIGNALS: [(&str, &str); 9] = [
    ("1", "SIGHUP"),
    ("2", "SIGINT"),
    ("3", "SIGQUIT"),
    ("6", "SIGABRT"),
    ("9", "SIGKILL"),
    ("10", "SIGUSR1"),
    ("12", "SIGUSR2"),
    ("15", DEFAULT_SIGNAL),
    ("28", "SIGWINCH"),
];

/// Shown of a container whose image names none, so shown of that image too.
const DEFAULT_SIGNAL: &str = "SIGTERM";

/// A container's inspect answer as Docker would have given it: without what
/// Podman filled in, and in words that its own create call takes.
pub fn as_docker(inspect: &mut Value) {
    let entrypoint = entrypoint(inspect);
    let network = network(inspect);
    if let Some(config) = inspect.get_mut("Config").and_then(Value::as_object_mut) {
        config.insert("Entrypoint".to_owned(), entrypoint);
        leave_out_own_variables(config);
        name_the_signal(config);
    }
    if let Some(host) = inspect.get_mut("HostConfig").and_then(Value::as_object_mut) {
        host.extend(network.map(|network| ("NetworkMode".to_owned(), json!(network))));
        leave_out_defaults(host);
        rename_limits(host);
        give_devices_their_permissions(host);
    }
}

/// An image's settings as Docker would have given them; the compatible answer
/// has no health check, `own`, Podman's own, has it.
pub fn image_as_docker(image: &mut Value, own: &Value) {
    let Some(config) = image.get_mut("Config").and_then(Value::as_object_mut) else {
        return;
    };
    if config.get("Healthcheck").is_none_or(Value::is_null) {
        config.insert("Healthcheck".to_owned(), own["Healthcheck"].clone());
    }
    // As a container of it shows them.
    if config.get("WorkingDir").and_then(Value::as_str) == Some("") {
        config.insert("WorkingDir".to_owned(), json!("/"));
    }
    name_the_signal(config);
    let signal = config.get("StopSignal").and_then(Value::as_str);
    if signal.unwrap_or_default().is_empty() {
        config.insert("StopSignal".to_owned(), json!(DEFAULT_SIGNAL));
    }
}

/// Podman shows the words of an entrypoint split at their spaces. What it runs
/// is exact: what comes before the command there is the entrypoint.
fn entrypoint(inspect: &Value) -> Value {
    let texts = |pointer: &str| -> Vec<&str> {
        let list = inspect.pointer(pointer).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    let (shown, command) = (texts("/Config/Entrypoint"), texts("/Config/Cmd"));
    let path = inspect["Path"].as_str().unwrap_or_default();
    let arguments = texts("/Args");
    let whole = match arguments.as_slice() {
        // A program alone is shown as its own argument.
        [one] if *one == path => vec![path],
        arguments => [&[path], arguments].concat(),
    };
    let exact = whole.strip_suffix(command.as_slice()).unwrap_or_default();
    match shown.is_empty() {
        true => Value::Null,
        false if exact.join(" ") == shown.join(" ") => json!(exact),
        false => json!(shown),
    }
}

/// Every network of its own is "bridge" to Podman: the name is what counts.
fn network(inspect: &Value) -> Option<String> {
    let networks = inspect.pointer("/NetworkSettings/Networks")?.as_object()?;
    let is_bridge = inspect.pointer("/HostConfig/NetworkMode")? == "bridge";
    let first = networks.keys().next()?.clone();
    (is_bridge && !networks.contains_key("bridge")).then_some(first)
}

fn leave_out_own_variables(config: &mut Map<String, Value>) {
    let host_name = config.get("Hostname").and_then(Value::as_str);
    let host_name = format!("HOSTNAME={}", host_name.unwrap_or_default());
    let own = [
        host_name.as_str(),
        "container=podman",
        "TERM=xterm",
        DEFAULT_PATH,
    ];
    if let Some(variables) = config.get_mut("Env").and_then(Value::as_array_mut) {
        variables.retain(|variable| !own.iter().any(|own| variable == own));
    }
}

fn name_the_signal(config: &mut Map<String, Value>) {
    let number = config.get("StopSignal").and_then(Value::as_str);
    let named = SIGNALS.iter().find(|(signal, _)| number == Some(signal));
    if let Some((_, name)) = named {
        config.insert("StopSignal".to_owned(), json!(name));
    }
}

fn leave_out_defaults(host: &mut Map<String, Value>) {
    for (field, default) in [
        ("PidMode", "private"),
        ("UTSMode", "private"),
        ("Runtime", "oci"),
    ] {
        if host.get(field).and_then(Value::as_str) == Some(default) {
            host.insert(field.to_owned(), json!(""));
        }
    }
    // It shows one limit in both ways, and takes it in one.
    let counts = |value: &Value| value.as_i64().is_some_and(|nanos| nanos != 0);
    if host.get("NanoCpus").is_some_and(counts) {
        host.remove("CpuPeriod");
        host.remove("CpuQuota");
    }
    // "Not set" here, and refused where the kernel cannot set it.
    if host.get("MemorySwappiness").and_then(Value::as_i64) <= Some(0) {
        host.remove("MemorySwappiness");
    }
}

/// "RLIMIT_NOFILE" is shown, "nofile" is taken.
fn rename_limits(host: &mut Map<String, Value>) {
    let limits = host.get_mut("Ulimits").and_then(Value::as_array_mut);
    for limit in limits.into_iter().flatten() {
        let name = limit["Name"].as_str().unwrap_or_default();
        let name = name.strip_prefix("RLIMIT_").unwrap_or(name).to_lowercase();
        limit["Name"] = json!(name);
    }
}

fn give_devices_their_permissions(host: &mut Map<String, Value>) {
    let devices = host.get_mut("Devices").and_then(Value::as_array_mut);
    for device in devices.into_iter().flatten() {
        if device["CgroupPermissions"] == "" {
            device["CgroupPermissions"] = json!("rwm");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Podman 4.3.1 shows it.
    fn inspect() -> Value {
        json!({
            "Path": "/app", "Args": ["a b", "serve"],
            "Config": {
                "Hostname": "0123456789ab", "Entrypoint": ["/app", "a", "b"], "Cmd": ["serve"], "StopSignal": "3",
                "Env": ["TERM=xterm", "container=podman", "A=b", DEFAULT_PATH, "HOSTNAME=0123456789ab"],
            },
            "HostConfig": {
                "NetworkMode": "bridge", "PidMode": "private", "UTSMode": "private", "Runtime": "oci",
                "NanoCpus": 500_000_000, "CpuPeriod": 100_000, "CpuQuota": 50_000, "MemorySwappiness": -1,
                "Ulimits": [{ "Name": "RLIMIT_NOFILE", "Hard": 900, "Soft": 900 }],
                "Devices": [{ "PathOnHost": "/dev/null", "CgroupPermissions": "" }],
            },
            "NetworkSettings": { "Networks": { "front": {} } },
        })
    }

    #[test]
    fn what_podman_fills_in_is_left_out_and_what_it_takes_is_in_its_words() {
        let mut inspect = inspect();
        as_docker(&mut inspect);
        assert_eq!(inspect["Config"]["Env"], json!(["A=b"]));
        assert_eq!(inspect["Config"]["StopSignal"], "SIGQUIT");
        assert_eq!(inspect["Config"]["Entrypoint"], json!(["/app", "a b"]));
        let wanted = json!({
            "NetworkMode": "front", "PidMode": "", "UTSMode": "", "Runtime": "", "NanoCpus": 500_000_000,
            "Ulimits": [{ "Name": "nofile", "Hard": 900, "Soft": 900 }],
            "Devices": [{ "PathOnHost": "/dev/null", "CgroupPermissions": "rwm" }],
        });
        assert_eq!(inspect["HostConfig"], wanted);
    }

    #[test]
    fn a_program_alone_has_no_entrypoint() {
        let mut inspect = inspect();
        (inspect["Path"], inspect["Args"]) = (json!("/app"), json!(["/app"]));
        inspect["Config"]["Entrypoint"] = json!([]);
        inspect["Config"]["Cmd"] = json!(["/app"]);
        as_docker(&mut inspect);
        assert_eq!(inspect["Config"]["Entrypoint"], Value::Null);
    }

    #[test]
    fn an_images_health_check_comes_from_podmans_own_answer() {
        let mut image = json!({ "Config": { "WorkingDir": "" } });
        image_as_docker(
            &mut image,
            &json!({ "Healthcheck": { "Test": ["CMD", "/app"] } }),
        );
        let wanted = json!({
            "WorkingDir": "/", "Healthcheck": { "Test": ["CMD", "/app"] }, "StopSignal": "SIGTERM",
        });
        assert_eq!(image["Config"], wanted);
    }

    #[test]
    fn a_signal_that_the_user_chose_is_told_from_the_images_even_where_it_is_the_default() {
        let signal = |of_image: &str| {
            let mut image = json!({ "Config": { "StopSignal": of_image } });
            image_as_docker(&mut image, &json!({}));
            image["Config"]["StopSignal"].clone()
        };
        let mut inspect = inspect();
        inspect["Config"]["StopSignal"] = json!("15");
        as_docker(&mut inspect);
        let of_container = &inspect["Config"]["StopSignal"];
        assert_eq!(*of_container, signal(""), "nobody chose it");
        assert_ne!(*of_container, signal("SIGQUIT"), "somebody did");
        assert_eq!(signal("3"), signal("SIGQUIT"));
    }
}
