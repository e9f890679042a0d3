//! Anonymous volumes, which a plain copy of the settings would replace by empty ones.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::draft::{Draft, text, texts};

/// Attaches every anonymous volume by its name, at the same place and mode.
pub(super) fn keep(draft: &mut Draft<'_>) {
    let attached: Vec<Attached> = attached(draft.inspect);
    name_in_binds(draft, &attached);
    name_in_mounts(draft, &attached);
    attach_the_rest(draft, &attached);
}

/// One volume as it is mounted in the old container.
struct Attached {
    name: String,
    target: String,
    writable: bool,
}

fn attached(inspect: &Value) -> Vec<Attached> {
    let mounts = inspect.get("Mounts").and_then(Value::as_array);
    let volumes = mounts
        .into_iter()
        .flatten()
        .filter(|mount| text(mount, "Type") == "volume");
    let mut attached: Vec<_> = volumes
        .map(|mount| Attached {
            name: text(mount, "Name").to_owned(),
            target: clean(text(mount, "Destination")),
            writable: mount.get("RW") != Some(&Value::Bool(false)),
        })
        .collect();
    // The engine shows them in another order each time.
    attached.sort_by(|one, other| one.target.cmp(&other.target));
    attached
}

fn named<'a>(attached: &'a [Attached], target: &str) -> Option<&'a str> {
    attached
        .iter()
        .find(|volume| volume.target == clean(target))
        .map(|volume| volume.name.as_str())
}

/// `/data` or `/data:ro` in `Binds` has no source: the engine makes an anonymous volume.
fn name_in_binds(draft: &mut Draft<'_>, attached: &[Attached]) {
    let binds: Vec<String> = texts(&draft.host, "Binds")
        .into_iter()
        .map(|bind| match Bind::parse(&bind) {
            Bind {
                source: None,
                target,
                ..
            } => match named(attached, target) {
                Some(name) => format!("{name}:{bind}"),
                None => bind,
            },
            _ => bind,
        })
        .collect();
    if !binds.is_empty() {
        draft.host.insert("Binds".to_owned(), json!(binds));
    }
}

/// `--mount type=volume,target=/data` has no source either.
fn name_in_mounts(draft: &mut Draft<'_>, attached: &[Attached]) {
    let mounts = draft.host.get_mut("Mounts").and_then(Value::as_array_mut);
    for mount in mounts.into_iter().flatten() {
        if text(mount, "Type") != "volume" || !text(mount, "Source").is_empty() {
            continue;
        }
        let name = named(attached, text(mount, "Target")).map(str::to_owned);
        if let (Some(name), Some(mount)) = (name, mount.as_object_mut()) {
            mount.insert("Source".to_owned(), Value::String(name));
        }
    }
}

/// Volumes that only `Config.Volumes`, the image's or the user's, asked for.
fn attach_the_rest(draft: &mut Draft<'_>, attached: &[Attached]) {
    let spoken_for = spoken_for(draft);
    let borrows = !texts(&draft.host, "VolumesFrom").is_empty();
    let declared = declared(draft.inspect);
    for volume in attached {
        // Without a declaration it is one of volumes-from, which brings it again.
        let borrowed = borrows && !declared.contains(&volume.target);
        if spoken_for.contains(&volume.target) || borrowed {
            continue;
        }
        let mount = json!({
            "Type": "volume", "Source": volume.name, "Target": volume.target, "ReadOnly": !volume.writable,
        });
        match draft.host.get_mut("Mounts").and_then(Value::as_array_mut) {
            Some(mounts) => mounts.push(mount),
            None => drop(draft.host.insert("Mounts".to_owned(), json!([mount]))),
        }
        draft.warnings.push(format!(
            "the anonymous volume {} at {} is attached by its name from now on, so `docker rm -v` no longer removes it",
            volume.name, volume.target
        ));
    }
}

/// Places that `Binds` and `Mounts` fill.
fn spoken_for(draft: &Draft<'_>) -> BTreeSet<String> {
    let binds = texts(&draft.host, "Binds");
    let binds = binds.iter().map(|bind| clean(Bind::parse(bind).target));
    let mounts = draft.host.get("Mounts").and_then(Value::as_array);
    let mounts = mounts
        .into_iter()
        .flatten()
        .map(|mount| clean(text(mount, "Target")));
    binds.chain(mounts).collect()
}

/// Places that the merged settings declare as volumes.
fn declared(inspect: &Value) -> BTreeSet<String> {
    let volumes = inspect
        .pointer("/Config/Volumes")
        .and_then(Value::as_object);
    volumes
        .into_iter()
        .flat_map(|volumes| volumes.keys().map(|target| clean(target)))
        .collect()
}

/// One entry of `Binds`: `[source:]target[:mode]`.
struct Bind<'a> {
    source: Option<&'a str>,
    target: &'a str,
}

impl<'a> Bind<'a> {
    fn parse(bind: &'a str) -> Self {
        match bind.split_once(':') {
            Some((source, rest)) if rest.starts_with('/') => Self {
                source: Some(source),
                target: rest.split(':').next().unwrap_or(rest),
            },
            Some((target, _mode)) => Self {
                source: None,
                target,
            },
            None => Self {
                source: None,
                target: bind,
            },
        }
    }
}

/// The engine compares places after cleaning them: `/data/` is `/data`.
fn clean(target: &str) -> String {
    let parts: Vec<&str> = target
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    format!("/{}", parts.join("/"))
}
