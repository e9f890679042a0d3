//! Many containers, each with another option, recreated on another image and
//! compared field by field, by what the engine's inspect shows.
//!
//! `goldens.json` has for each of them what sets it apart from a plain one
//! after it was recreated (so that a lost setting is missing there), and what
//! changed (each change has its reason here). `PINION_UPDATE_GOLDENS=1` writes it.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _};
use harness::fleet::REPOSITORY;
use harness::{App, Auth, Registry, Tenant, World, scenario};
use pinion_agent::driver::Driver as _;
use pinion_agent::driver::docker::Docker;
use pinion_model::ImageRef;
use pinion_workload::{ContainerId, Image};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::{ask, create, differences, driver, image_of, respecified, settings};
use crate::cases::{self, Case, Runs};

/// Containers in work at one time.
const AT_ONCE: usize = 6;

/// What may differ afterwards, by the beginning of its line, and why.
const REASONS: &[(&str, &str)] = &[
    (
        "/Config/Env/",
        "the image's own variable follows the new image",
    ),
    (
        "/Config/Labels/org.opencontainers.image.revision",
        "the image's own label",
    ),
    ("/Config/Labels/of", "the image's own label"),
    ("/Config/Labels/only-", "the image's own label"),
    ("/Config/User", "the image's own user"),
    ("/Config/WorkingDir", "the image's own directory"),
    ("/Config/StopSignal", "the image's own signal"),
    ("/Config/Cmd", "the image's own command"),
    ("/Config/Entrypoint", "the image's own entrypoint"),
    ("/Config/Healthcheck", "the image's own check"),
    ("/Config/ExposedPorts/8", "the image's own port"),
    (
        "/Config/Volumes/",
        "the image's own volume; the old one's stays mounted by its name",
    ),
    ("/Mounts", "the new image's own volume"),
    (
        "/HostConfig/Mounts",
        "an anonymous volume is attached by its name from now on",
    ),
    (
        "/HostConfig/Binds/",
        "an anonymous volume is attached by its name from now on",
    ),
    (
        "/HostConfig/PortBindings",
        "pinned to the port that it had, as its label asks",
    ),
    (
        "/HostConfig/NetworkMode",
        "a network or container by id is now by name or the other way round",
    ),
    (
        "/HostConfig/VolumesFrom",
        "a container by name is by its id from now on",
    ),
    (
        "/HostConfig/IpcMode",
        "a container by name is by its id from now on",
    ),
    (
        "/HostConfig/PidMode",
        "a container by name is by its id from now on",
    ),
];

/// What is known of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Golden {
    /// Differences to the plain case of the same image.
    set: Vec<String>,
    /// Differences to what it was.
    changed: Vec<String>,
}

#[test]
fn containers_of_every_option_are_recreated_as_they_were() {
    scenario(async |world| {
        let machine = Machine::start(world).await?;
        let cases = machine.cases()?;
        ensure!(cases.len() >= 60, "{} cases", cases.len());
        let machine = &machine;
        let seen = futures_util::stream::iter(&cases).map(|case| async move {
            let seen = machine.recreate(case).await;
            seen.with_context(|| case.name)
        });
        let seen: BTreeMap<&str, Seen> = seen.buffer_unordered(AT_ONCE).try_collect().await?;
        let goldens = cases.iter().map(|case| {
            let plain = match case.runs {
                Runs::Plain => "plain",
                Runs::Rich => "image-all",
            };
            let (mine, plain) = (&seen[case.name], &seen[plain]);
            let golden = Golden {
                set: differences(&plain.new, &mine.new),
                changed: differences(&mine.old, &mine.new),
            };
            (case.name.to_owned(), golden)
        });
        compare(&goldens.collect())
    });
}

