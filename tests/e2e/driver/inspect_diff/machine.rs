//! The machine on which all cases run.

use anyhow::Context as _;
use harness::fleet::REPOSITORY;
use harness::{App, Auth, Registry, Tenant, World};
use pinion_agent::driver::docker::Docker;
use pinion_model::ImageRef;
use pinion_workload::{ContainerId, Image};
use serde_json::{Value, json};

use super::cases::{self, Case, Runs};
use crate::api::{ask, create, driver, image_of, pull};

/// Its networks, and where they are.
const NETWORKS: [(&str, &str); 3] = [
    ("front", "10.77.0.0/24"),
    ("back", "10.78.0.0/24"),
    ("side", "10.79.0.0/24"),
];

/// An engine with both versions of both images, and a container whose things others use.
pub(super) struct Machine {
    pub(super) tenant: Tenant,
    pub(super) driver: Docker,
    /// One to bind.
    pub(super) directory: String,
    /// The network's id.
    pub(super) front: String,
    pub(super) lender: ContainerId,
    plain: [Version; 2],
    rich: [Version; 2],
    _registry: Registry,
}

/// An image as the agent knows it.
pub(super) struct Version {
    pub(super) reference: ImageRef,
    pub(super) image: Image,
}

impl Machine {
    pub(super) async fn start(world: &World) -> anyhow::Result<Self> {
        let registry = Registry::start(world, "registry", Auth::None).await?;
        let tenant = Tenant::start(world, 1).await?;
        let driver = driver(&tenant).await?;
        let version = async |name: &str, app: App| {
            let reference = image_of(&registry.push(world, name, &app)?)?;
            let image = pull(&driver, &reference, None).await?;
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
        let front = make_networks(&tenant)?;
        let lender = start_lender(&tenant, &plain[0])?;
        let directory = world.subdirectory("bound")?;
        Ok(Self {
            directory: directory.to_str().context("a plain path")?.to_owned(),
            tenant,
            driver,
            front,
            lender,
            plain,
            rich,
            _registry: registry,
        })
    }

    /// All cases, on their old images.
    pub(super) fn cases(&self) -> Vec<Case> {
        let mut cases = cases::all(&self.directory, &self.front);
        for case in &mut cases {
            let [old, _] = self.versions(case.runs);
            case.body["Image"] = json!(old.reference.to_string());
        }
        cases
    }

    /// The old one and the new one.
    pub(super) fn versions(&self, runs: Runs) -> &[Version; 2] {
        match runs {
            Runs::Plain => &self.plain,
            Runs::Rich => &self.rich,
        }
    }
}

/// The id of the first.
fn make_networks(tenant: &Tenant) -> anyhow::Result<String> {
    let make = |(name, subnet)| {
        let body = json!({ "Name": name, "IPAM": { "Config": [{ "Subnet": subnet }] } });
        let made = ask(tenant, "POST", "/networks/create", &body)?;
        Ok(made["Id"].as_str().context("an id")?.to_owned())
    };
    let [front, ..] = NETWORKS.map(make);
    front
}

fn start_lender(tenant: &Tenant, version: &Version) -> anyhow::Result<ContainerId> {
    let body = json!({
        "Image": version.reference.to_string(), "Volumes": { "/lent": {} }, "HostConfig": { "IpcMode": "shareable" },
    });
    let lender = create(tenant, "lender", &body)?;
    let connected = json!({ "Container": "lender" });
    ask(tenant, "POST", "/networks/front/connect", &connected)?;
    ask(tenant, "POST", "/containers/lender/start", &json!({}))?;
    Ok(lender)
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
