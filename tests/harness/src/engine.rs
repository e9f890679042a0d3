//! What a test asks an engine itself, so that it never has to believe our own reports.

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HealthStatusEnum, HostConfig, PortBinding,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptions, ListContainersOptions,
};
use futures_util::TryStreamExt as _;

/// An engine's API.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
}

/// A container to start.
#[derive(Debug, Clone)]
pub struct Run {
    name: String,
    image: String,
    env: Vec<String>,
    labels: HashMap<String, String>,
    port: Option<u16>,
    volume: Option<(String, String)>,
    policy: RestartPolicyNameEnum,
}

impl Run {
    /// A container of `image`, with restart policy `always` and no published port.
    #[must_use]
    pub fn new(name: &str, image: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: image.to_owned(),
            env: Vec::new(),
            labels: HashMap::new(),
            port: None,
            volume: None,
            policy: RestartPolicyNameEnum::ALWAYS,
        }
    }

    /// The same with `NAME=VALUE` in its environment.
    #[must_use]
    pub fn env(mut self, variable: &str) -> Self {
        self.env.push(variable.to_owned());
        self
    }

    /// The same with a label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The same with the volume `name` at `target`.
    #[must_use]
    pub fn volume(mut self, name: &str, target: &str) -> Self {
        self.volume = Some((name.to_owned(), target.to_owned()));
        self
    }

    /// The same with another restart policy.
    #[must_use]
    pub fn policy(mut self, policy: RestartPolicyNameEnum) -> Self {
        self.policy = policy;
        self
    }

    /// The same with the program's port 8080 published on `port` of its machine.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

/// A container as the engine sees it.
#[derive(Debug, Clone)]
pub struct Container {
    /// The engine's id, 64 hex digits.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// Whether its process runs.
    pub running: bool,
    /// `healthy`, `unhealthy`, `starting` or `none`.
    pub health: String,
    /// The repository digests of the image that it runs, `repository@sha256:…`.
    pub digests: Vec<String>,
    /// The engine's whole answer.
    pub inspect: ContainerInspectResponse,
}

impl Container {
    /// Whether it runs, healthy, an image of that digest.
    #[must_use]
    pub fn runs(&self, digest: &str) -> bool {
        self.running && self.health == "healthy" && self.has(digest)
    }

    /// Whether its image has that digest.
    #[must_use]
    pub fn has(&self, digest: &str) -> bool {
        self.digests.iter().any(|found| found.ends_with(digest))
    }
}

impl Engine {
    /// The engine behind that client.
    #[must_use]
    pub fn new(docker: Docker) -> Self {
        Self { docker }
    }

    /// The client itself.
    #[must_use]
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Pulls `image` as `user`.
    ///
    /// # Errors
    ///
    /// If the engine refuses, also in the middle of the pull.
    pub async fn pull(&self, image: &str, user: &str, password: &str) -> anyhow::Result<()> {
        let options = CreateImageOptions {
            from_image: Some(image.to_owned()),
            ..Default::default()
        };
        let credentials = DockerCredentials {
            username: Some(user.to_owned()),
            password: Some(password.to_owned()),
            ..Default::default()
        };
        let steps = self
            .docker
            .create_image(Some(options), None, Some(credentials));
        let steps: Vec<_> = steps
            .try_collect()
            .await
            .with_context(|| format!("pull {image}"))?;
        match steps.into_iter().find_map(|step| step.error_detail) {
            Some(error) => bail!("pull {image}: {error:?}"),
            None => Ok(()),
        }
    }

    /// Creates and starts a container, and returns its id.
    ///
    /// # Errors
    ///
    /// If the engine refuses.
    pub async fn run(&self, run: &Run) -> anyhow::Result<String> {
        let options = CreateContainerOptions {
            name: Some(run.name.clone()),
            ..Default::default()
        };
        let ports = run.port.map(|port| {
            let binding = PortBinding {
                host_ip: None,
                host_port: Some(port.to_string()),
            };
            HashMap::from([("8080/tcp".to_owned(), Some(vec![binding]))])
        });
        let policy = RestartPolicy {
            name: Some(run.policy),
            maximum_retry_count: None,
        };
        let volume = run.volume.as_ref();
        let binds = volume.map(|(name, target)| vec![format!("{name}:{target}")]);
        let body = ContainerCreateBody {
            image: Some(run.image.clone()),
            env: Some(run.env.clone()),
            labels: Some(run.labels.clone()),
            host_config: Some(HostConfig {
                port_bindings: ports,
                restart_policy: Some(policy),
                binds,
                ..Default::default()
            }),
            ..Default::default()
        };
        let created = self
            .docker
            .create_container(Some(options), body)
            .await
            .with_context(|| format!("create {}", run.name))?;
        self.docker
            .start_container(&run.name, None)
            .await
            .with_context(|| format!("start {}", run.name))?;
        Ok(created.id)
    }

    /// The container called `name`.
    ///
    /// # Errors
    ///
    /// If there is none, or the engine does not answer.
    pub async fn container(&self, name: &str) -> anyhow::Result<Container> {
        let inspect = self
            .docker
            .inspect_container(name, None)
            .await
            .with_context(|| format!("inspect container {name}"))?;
        let image = inspect.image.clone().context("a container has an image")?;
        let digests = self.docker.inspect_image(&image).await?.repo_digests;
        let state = inspect.state.clone().unwrap_or_default();
        let health = state.health.and_then(|health| health.status);
        Ok(Container {
            id: inspect.id.clone().unwrap_or_default(),
            name: name.to_owned(),
            running: state.running.unwrap_or(false) && !state.restarting.unwrap_or(false),
            health: health.unwrap_or(HealthStatusEnum::NONE).to_string(),
            digests: digests.unwrap_or_default(),
            inspect,
        })
    }

    /// All containers, running or not, sorted by name.
    ///
    /// # Errors
    ///
    /// If the engine does not answer.
    pub async fn containers(&self) -> anyhow::Result<Vec<Container>> {
        let options = ListContainersOptions {
            all: true,
            ..Default::default()
        };
        let listed = self.docker.list_containers(Some(options)).await?;
        let mut names: Vec<_> = listed
            .into_iter()
            .filter_map(|container| container.names?.into_iter().next())
            .map(|name| name.trim_start_matches('/').to_owned())
            .collect();
        names.sort();
        let mut containers = Vec::with_capacity(names.len());
        for name in names {
            containers.push(self.container(&name).await?);
        }
        Ok(containers)
    }
}
