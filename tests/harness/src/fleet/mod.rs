//! The whole product on real parts: what most tests begin with.

mod machine;

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::agent::{Agent, Setup};
use crate::cli::Cli;
use crate::coordinator::Coordinator;
use crate::image::App;
use crate::registry::{Auth, PASSWORD, Pushed, Registry, USER};
use crate::tenant::{EngineKind, Tenant};
use crate::wait::eventually;
use crate::world::World;

pub use machine::{Machine, names, run_by_hand};

/// The workload of every fleet.
pub const WORKLOAD: &str = "workspace-server";
/// Its repository, below the registry's host.
pub const REPOSITORY: &str = "molecule-ai/platform";
/// Name of its container on every machine.
pub const CONTAINER: &str = "workspace";
/// Port on every machine.
pub const PORT: u16 = 8080;

/// A coordinator's configuration with a strategy in seconds.
pub const CONFIGURATION: &str = r#"
default_registry = "test"
[registry.test]
prefix = "registry.invalid/molecule-ai"
[workload.workspace-server]
images = { test = "platform" }
rollout = "auto"
strategy = "quick"
[strategy.quick]
on_failure = "halt"
max_in_flight = "100%"
min_healthy = "1s"
healthy_deadline = "20s"
progress_deadline = "60s"
soak = "1s"
stage = [ { count = 1 }, { percent = 50 }, { rest = true } ]
"#;

/// What a fleet is to look like.
#[derive(Debug, Clone)]
pub struct FleetSpec {
    /// How many machines.
    pub tenants: u8,
    /// How the registry wants to be asked.
    pub auth: Auth,
    /// The coordinator's configuration.
    pub configuration: String,
    /// `host:port` of a proxy before the registry for the machines, if any.
    pub through: Option<String>,
    /// Whether every machine runs a container of v1 from the beginning.
    pub containers: bool,
    /// User and password of the machines at the registry; none: their `config.json` is empty.
    pub credentials: Option<(String, String)>,
    /// A whole `agent.toml` for every machine; `{host}` in it is the registry's address.
    pub agent_config: Option<String>,
    /// What every agent's environment holds in addition.
    pub agent_environment: Vec<(String, String)>,
    /// Whether the launcher starts every agent.
    pub launched: bool,
    /// How long agents' certificates are good, if not as long as usual.
    pub certificate_life: Option<&'static str>,
    /// Which engine every machine has.
    pub engine: EngineKind,
}

impl Default for FleetSpec {
    fn default() -> Self {
        Self {
            tenants: 4,
            auth: Auth::Basic,
            configuration: CONFIGURATION.to_owned(),
            through: None,
            containers: true,
            credentials: Some((USER.into(), PASSWORD.into())),
            agent_config: None,
            agent_environment: Vec::new(),
            launched: false,
            certificate_life: None,
            engine: EngineKind::Docker,
        }
    }
}

impl FleetSpec {
    /// A fleet of so many machines.
    #[must_use]
    pub fn of(tenants: u8) -> Self {
        Self {
            tenants,
            ..Self::default()
        }
    }

    fn setup(&self, host: &str) -> Setup {
        let credentials = self.credentials.iter();
        Setup {
            credentials: credentials
                .map(|(user, password)| (host.to_owned(), user.clone(), password.clone()))
                .collect(),
            config: self
                .agent_config
                .as_ref()
                .map(|config| config.replace("{host}", host)),
            environment: self.agent_environment.clone(),
            launched: self.launched,
            ..setup(host)
        }
    }
}

/// Registry, coordinator, machines and agents, all enrolled and online.
#[derive(Debug)]
pub struct Fleet {
    /// The machines, `t1` first.
    pub machines: Vec<Machine>,
    /// The coordinator.
    pub coordinator: Coordinator,
    /// The registry.
    pub registry: Registry,
    /// What every machine runs at first.
    pub v1: Pushed,
    /// The operator.
    pub cli: Cli,
}

impl Fleet {
    /// Sets it all up: v1 runs everywhere, all agents are online, nothing is pinned.
    ///
    /// # Errors
    ///
    /// If a part does not come up.
    pub async fn start(world: &World, spec: &FleetSpec) -> anyhow::Result<Self> {
        let registry = Registry::start(world, "registry", spec.auth).await?;
        Self::start_with(world, spec, registry).await
    }

