//! Containers that Docker Compose made are its own after an update, too: the next `up` leaves them
//! as they are, and `ps` shows them.

use std::fs;
use std::path::PathBuf;

use anyhow::ensure;
use harness::fleet::Machine;
use harness::registry::{PASSWORD, USER};
use harness::{App, Fleet, FleetSpec, World, eventually, scenario};

use crate::support::SOON;

const FILE: &str = r#"
version: "2.4"
services:
  web:
    image: IMAGE
    restart: always
    ports: ["8080:8080", "9090:9090"]
    environment: { TENANT: acme }
    labels: { owner: platform }
    volumes: ["/data", "kept:/kept", "./conf:/conf:ro"]
    networks: { front: { aliases: [www] }, back: {} }
    ulimits: { nofile: { soft: 1000, hard: 2000 } }
    mem_limit: 64m
    healthcheck: { interval: 2s }
    stop_grace_period: 3s
  worker:
    image: IMAGE
    restart: unless-stopped
    command: ["/app", "work"]
    volumes_from: ["web:ro"]
    networks: [back]
    logging: { driver: json-file, options: { max-size: 1m } }
  proxy:
    image: SIDE
    network_mode: "service:web"
    environment: { APP_PORT: "9090" }
networks: { front: {}, back: {} }
volumes: { kept: {} }
"#;

struct Project<'a> {
    machine: &'a Machine,
    directory: PathBuf,
}

#[test]
fn compose_does_not_touch_what_was_updated_and_shows_it_as_its_own() {
    scenario(async |world| {
        let spec = FleetSpec {
            containers: false,
            ..FleetSpec::of(1)
        };
        let fleet = Fleet::start(world, &spec).await?;
        let project = Project::up(&fleet, world).await?;
        let before = project.ids()?;
        for version in ["v2", "v3"] {
            let (pushed, rollout) = fleet.release(world, &App::new(version))?;
            fleet
                .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
                .await?;
            project.answers(version).await?;
            let updated = project.ids()?;
            ensure!(updated.len() == 3 && updated != before, "{updated:?}");

            project.compose(&["up", "-d"])?;
            ensure!(project.ids()? == updated, "up touched what was updated");
            let shown = project.compose(&["ps"])?;
            for name in ["shop_web_1", "shop_worker_1", "shop_proxy_1"] {
                let line = shown.lines().find(|line| line.starts_with(name));
                ensure!(line.is_some_and(|line| line.contains("Up")), "{shown}");
            }
            ensure!(
                !shown.contains(".prev.") && !shown.contains("Exit"),
                "{shown}"
            );
            for name in ["shop_web_1", "shop_worker_1"] {
                let container = project.machine.tenant.engine().container(name).await?;
                ensure!(
                    container.has(&pushed.digest),
                    "{name}: {:?}",
                    container.digests
                );
            }
        }
        project.compose(&["down"])?;
        ensure!(project.ids()?.is_empty(), "down takes all of it away");
        Ok(())
    });
}

impl<'a> Project<'a> {
    async fn up(fleet: &'a Fleet, world: &World) -> anyhow::Result<Self> {
        let side = fleet
            .registry
            .push(world, "nobody/side", &App::new("side"))?;
        let host = fleet.registry.host();
        let machine = &fleet.machines[0];
        let repository = format!("{host}/molecule-ai/platform");
        let image = format!("{repository}@{}", fleet.v1.digest);
        let side = format!("{host}/nobody/side@{}", side.digest);
        for image in [&image, &side] {
            machine.tenant.engine().pull(image, USER, PASSWORD).await?;
        }
        let tag = format!("{repository}:tenant");
        machine.tenant.docker(&["tag", &image, &tag])?;
        let directory = world.subdirectory("shop")?;
        fs::create_dir(directory.join("conf"))?;
        let text = FILE.replace("IMAGE", &tag).replace("SIDE", &side);
        fs::write(directory.join("docker-compose.yml"), text)?;
        let project = Self { machine, directory };
        project.compose(&["up", "-d"])?;
        project.answers("v1").await?;
        Ok(project)
    }

    fn compose(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.machine
            .tenant
            .compose(&self.directory, "shop", arguments)
    }

    /// Ids and names, sorted.
    fn ids(&self) -> anyhow::Result<Vec<String>> {
        let listed = self.machine.tenant.docker(&[
            "ps",
            "-a",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Names}}",
        ])?;
        let mut ids: Vec<_> = listed.lines().map(str::to_owned).collect();
        ids.sort();
        Ok(ids)
    }

    async fn answers(&self, version: &str) -> anyhow::Result<()> {
        let tenant = &self.machine.tenant;
        eventually("web and proxy answer", SOON, async || {
            let seen = [tenant.http_get(8080)?, tenant.http_get(9090)?];
            ensure!(seen == [version, "side"], "{seen:?}");
            Ok(())
        })
        .await
    }
}