fn compare(seen: &BTreeMap<String, Golden>) -> anyhow::Result<()> {
    for (name, golden) in seen {
        let unexplained = golden
            .changed
            .iter()
            .find(|change| !REASONS.iter().any(|(start, _)| change.starts_with(start)));
        ensure!(
            unexplained.is_none(),
            "{name}: changed without a reason: {unexplained:?}"
        );
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/driver/goldens.json");
    if std::env::var_os("PINION_UPDATE_GOLDENS").is_some() {
        let text = serde_json::to_string_pretty(seen)? + "\n";
        std::fs::write(&file, text)?;
        return Ok(());
    }
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let known: BTreeMap<String, Golden> = serde_json::from_str(&text)?;
    for (name, golden) in seen {
        let expected = known
            .get(name)
            .with_context(|| format!("{name} has no golden"))?;
        ensure!(
            golden == expected,
            "{name}: {golden:#?}, and not {expected:#?}"
        );
    }
    ensure!(known.len() == seen.len(), "a golden without a case");
    Ok(())
}

/// One container before and after, comparable.
struct Seen {
    old: Value,
    new: Value,
}

struct Machine {
    tenant: Tenant,
    driver: Docker,
    directory: String,
    front: String,
    plain: [Version; 2],
    rich: [Version; 2],
    _registry: Registry,
}

struct Version {
    reference: ImageRef,
    image: Image,
}

impl Machine {
    async fn start(world: &World) -> anyhow::Result<Self> {
        let registry = Registry::start(world, "registry", Auth::None).await?;
        let tenant = Tenant::start(world, 1).await?;
        let driver = driver(&tenant).await?;
        let version = async |name: &str, app: App| {
            let reference = image_of(&registry.push(world, name, &app)?)?;
            let pulled = driver.pull(&reference, None).await;
            let image = pulled.map_err(|failure| anyhow::anyhow!("{failure}"))?;
            anyhow::Ok(Version { reference, image })
        };
        let plain = [
            version(REPOSITORY, App::new("v1")).await?,
            version(REPOSITORY, App::new("v2")).await?,
        ];
        let rich = [
            version("rich", App::new("r1").with_config(rich_config(1))).await?,
            version("rich", App::new("r2").with_config(rich_config(2))).await?,
        ];
        let mut front = String::new();
        for (network, subnet) in [
            ("front", "10.77.0.0/24"),
            ("back", "10.78.0.0/24"),
            ("side", "10.79.0.0/24"),
        ] {
            let body = json!({ "Name": network, "IPAM": { "Config": [{ "Subnet": subnet }] } });
            let made = ask(&tenant, "POST", "/networks/create", &body)?;
            if network == "front" {
                front = made["Id"].as_str().context("an id")?.to_owned();
            }
        }
        let lender = json!({
            "Image": plain[0].reference.to_string(), "Volumes": { "/lent": {} }, "HostConfig": { "IpcMode": "shareable" },
        });
        create(&tenant, "lender", &lender)?;
        ask(
            &tenant,
            "POST",
            "/networks/front/connect",
            &json!({ "Container": "lender" }),
        )?;
        ask(&tenant, "POST", "/containers/lender/start", &json!({}))?;
        let directory = world.subdirectory("bound")?;
        Ok(Self {
            tenant,
            driver,
            directory: directory.to_str().context("a plain path")?.to_owned(),
            front,
            plain,
            rich,
            _registry: registry,
        })
    }

    fn cases(&self) -> anyhow::Result<Vec<Case>> {
        let mut cases = cases::all(&self.directory, &self.front);
        for case in &mut cases {
            let [old, _] = self.versions(case.runs);
            case.body["Image"] = json!(old.reference.to_string());
        }
        Ok(cases)
    }

    fn versions(&self, runs: Runs) -> &[Version; 2] {
        match runs {
            Runs::Plain => &self.plain,
            Runs::Rich => &self.rich,
        }
    }

    /// As the agent does it: the next one beside the old one, then in its place.
    async fn recreate<'a>(&self, case: &'a Case) -> anyhow::Result<(&'a str, Seen)> {
        let (name, driver) = (case.name, &self.driver);
        let old = create(&self.tenant, name, &case.body)?;
        for (network, endpoint) in &case.connect {
            let body = json!({ "Container": name, "EndpointConfig": endpoint });
            ask(
                &self.tenant,
                "POST",
                &format!("/networks/{network}/connect"),
                &body,
            )?;
        }
        if case.started {
            driver.start(&old).await?;
        }
        let [_, new] = self.versions(case.runs);
        let before = driver.inspect(&old).await?;
        let spec = respecified(driver, &old, &new.image, &new.reference).await?;
        let next = driver.create(&format!("{name}.next.g1a1"), &spec).await?;
        driver.stop(&old, Duration::ZERO).await?;
        driver.rename(&old, &format!("{name}.prev.g1a1")).await?;
        driver.rename(&next, name).await?;
        if case.started {
            driver.start(&next).await?;
        }
        let after = driver.inspect(&next).await?;
        if name.ends_with("-pinned") {
            same_ports(&before, &after)?;
        }
        driver.stop(&next, Duration::ZERO).await?;
        driver.remove(&next).await?;
        driver.remove(&old).await?;
        let (old, new) = (
            self.comparable(&before, &old)?,
            self.comparable(&after, &next)?,
        );
        Ok((name, Seen { old, new }))
    }

    /// Without what is another one in each run: ids, names of volumes, paths.
    fn comparable(&self, inspect: &Value, id: &ContainerId) -> anyhow::Result<Value> {
        let mut shown = settings(inspect);
        for endpoint in shown["Networks"]
            .as_object_mut()
            .into_iter()
            .flat_map(|all| all.values_mut())
        {
            if endpoint["IPAMConfig"]["IPv4Address"] != endpoint["IPAddress"] {
                endpoint["IPAddress"] = Value::Null;
            }
            // What is null or {} is not set.
            if endpoint["DriverOpts"] == json!({}) {
                endpoint["DriverOpts"] = Value::Null;
            }
        }
        sort_mounts(&mut shown["HostConfig"]["Mounts"]);
        let lender = ask(&self.tenant, "GET", "/containers/lender/json", &json!({}))?;
        let lender = lender["Id"].as_str().context("an id")?;
        let text = shown.to_string();
        let text = text
            .replace(&id.0, "<id>")
            .replace(&id.0[..12], "<id>")
            .replace(lender, "<lender>")
            .replace(&self.front, "<front>")
            .replace(&self.directory, "<dir>")
            .replace(
                self.tenant.directory().to_str().context("a plain path")?,
                "<machine>",
            );
        let mut shown: Value = serde_json::from_str(&without_hashes(&text))?;
        hide_ephemeral(&mut shown["HostConfig"]["PortBindings"]);
        Ok(shown)
    }
}