    /// The same with a registry that runs already, so that a proxy can stand before it.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with(
        world: &World,
        spec: &FleetSpec,
        registry: Registry,
    ) -> anyhow::Result<Self> {
        let v1 = registry.push(world, REPOSITORY, &App::new("v1"))?;
        let host = spec.through.clone().unwrap_or_else(|| registry.host());
        let prefix = format!("{host}/molecule-ai");
        let mut env = vec![("MOLECULE_IMAGE_REGISTRY", prefix.as_str())];
        env.extend(
            spec.certificate_life
                .map(|life| ("PINION_CERTIFICATE_LIFE", life)),
        );
        let (tenants, coordinator) = tokio::try_join!(
            Tenant::start_all(world, spec.tenants, spec.engine),
            Coordinator::start(world, &spec.configuration, &env),
        )?;
        let cli = Cli::admin(&coordinator)?;
        let mut fleet = Self {
            machines: Vec::new(),
            coordinator,
            registry,
            v1,
            cli,
        };
        let v1_reference = format!("{host}/{REPOSITORY}@{}", fleet.v1.digest);
        for tenant in tenants {
            if spec.containers {
                run_by_hand(&tenant, &v1_reference).await?;
            }
            let token = fleet.cli.enrolment_token(tenant.name(), &[])?;
            let agent = Agent::start(&tenant, &token, &spec.setup(&host)).await?;
            fleet.machines.push(Machine { agent, tenant });
        }
        fleet.all_online().await?;
        if spec.containers {
            for machine in &fleet.machines {
                machine
                    .runs(&fleet.v1.digest, Duration::from_secs(30))
                    .await?;
            }
        }
        Ok(fleet)
    }

    /// Enrols `tenant` with a token of its own and starts its agent.
    ///
    /// # Errors
    ///
    /// If either fails.
    pub async fn enrol(&self, tenant: &Tenant, registry: &str) -> anyhow::Result<Agent> {
        let token = self.cli.enrolment_token(tenant.name(), &[])?;
        Agent::start(tenant, &token, &setup(registry)).await
    }

    /// Waits until the coordinator sees every machine online.
    ///
    /// # Errors
    ///
    /// After half a minute.
    pub async fn all_online(&self) -> anyhow::Result<()> {
        for machine in &self.machines {
            self.presence(machine.tenant.name(), "PRESENCE_ONLINE")
                .await?;
        }
        Ok(())
    }

    /// Waits until the coordinator sees that machine so.
    ///
    /// # Errors
    ///
    /// After a minute.
    pub async fn presence(&self, name: &str, presence: &str) -> anyhow::Result<()> {
        let what = format!("{name} is {presence}");
        eventually(&what, Duration::from_secs(60), async || {
            let agent = self.cli.agent(name)?;
            match agent["presence"] == presence {
                true => Ok(()),
                false => bail!("{}", agent["presence"]),
            }
        })
        .await
    }

    /// Promotes as the pipeline does, and returns the id of the rollout that this started.
    ///
    /// # Errors
    ///
    /// If it is refused or starts none.
    pub fn promote(&self, pushed: &Pushed) -> anyhow::Result<String> {
        let answer = self
            .coordinator
            .promote(WORKLOAD, &pushed.digest, &pushed.source_sha)?;
        let rollout = answer["rollout"].as_str().filter(|id| !id.is_empty());
        let rollout = rollout.with_context(|| format!("no rollout was started: {answer}"))?;
        Ok(rollout.to_owned())
    }

    /// Builds, pushes and promotes `app`; returns the image and the id of its rollout.
    ///
    /// # Errors
    ///
    /// If one of these fails.
    pub fn release(&self, world: &World, app: &App) -> anyhow::Result<(Pushed, String)> {
        let pushed = self.registry.push(world, REPOSITORY, app)?;
        let rollout = self.promote(&pushed)?;
        Ok((pushed, rollout))
    }

    /// Waits until the rollout is in `phase`, such as `ROLLOUT_PHASE_COMPLETED`.
    ///
    /// # Errors
    ///
    /// After `deadline`, with the rollout as it was last.
    pub async fn rollout_is(
        &self,
        id: &str,
        phase: &str,
        deadline: Duration,
    ) -> anyhow::Result<Value> {
        let what = format!("rollout {id} is {phase}");
        eventually(&what, deadline, async || {
            let rollout = self.cli.rollout(id)?;
            match rollout["phase"] == phase {
                true => Ok(rollout),
                false => bail!("{rollout:#}"),
            }
        })
        .await
    }

    /// Waits until the rollout has completed or halted, and answers whether it has completed.
    ///
    /// # Errors
    ///
    /// After `deadline`, with the rollout as it was last.
    pub async fn completes(&self, id: &str, deadline: Duration) -> anyhow::Result<bool> {
        let what = format!("rollout {id} has completed or halted");
        eventually(&what, deadline, async || {
            let rollout = self.cli.rollout(id)?;
            match rollout["phase"].as_str() {
                Some("ROLLOUT_PHASE_COMPLETED") => Ok(true),
                Some("ROLLOUT_PHASE_HALTED") => Ok(false),
                _ => bail!("{rollout:#}"),
            }
        })
        .await
    }

    /// Waits until the rollout's member `agent` is in `phase`, and returns it.
    ///
    /// # Errors
    ///
    /// After `deadline`, with the member as it was last.
    pub async fn member_is(
        &self,
        rollout: &str,
        agent: &str,
        phase: &str,
        deadline: Duration,
    ) -> anyhow::Result<Value> {
        let what = format!("{agent} is {phase} in {rollout}");
        eventually(&what, deadline, async || {
            let member = self.member(rollout, agent)?;
            match member["phase"] == phase {
                true => Ok(member),
                false => bail!("{member}"),
            }
        })
        .await
    }

    /// One member of a rollout.
    ///
    /// # Errors
    ///
    /// If the agent is not in it.
    pub fn member(&self, rollout: &str, agent: &str) -> anyhow::Result<Value> {
        let rollout = self.cli.rollout(rollout)?;
        members(&rollout)
            .find(|member| member["agent"] == agent)
            .cloned()
            .with_context(|| format!("{agent} is in {rollout:#}"))
    }
}

/// The members of all stages of a rollout.
pub fn members(rollout: &Value) -> impl Iterator<Item = &Value> {
    let stages = rollout["stages"].as_array().into_iter().flatten();
    stages.flat_map(|stage| stage["members"].as_array().into_iter().flatten())
}

/// A machine's set-up that allows and authenticates to `registry`.
#[must_use]
pub fn setup(registry: &str) -> Setup {
    Setup {
        allow: vec![format!("{registry}/molecule-ai/")],
        credentials: vec![(registry.to_owned(), USER.into(), PASSWORD.into())],
        config: None,
        environment: Vec::new(),
        launched: false,
    }
}
