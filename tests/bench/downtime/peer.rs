//! Who updates a container on a published port.

use anyhow::Context as _;
use bollard::models::{
    ContainerCreateBody, HostConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::CreateContainerOptions;

use super::{Bench, swarm};
use crate::by_hand::docker;

/// Of a container that Pinion is to leave alone.
pub(crate) const IGNORED: &str = "pinion.ignore=true";

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Floor,
    Pinion,
    CommandLine,
    Compose,
    Swarm,
}

/// One of them, with its container.
pub(crate) struct Peer {
    kind: Kind,
    pub(crate) title: &'static str,
    pub(crate) port: u16,
    /// How often it has updated: that image runs.
    pub(crate) updates: usize,
}

/// All, the floor first.
pub(crate) fn all() -> Vec<Peer> {
    let titles = [
        (
            Kind::Floor,
            "the engine's own stop → start of a prepared container (floor)",
        ),
        (Kind::Pinion, "Pinion, stop-first"),
        (Kind::CommandLine, "`docker stop; docker rm; docker run`"),
        (Kind::Compose, "`docker-compose up -d`"),
        (Kind::Swarm, "Swarm, stop-first"),
    ];
    let peer = |((kind, title), port)| Peer {
        kind,
        title,
        port,
        updates: 0,
    };
    titles.into_iter().zip(9100..).map(peer).collect()
}

impl Peer {
    /// The bridge of this one alone.
    fn network(&self) -> &'static str {
        match self.kind {
            Kind::Floor => "bench-floor",
            Kind::Pinion => "bench-pinion",
            Kind::CommandLine => "bench-hand",
            Kind::Compose => "bench_default",
            // Where the tasks of a Swarm service go that has no network.
            Kind::Swarm => "bridge",
        }
    }

    /// Whether it goes on beyond the rounds, until there are pairs enough.
    pub(crate) fn is_of_the_pairs(&self) -> bool {
        matches!(self.kind, Kind::Floor | Kind::Pinion)
    }

    /// Makes its network and its first container.
    pub(crate) async fn begin(&self, bench: &Bench<'_>) -> anyhow::Result<()> {
        let image = bench.image(0).reference();
        let makes_its_own = matches!(self.kind, Kind::Compose | Kind::Swarm);
        if !makes_its_own {
            docker(bench.machine, &["network", "create", self.network()])?;
        }
        match self.kind {
            Kind::Floor => {
                let first = self.prepare(bench, &image, 0).await?;
                let docker = bench.machine.tenant.engine().docker();
                Ok(docker.start_container(&first, None).await?)
            }
            Kind::Pinion => self.run(bench, "workspace", &image, "owner=platform"),
            Kind::CommandLine => self.run(bench, "by-hand", &image, IGNORED),
            Kind::Compose => self.compose(bench, &image),
            Kind::Swarm => swarm::create_published(bench, &image, self.port),
        }
    }

    pub(crate) fn add_neighbour(&self, bench: &Bench<'_>) -> anyhow::Result<()> {
        let (image, network) = (bench.image(0).reference(), self.network());
        let name = format!("neighbour-{network}");
        let args = [
            "run",
            "--detach",
            "--name",
            &name,
            "--network",
            network,
            "--label",
            IGNORED,
            &image,
        ];
        docker(bench.machine, &args).map(drop)
    }

    /// Updates to the other image; returns when all is done.
    pub(crate) async fn update(&mut self, bench: &Bench<'_>) -> anyhow::Result<()> {
        let next = bench.image(self.updates + 1);
        let image = next.reference();
        match self.kind {
            Kind::Floor => self.stop_start(bench, &image).await?,
            Kind::Pinion => bench.promote(next).await?,
            Kind::CommandLine => {
                docker(bench.machine, &["stop", "by-hand"])?;
                docker(bench.machine, &["rm", "by-hand"])?;
                self.run(bench, "by-hand", &image, IGNORED)?;
            }
            Kind::Compose => self.compose(bench, &image)?,
            Kind::Swarm => swarm::update(bench, swarm::PUBLISHED, &image).await?,
        }
        self.updates += 1;
        Ok(())
    }

    /// Stops the one and starts the other, which was created before: the least that an engine needs.
    async fn stop_start(&self, bench: &Bench<'_>, image: &str) -> anyhow::Result<()> {
        let old = floor_name(self.updates);
        let next = self.prepare(bench, image, self.updates + 1).await?;
        let docker = bench.machine.tenant.engine().docker();
        docker.stop_container(&old, None).await?;
        docker.start_container(&next, None).await?;
        Ok(docker.remove_container(&old, None).await?)
    }

    async fn prepare(
        &self,
        bench: &Bench<'_>,
        image: &str,
        number: usize,
    ) -> anyhow::Result<String> {
        let binding = PortBinding {
            host_ip: None,
            host_port: Some(self.port.to_string()),
        };
        let (key, value) = IGNORED.split_once('=').context("a label has a value")?;
        let body = ContainerCreateBody {
            image: Some(image.to_owned()),
            labels: Some([(key.to_owned(), value.to_owned())].into()),
            host_config: Some(HostConfig {
                network_mode: Some(self.network().to_owned()),
                port_bindings: Some([("8080/tcp".to_owned(), Some(vec![binding]))].into()),
                restart_policy: Some(RestartPolicy {
                    name: Some(RestartPolicyNameEnum::ALWAYS),
                    maximum_retry_count: None,
                }),
                ..Default::default()
            }),
            ..Default::default()
        };
        let options = CreateContainerOptions {
            name: Some(floor_name(number)),
            ..Default::default()
        };
        let docker = bench.machine.tenant.engine().docker();
        Ok(docker.create_container(Some(options), body).await?.id)
    }

    fn run(&self, bench: &Bench<'_>, name: &str, image: &str, label: &str) -> anyhow::Result<()> {
        let publish = format!("{}:8080", self.port);
        let args = [
            "run",
            "--detach",
            "--name",
            name,
            "--network",
            self.network(),
            "--publish",
            &publish,
            "--restart",
            "always",
            "--label",
            label,
            image,
        ];
        docker(bench.machine, &args).map(drop)
    }

    fn compose(&self, bench: &Bench<'_>, image: &str) -> anyhow::Result<()> {
        let directory = bench.machine.tenant.directory().join("bench-compose");
        std::fs::create_dir_all(&directory)?;
        let (key, value) = IGNORED.split_once('=').context("a label has a value")?;
        let port = self.port;
        let text = format!(
            "version: '2.4'\nservices:\n  app:\n    image: {image}\n    restart: always\n    \
             ports: ['{port}:8080']\n    labels: {{ {key}: '{value}' }}\n"
        );
        std::fs::write(directory.join("docker-compose.yml"), text)?;
        let tenant = &bench.machine.tenant;
        tenant
            .compose(&directory, "bench", &["up", "--detach"])
            .map(drop)
    }
}

fn floor_name(number: usize) -> String {
    format!("floor-{number}")
}
