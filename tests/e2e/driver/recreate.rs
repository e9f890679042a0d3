//! One container with as many settings as an engine takes, through a whole cut-over.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::command::command;
use harness::fleet::REPOSITORY;
use harness::{App, Auth, Registry, Tenant, World, scenario};
use pinion_agent::driver::Driver as _;
use pinion_agent::driver::docker::Docker;
use pinion_workload::{ContainerId, Image};
use serde_json::{Value, json};

use crate::api::{
    ask, create, credential, differences, driver, image_of, pull, respecified, settings,
};

#[test]
fn every_setting_survives_two_recreations_and_the_images_defaults_do_not() {
    scenario(async |world| {
        let machine = Machine::start(world).await?;
        let first = machine.run_with_everything(world)?;
        let volume = write_into_volume(&machine, &first)?;

        let second = machine.replace(&first, 1).await?;
        let expected = [
            r#"/Config/Env/1: "APP_VERSION=v1" -> "APP_VERSION=v2""#.to_owned(),
            format!(
                r#"/Config/Labels/org.opencontainers.image.revision: "{}" -> "{}""#,
                App::new("v1").source_sha(),
                App::new("v2").source_sha()
            ),
        ];
        let (old, new) = (
            machine.settings(&first).await?,
            machine.settings(&second).await?,
        );
        let differing = without_named_volumes(differences(&old, &new));
        ensure!(differing == expected, "{differing:#?}");
        ensure!(
            machine.read("web", "/data/kept")? == volume,
            "the anonymous volume's data is gone"
        );

        let third = machine.replace(&second, 2).await?;
        let (old, new) = (
            machine.settings(&second).await?,
            machine.settings(&third).await?,
        );
        let differing = differences(&old, &new);
        ensure!(differing.is_empty(), "{differing:#?}");
        ensure!(
            machine.read("web", "/data/kept")? == volume,
            "the named volume's data is gone"
        );
        Ok(())
    });
}

struct Machine {
    tenant: Tenant,
    driver: Docker,
    old: String,
    new: Image,
    reference: pinion_model::ImageRef,
    _registry: Registry,
}

impl Machine {
    async fn start(world: &World) -> anyhow::Result<Self> {
        let registry = Registry::start(world, "registry", Auth::Basic).await?;
        let tenant = Tenant::start(world, 1).await?;
        let driver = driver(&tenant).await?;
        let credential = credential(&registry.host());
        let v1 = image_of(&registry.push(world, REPOSITORY, &App::new("v1"))?)?;
        let v2 = image_of(&registry.push(world, REPOSITORY, &App::new("v2"))?)?;
        pull(&driver, &v1, Some(&credential)).await?;
        let new = pull(&driver, &v2, Some(&credential)).await?;
        Ok(Self {
            tenant,
            driver,
            old: v1.to_string(),
            new,
            reference: v2,
            _registry: registry,
        })
    }

    fn run_with_everything(&self, world: &World) -> anyhow::Result<ContainerId> {
        for (name, subnet) in [("front", "10.77.0.0/24"), ("back", "10.78.0.0/24")] {
            let body = json!({ "Name": name, "CheckDuplicate": true, "IPAM": { "Config": [{ "Subnet": subnet }] } });
            ask(&self.tenant, "POST", "/networks/create", &body)?;
        }
        let shared = world.subdirectory("shared")?;
        let body = everything(&self.old, shared.to_str().context("a plain path")?);
        let id = create(&self.tenant, "web", &body)?;
        let endpoint = json!({ "Container": "web", "EndpointConfig": {
            "Aliases": ["db"], "IPAMConfig": { "IPv4Address": "10.78.0.9" },
        } });
        ask(&self.tenant, "POST", "/networks/back/connect", &endpoint)?;
        ask(&self.tenant, "POST", "/containers/web/start", &json!({}))?;
        Ok(id)
    }

    /// The whole cut-over, as the agent does it.
    async fn replace(&self, old: &ContainerId, op: u32) -> anyhow::Result<ContainerId> {
        let spec = respecified(&self.driver, old, &self.new, &self.reference).await?;
        let next = self.driver.create(&format!("web.next.{op}"), &spec).await?;
        self.driver.set_restart_policy(old, "no", 0).await?;
        self.driver.stop(old, Duration::from_secs(3)).await?;
        self.driver.rename(old, &format!("web.prev.{op}")).await?;
        self.driver.rename(&next, "web").await?;
        self.driver.start(&next).await?;
        // Comparable again: the fence is no setting of its user's.
        self.driver.set_restart_policy(old, "on-failure", 3).await?;
        Ok(next)
    }

