//! Containers that Docker Compose made: updated, counted once, and taken back
//! when their old one is gone.

use anyhow::{Context as _, ensure};
use bollard::query_parameters::TagImageOptions;
use harness::engine::Container;
use harness::registry::{PASSWORD, USER};
use harness::{App, Fleet, FleetSpec, eventually, scenario};

use crate::support::{SOON, configuration};

const NAME: &str = "shop_web_1";
const SECRET: &str = "s3cr3t-of-the-shop";

/// A machine with a project of one service, made by Compose.
struct Shop {
    fleet: Fleet,
}

impl Shop {
    async fn open(world: &harness::World, soak: &str) -> anyhow::Result<Self> {
        let changes = [("soak", soak)];
        let spec = FleetSpec {
            configuration: configuration(&changes),
            containers: false,
            ..FleetSpec::of(1)
        };
        let fleet = Fleet::start(world, &spec).await?;
        let tenant = &fleet.machines[0].tenant;
        let engine = tenant.engine();
        engine.pull(&fleet.v1.reference(), USER, PASSWORD).await?;
        let tag = TagImageOptions {
            repo: Some(fleet.v1.repository.clone()),
            tag: Some("stable".to_owned()),
        };
        let image = fleet.v1.reference();
        engine.docker().tag_image(&image, Some(tag)).await?;
        let file = tenant.directory().join("docker-compose.yml");
        let text = format!(
            "version: '2.4'\nservices:\n  web:\n    image: {}:stable\n    restart: unless-stopped\n    mem_limit: 64m\n    \
             environment:\n      - API_TOKEN={SECRET}\n    volumes:\n      - data:/data\n      - /scratch\n    \
             networks:\n      front:\n        aliases: [till]\n      back: {{}}\nvolumes:\n  data: {{}}\n\
             networks:\n  front: {{}}\n  back: {{}}\n",
            fleet.v1.repository
        );
        std::fs::write(&file, text)?;
        let shop = Self { fleet };
        shop.compose(&["up", "-d"])?;
        Ok(shop)
    }

    fn compose(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let tenant = &self.fleet.machines[0].tenant;
        tenant.compose(tenant.directory(), "shop", arguments)
    }

    /// The one container that there is.
    async fn only_one(&self) -> anyhow::Result<Container> {
        eventually("there is one container and no other", SOON, async || {
            let all = self.fleet.machines[0].tenant.engine().containers().await?;
            let names: Vec<_> = all.iter().map(|c| c.name.clone()).collect();
            ensure!(names == [NAME], "{names:?}");
            self.container().await
        })
        .await
    }

    async fn container(&self) -> anyhow::Result<Container> {
        self.fleet.machines[0].tenant.engine().container(NAME).await
    }

    /// `ps` shows the service's one container, up.
    fn is_listed_once(&self) -> anyhow::Result<()> {
        let listed = self.compose(&["ps"])?;
        let rows: Vec<_> = listed.lines().filter(|l| l.contains("shop_")).collect();
        ensure!(rows.len() == 1, "{listed}");
        ensure!(rows[0].contains(NAME) && rows[0].contains("Up"), "{listed}");
        Ok(())
    }
}

/// What its user chose, as far as no engine makes it up.
fn settings(container: &Container) -> anyhow::Result<serde_json::Value> {
    let inspect = serde_json::to_value(&container.inspect)?;
    let networks = inspect["NetworkSettings"]["Networks"]
        .as_object()
        .context("it has networks")?;
    let aliases = |endpoint: &serde_json::Value| {
        let all = endpoint["Aliases"].as_array().into_iter().flatten();
        let own = |alias: &&serde_json::Value| {
            let short = container.id.get(..12);
            alias.as_str() != short
        };
        let mut own: Vec<_> = all.filter(own).map(ToString::to_string).collect();
        own.sort();
        own
    };
    let networks: Vec<_> = networks.iter().map(|(k, e)| (k, aliases(e))).collect();
    let mut mounts: Vec<_> = inspect["Mounts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|m| format!("{} at {}", m["Name"], m["Destination"]))
        .collect();
    mounts.sort();
    let labels = inspect["Config"]["Labels"]
        .as_object()
        .into_iter()
        .flatten();
    let labels: Vec<_> = labels
        .filter(|(k, _)| k.starts_with("com.docker.compose"))
        .collect();
    Ok(serde_json::json!({
        "env": inspect["Config"]["Env"],
        "labels": labels,
        "restart": inspect["HostConfig"]["RestartPolicy"],
        "memory": inspect["HostConfig"]["Memory"],
        "networks": networks,
        "mounts": mounts,
    }))
}

#[test]
fn one_that_regresses_when_its_old_one_is_gone_comes_back_with_its_settings() {
    scenario(async |world| {
        let shop = Shop::open(world, "\"120s\"").await?;
        let before = shop.only_one().await?;
        let (v2, rollout) = shop.fleet.release(world, &App::new("v2"))?;
        shop.fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_SOAKING", SOON)
            .await?;
        let soaks = shop.only_one().await?;
        ensure!(soaks.runs(&v2.digest), "{} {}", soaks.id, soaks.health);
        shop.is_listed_once()?;
        shop.compose(&["up", "-d"])?;
        ensure!(shop.only_one().await?.id == soaks.id, "Compose touched it");

        let machine = &shop.fleet.machines[0];
        machine.tenant.docker(&["exec", NAME, "/app", "regress"])?;
        let member = shop
            .fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", SOON)
            .await?;
        let back = shop.only_one().await?;
        ensure!(back.runs(&shop.fleet.v1.digest), "{member:#}");
        ensure!(back.id != before.id, "the old one was gone");
        let (was, is) = (settings(&before)?, settings(&back)?);
        ensure!(was == is, "{was:#}\nbecame\n{is:#}");
        shop.is_listed_once()?;
        let said = shop.compose(&["up", "-d"])?;
        let after = shop.only_one().await?;
        ensure!(after.id == back.id, "Compose made it anew: {said}");
        let told = format!("{member}{}", shop.fleet.machines[0].agent.printed());
        ensure!(!told.contains(SECRET), "a secret was told");
        Ok(())
    });
}

#[test]
fn one_that_stays_well_is_the_only_one_from_its_proof_on() {
    scenario(async |world| {
        let shop = Shop::open(world, "\"5s\"").await?;
        let before = shop.only_one().await?;
        let (v2, rollout) = shop.fleet.release(world, &App::new("v2"))?;
        shop.fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_SETTLED", 2 * SOON)
            .await?;
        let now = shop.only_one().await?;
        ensure!(now.runs(&v2.digest) && now.id != before.id, "{}", now.id);
        shop.is_listed_once()
    });
}