/// An image's own settings, all of them, and other ones in each version.
fn rich_config(n: u64) -> Value {
    json!({
        "User": n.to_string(),
        "WorkingDir": format!("/v{n}"),
        "StopSignal": if n == 1 { "SIGINT" } else { "SIGHUP" },
        "Entrypoint": ["/app"],
        "Cmd": [format!("v{n}")],
        "Volumes": { format!("/of-v{n}"): {} },
        "ExposedPorts": { "80/tcp": {}, format!("8{n}/tcp"): {} },
        "Labels": { "of": format!("v{n}"), format!("only-{n}"): "yes" },
        "Healthcheck": {
            "Test": ["CMD", "/app", "health", format!("v{n}")],
            "Interval": n * 1_000_000_000, "Timeout": n * 2_000_000_000, "StartPeriod": n * 3_000_000_000, "Retries": n,
        },
    })
}

fn sort_mounts(mounts: &mut Value) {
    if let Some(mounts) = mounts.as_array_mut() {
        mounts.sort_by_key(|mount| mount["Target"].to_string());
    }
}

/// 64 hex digits in a row are a volume's name.
fn without_hashes(text: &str) -> String {
    let is_hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(is_hex) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !is_hex(c)).unwrap_or(from.len());
        clean.push_str(before);
        clean.push_str(if end == 64 { "<hash>" } else { &from[..end] });
        rest = &from[end..];
    }
    clean + rest
}

/// The engine hands out ports from 32768 on.
fn hide_ephemeral(bindings: &mut Value) {
    let lists = bindings
        .as_object_mut()
        .into_iter()
        .flat_map(|all| all.values_mut());
    for binding in lists.filter_map(Value::as_array_mut).flatten() {
        let port = binding["HostPort"]
            .as_str()
            .and_then(|port| port.parse::<u16>().ok());
        if port.is_some_and(|port| port >= 32768) {
            binding["HostPort"] = json!("<ephemeral>");
        }
    }
}

fn same_ports(before: &Value, after: &Value) -> anyhow::Result<()> {
    let ports = |inspect: &Value| {
        let list = inspect["NetworkSettings"]["Ports"]["8080/tcp"].as_array();
        list.and_then(|list| list.first())
            .map(|port| port["HostPort"].clone())
    };
    ensure!(
        ports(before).is_some() && ports(before) == ports(after),
        "published on {:?}, and now on {:?}",
        ports(before),
        ports(after)
    );
    Ok(())
}
