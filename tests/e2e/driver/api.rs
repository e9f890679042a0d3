//! The engine's API without any typed client between, and the driver under test.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use harness::command::{command, run_command};
use harness::registry::{PASSWORD, USER};
use harness::{Pushed, Tenant};
use pinion_agent::credentials::{Credential, Secret};
use pinion_agent::driver::docker::{Docker, Limits};
use pinion_agent::driver::{Driver as _, EngineError};
use pinion_agent::room::Disk;
use pinion_model::ImageRef;
use pinion_workload::recreate::Recreate;
use pinion_workload::{ContainerId, CreateSpec, Image};
use serde_json::{Value, json};

/// The driver of a machine, with the limits that the agent has.
pub(crate) async fn driver(tenant: &Tenant) -> anyhow::Result<Docker> {
    Ok(Docker::connect(&tenant.docker_host(), Limits::default()).await?)
}

/// Asks the engine; what it refuses is an error with its words.
pub(crate) fn ask(
    tenant: &Tenant,
    method: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    let mut curl = command("curl");
    curl.args(["-sS", "-w", "\n%{http_code}", "-X", method, "--unix-socket"])
        .arg(tenant.docker_host().trim_start_matches("unix://"))
        .args(["-H", "content-type: application/json", "-d"])
        .arg(body.to_string())
        .arg(format!("http://engine{path}"));
    let printed = run_command(&mut curl)?;
    let (answer, status) = printed.rsplit_once('\n').context("curl prints a status")?;
    ensure!(
        status.starts_with('2') || status == "304",
        "{method} {path}: {status} {answer}"
    );
    if answer.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(answer).with_context(|| format!("{method} {path}: {answer}"))
}

/// Creates a container as a user would, and returns its id.
pub(crate) fn create(tenant: &Tenant, name: &str, body: &Value) -> anyhow::Result<ContainerId> {
    let created = ask(
        tenant,
        "POST",
        &format!("/containers/create?name={name}"),
        body,
    )?;
    Ok(ContainerId(
        created["Id"].as_str().context("an id")?.to_owned(),
    ))
}

/// What every registry of the harness accepts.
pub(crate) fn credential(host: &str) -> Credential {
    credential_of(host, USER, PASSWORD)
}

pub(crate) fn credential_of(host: &str, user: &str, password: &str) -> Credential {
    Credential {
        server_address: host.to_owned(),
        secret: Secret::Password {
            username: user.to_owned(),
            password: password.to_owned().into(),
        },
    }
}

pub(crate) fn image_of(pushed: &Pushed) -> anyhow::Result<ImageRef> {
    Ok(pushed.reference().parse()?)
}

/// Pulls it, however full the disk is.
pub(crate) async fn pull(
    driver: &Docker,
    image: &ImageRef,
    credential: Option<&Credential>,
) -> anyhow::Result<Image> {
    let pulled = driver.pull(image, credential, &Disk::default()).await;
    let pulled = pulled.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    Ok(pulled.image)
}

/// Every call about a container that there is not says so.
pub(crate) async fn ensure_gone(driver: &Docker, gone: &ContainerId) -> anyhow::Result<()> {
    for outcome in [
        driver.start(gone).await,
        driver.rename(gone, "x1").await,
        driver.inspect(gone).await.map(drop),
    ] {
        ensure!(
            matches!(outcome, Err(EngineError::NotFound(_))),
            "{outcome:?}"
        );
    }
    Ok(())
}

/// What the agent makes of a container to have it run `new` as `reference`.
pub(crate) async fn respecified(
    driver: &Docker,
    old: &ContainerId,
    new: &Image,
    reference: &ImageRef,
) -> anyhow::Result<CreateSpec> {
    let inspect = driver.inspect(old).await?;
    let old_image = driver
        .image(inspect["Image"].as_str().context("an image")?)
        .await?;
    let info = driver.info().await?;
    let containers = driver.containers().await?;
    let spec = Recreate {
        inspect: &inspect,
        old_image: Some(&old_image),
        new_image: new,
        reference: &reference.to_string(),
        labels: &BTreeMap::new(),
        containers: &containers,
        host_name: &info.host_name,
        api_version: &info.api_version,
    };
    spec.spec().map_err(|failure| anyhow::anyhow!("{failure}"))
}

/// What a container's inspect says but for what every container has of its
/// own: its id, what the engine derives from it, and when it ran.
pub(crate) fn settings(inspect: &Value) -> Value {
    let mut config = inspect["Config"].clone();
    let id = inspect["Id"].as_str().unwrap_or_default();
    let short_id = id.get(..12).unwrap_or_default();
    config["Image"] = Value::Null;
    if config["Hostname"] == short_id {
        config["Hostname"] = json!("made up");
    }
    sort(&mut config["Env"]);
    let mut networks = inspect["NetworkSettings"]["Networks"].clone();
    for endpoint in networks
        .as_object_mut()
        .into_iter()
        .flatten()
        .map(|(_, endpoint)| endpoint)
    {
        users_part(endpoint, short_id);
    }
    let mut mounts = inspect["Mounts"].clone();
    for mount in mounts.as_array_mut().into_iter().flatten() {
        // "z" for what came by `Binds` or from the image; no difference to a container.
        mount["Mode"] = Value::Null;
    }
    sort(&mut mounts);
    let mut host = inspect["HostConfig"].clone();
    sort(&mut host["Links"]);
    json!({ "Config": config, "HostConfig": host, "Networks": networks, "Mounts": mounts })
}

fn users_part(endpoint: &mut Value, short_id: &str) {
    let own = [
        "EndpointID",
        "NetworkID",
        "Gateway",
        "IPPrefixLen",
        "MacAddress",
    ];
    for field in own {
        endpoint[field] = Value::Null;
    }
    let without_id = |aliases: &Vec<Value>| {
        let kept: Vec<_> = aliases
            .iter()
            .filter(|alias| *alias != short_id)
            .cloned()
            .collect();
        if kept.is_empty() {
            Value::Null
        } else {
            Value::Array(kept)
        }
    };
    endpoint["Aliases"] = endpoint["Aliases"]
        .as_array()
        .map_or(Value::Null, without_id);
    sort(&mut endpoint["Aliases"]);
    if endpoint["IPAMConfig"] == json!({}) {
        endpoint["IPAMConfig"] = Value::Null;
    }
}

fn sort(list: &mut Value) {
    if let Some(list) = list.as_array_mut() {
        list.sort_by_key(Value::to_string);
    }
}

/// Every leaf that differs, as `path: old -> new`.
pub(crate) fn differences(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", old, new, &mut found);
    found
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    match (old, new) {
        (Value::Object(left), Value::Object(right)) => {
            let keys: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys {
                compare(&format!("{path}/{key}"), &old[key], &new[key], found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                compare(&format!("{path}/{at}"), left, right, found);
            }
        }
        _ if old != new => found.push(format!("{path}: {old} -> {new}")),
        _ => {}
    }
}