    async fn settings(&self, id: &ContainerId) -> anyhow::Result<Value> {
        let mut settings = settings(&self.driver.inspect(id).await?);
        // Of a stopped container the engine forgets the address, not that it was asked for.
        for endpoint in settings["Networks"]
            .as_object_mut()
            .context("networks")?
            .values_mut()
        {
            endpoint["IPAddress"] = Value::Null;
        }
        Ok(settings)
    }

    fn read(&self, container: &str, path: &str) -> anyhow::Result<String> {
        let mut curl = command("sh");
        curl.arg("-c").arg(format!(
            "curl -sS --unix-socket {} 'http://engine/containers/{container}/archive?path={path}' | tar -xO",
            self.tenant.docker_host().trim_start_matches("unix://")
        ));
        harness::command::run_command(&mut curl)
    }
}

/// The anonymous volume that came with `-v /data` gets a file, as the program would write it.
fn write_into_volume(machine: &Machine, id: &ContainerId) -> anyhow::Result<String> {
    let inspect = ask(
        &machine.tenant,
        "GET",
        &format!("/containers/{id}/json"),
        &json!({}),
    )?;
    let mounts = inspect["Mounts"].as_array().context("mounts")?;
    let data = mounts
        .iter()
        .find(|mount| mount["Destination"] == "/data")
        .context("/data")?;
    let source = data["Source"].as_str().context("a source")?;
    let content = format!("written by {id}");
    std::fs::write(format!("{source}/kept"), &content)?;
    Ok(content)
}

/// Anonymous volumes are named in the settings from the first recreation on.
fn without_named_volumes(differences: Vec<String>) -> Vec<String> {
    let naming = |difference: &String| {
        let of_mounts = difference.starts_with("/HostConfig/Mounts");
        of_mounts || difference.starts_with("/HostConfig/Binds/2: \"/bare\"")
    };
    differences
        .into_iter()
        .filter(|difference| !naming(difference))
        .collect()
}

fn everything(image: &str, shared: &str) -> Value {
    let mut body = json!({
        "Image": image,
        "Env": ["MINE=1", "PATH=/mine:/"],
        "Labels": { "mine": "yes", "com.docker.compose.config-hash": "abc" },
        "ExposedPorts": { "9000/udp": {}, "8080/tcp": {} },
        "Volumes": { "/data": {} },
        "Healthcheck": { "Interval": 2_000_000_000u64, "Retries": 7 },
        "MacAddress": "02:42:0a:4d:00:05",
        "Domainname": "tenants.example",
        "StopSignal": "SIGINT",
        "StopTimeout": 3,
        "User": "0:0",
        "WorkingDir": "/",
        "Tty": true,
        "OpenStdin": true,
        "NetworkingConfig": { "EndpointsConfig": { "front": {
            "Aliases": ["www"], "IPAMConfig": { "IPv4Address": "10.77.0.5" },
        } } },
    });
    body["HostConfig"] = host_config(shared);
    body
}

fn host_config(shared: &str) -> Value {
    let mut host = json!({
        "NetworkMode": "front",
        "PortBindings": {
            "8080/tcp": [{ "HostIp": "", "HostPort": "8500" }],
            "9000/udp": [{ "HostIp": "127.0.0.1", "HostPort": "8501" }],
        },
        "Binds": [format!("{shared}:/shared:ro"), "named:/named", "/bare"],
        "Mounts": [{ "Type": "volume", "Target": "/sourceless" }],
        "Tmpfs": { "/scratch": "size=1m" },
        "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 3 },
        "CapAdd": ["NET_ADMIN"],
        "CapDrop": ["CHOWN"],
        "Ulimits": [{ "Name": "nofile", "Soft": 1000, "Hard": 2000 }],
        "Sysctls": { "net.ipv4.ip_unprivileged_port_start": "1024" },
        "Devices": [{ "PathOnHost": "/dev/null", "PathInContainer": "/dev/mine", "CgroupPermissions": "r" }],
    });
    let limits = json!({
        "Memory": 67_108_864, "MemorySwap": 134_217_728, "MemoryReservation": 33_554_432,
        "CpuShares": 512, "NanoCpus": 500_000_000, "PidsLimit": 50, "ShmSize": 33_554_432, "OomScoreAdj": 100,
        "Dns": ["10.77.0.53"], "DnsSearch": ["tenants.example"], "DnsOptions": ["ndots:2"],
        "ExtraHosts": ["other:10.1.2.3"], "GroupAdd": ["5"], "Init": true, "IpcMode": "shareable",
        "SecurityOpt": ["no-new-privileges"], "MaskedPaths": ["/proc/kcore"],
        "LogConfig": { "Type": "json-file", "Config": { "max-size": "1m" } },
    });
    let (host_object, limits) = (host.as_object_mut(), limits.as_object().cloned());
    if let (Some(host), Some(limits)) = (host_object, limits) {
        host.extend(limits);
    }
    host
}
