//! What happens in the demo, in order.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use harness::engine::Container;
use harness::fleet::{CONTAINER, Machine, PORT, REPOSITORY, WORKLOAD, members, run_by_hand, setup};
use harness::{
    Agent, App, Auth, Behaviour, Cli, Coordinator, EngineKind, Pushed, Registry, Tenant, World,
};
use harness::{eventually, fleet};

use crate::say;

const CONFIGURATION: &str = include_str!("../../deploy/demo/coordinator.toml");
const MACHINES: u8 = 4;
const SOON: Duration = Duration::from_secs(30);
/// Exit codes of `pinion rollout watch`.
const COMPLETED: i32 = 0;
const HALTED: i32 = 3;
/// Exit code of a command that the coordinator refuses.
const REFUSED: i32 = 1;

/// A release that stopped itself.
struct Bad {
    pushed: Pushed,
    rollout: String,
    /// The one machine that it got to.
    reached: String,
}

/// Everything that is up.
pub(crate) struct Scene {
    cli: Cli,
    coordinator: Coordinator,
    machines: Vec<Machine>,
    registry: Registry,
}

/// Plays the whole demo.
pub(crate) async fn play(world: &World) -> anyhow::Result<Scene> {
    let (registry, v1) = start_registry(world).await?;
    let (tenants, coordinator) = start_parts(world, &registry, &v1).await?;
    let scene = enrol(registry, coordinator, tenants).await?;
    scene.good_release(world).await?;
    let bad = scene.bad_release(world).await?;
    scene.why(&bad)?;
    scene.never_again(&bad).await?;
    Ok(scene)
}

async fn start_registry(world: &World) -> anyhow::Result<(Registry, Pushed)> {
    say::step(
        1,
        "A registry with TLS that asks for a password, and an image v1 in it",
    );
    let registry = Registry::start(world, "registry", Auth::Basic).await?;
    let v1 = registry.push(world, REPOSITORY, &App::new("v1"))?;
    say::detail(&format!("v1 is {}", v1.reference()));
    Ok((registry, v1))
}

async fn start_parts(
    world: &World,
    registry: &Registry,
    v1: &Pushed,
) -> anyhow::Result<(Vec<Tenant>, Coordinator)> {
    say::step(
        2,
        "Four tenant machines, each a Docker Engine of its own, running v1; one coordinator",
    );
    let prefix = format!("{}/molecule-ai", registry.host());
    let env = [("MOLECULE_IMAGE_REGISTRY", prefix.as_str())];
    let (tenants, coordinator) = tokio::try_join!(
        Tenant::start_all(world, MACHINES, EngineKind::Docker),
        Coordinator::start(world, CONFIGURATION, &env),
    )?;
    for tenant in &tenants {
        let id = run_by_hand(tenant, &v1.reference()).await?;
        let engine = tenant.docker_host();
        say::detail(&format!(
            "{}  {engine}  container {}",
            tenant.name(),
            short(&id)
        ));
    }
    let listeners = coordinator.listeners();
    say::detail(&format!(
        "coordinator: agents {}, operators {}, HTTP {}",
        listeners.agents, listeners.operators, listeners.http
    ));
    Ok((tenants, coordinator))
}

async fn enrol(
    registry: Registry,
    coordinator: Coordinator,
    tenants: Vec<Tenant>,
) -> anyhow::Result<Scene> {
    say::step(3, "Four agents enrol, each with a one-time token");
    say::command("pinion token create --kind enrollment --name t1");
    say::command("pinion-agent enroll --token … --state-dir … --allow REGISTRY/molecule-ai/");
    let cli = Cli::admin(&coordinator)?;
    let mut machines = Vec::new();
    for tenant in tenants {
        let token = cli.enrolment_token(tenant.name(), &[])?;
        let agent = Agent::start(&tenant, &token, &setup(&registry.host())).await?;
        machines.push(Machine { agent, tenant });
    }
    let scene = Scene {
        cli,
        coordinator,
        machines,
        registry,
    };
    scene.all_online().await?;
    scene.run(&["agent", "list"])?;
    Ok(scene)
}

impl Scene {
    async fn good_release(&self, world: &World) -> anyhow::Result<()> {
        say::step(
            4,
            "v2 is pushed; the pipeline promotes its digest with its own curl call",
        );
        let (v2, rollout) = self.release(world, &App::new("v2"))?;
        say::step(5, "It goes to 1 machine, then 50 %, then all");
        let code = self.watch(&rollout)?;
        ensure!(
            code == Some(COMPLETED),
            "the rollout of v2 ended with {code:?}"
        );
        say::step(6, "What the engines themselves say (docker inspect)");
        for machine in &self.machines {
            let container = machine.runs(&v2.digest, SOON).await?;
            let answer = machine.tenant.http_get(PORT)?;
            ensure!(answer == "v2", "{} answers {answer}", machine.tenant.name());
            say_container(machine, &container, &answer);
        }
        Ok(())
    }

    async fn bad_release(&self, world: &World) -> anyhow::Result<Bad> {
        let before = self.containers().await?;
        say::step(7, "v3 crashes. It is pushed and promoted all the same");
        let (v3, rollout) = self.release(world, &App::new("v3").that(Behaviour::Crash))?;
        let code = self.watch(&rollout)?;
        ensure!(
            code == Some(HALTED),
            "the rollout of v3 ended with {code:?}, not halted"
        );
        say::step(
            8,
            "It stopped itself in the first stage; the engines say so",
        );
        let reached = self.reached(&rollout)?;
        for (machine, before) in self.machines.iter().zip(&before) {
            self.untouched(machine, before, &v3).await?;
            let name = machine.tenant.name();
            let fate = if name == reached {
                "rolled back to v2"
            } else {
                "never touched"
            };
            say::detail(&format!(
                "{name}  container {}  v2  {fate}",
                short(&before.id)
            ));
        }
        Ok(Bad {
            pushed: v3,
            rollout,
            reached,
        })
    }

    /// Each machine that does not run v3 has one reason; what it is, is compared too.
    fn why(&self, bad: &Bad) -> anyhow::Result<()> {
        say::step(
            9,
            "Why does a machine not run v3? Each has one reason, since when, and what would end it",
        );
        let mut names = self.machines.iter().map(|machine| machine.tenant.name());
        let other = names.rfind(|name| *name != bad.reached);
        let other = other.context("there are four machines")?;
        for (machine, reason) in [(bad.reached.as_str(), "failed"), (other, "quarantined")] {
            let explain = ["rollout", "explain", &bad.rollout, "--agent", machine];
            self.run(&explain)?;
            let answer = self.cli.json(&explain)?;
            let told = &answer["agents"][0]["reason"];
            ensure!(told == reason, "{machine} is {told}, not {reason}");
        }
        Ok(())
    }

    /// A quarantined image goes nowhere, whoever asks; and nothing has moved after that.
    async fn never_again(&self, bad: &Bad) -> anyhow::Result<()> {
        say::step(
            10,
            "v3 is quarantined: it goes to no machine any more, whoever asks for it",
        );
        let before = self.containers().await?;
        let Pushed {
            digest, source_sha, ..
        } = &bad.pushed;
        let list = ["quarantine", "list"];
        self.run(&list)?;
        let listed = &self.cli.json(&list)?["quarantined"][0];
        ensure!(
            listed["digest"] == digest.as_str(),
            "v3 is not listed: {listed:#}"
        );
        for again in [
            &["pin", "promote", WORKLOAD, digest, "--sha", source_sha][..],
            &["rollout", "start", WORKLOAD, "--reason", "once more"],
            &["rollout", "resume", &bad.rollout, "--reason", "once more"],
        ] {
            let code = self.run(again)?;
            ensure!(code == Some(REFUSED), "it was not refused: {code:?}");
        }
        for (machine, before) in self.machines.iter().zip(&before) {
            self.untouched(machine, before, &bad.pushed).await?;
        }
        say::detail("All four machines still run v2, in the containers that they had.");
        Ok(())
    }

    /// Runs the operator's command before everybody's eyes.
    fn run(&self, args: &[&str]) -> anyhow::Result<Option<i32>> {
        let words = args.iter().map(|word| match word.contains(' ') {
            true => format!("'{word}'"),
            false => (*word).to_owned(),
        });
        say::command(&format!("pinion {}", words.collect::<Vec<_>>().join(" ")));
        say::show(&mut self.cli.command(args))
    }

    fn release(&self, world: &World, app: &App) -> anyhow::Result<(Pushed, String)> {
        let pushed = self.registry.push(world, REPOSITORY, app)?;
        say::command(&format!(
            "curl -fSs -X POST {} -H \"Authorization: Bearer $CP_ADMIN_API_TOKEN\" \\",
            self.coordinator.url("/cp/admin/runtime-image/promote")
        ));
        say::detail(&format!(
            "    -d '{{\"template_name\":\"{WORKLOAD}\",\"image_digest\":\"{}\",\"git_sha\":\"{}\"}}'",
            pushed.digest, pushed.source_sha
        ));
        let answer = self
            .coordinator
            .promote(WORKLOAD, &pushed.digest, &pushed.source_sha)?;
        say::detail(&answer.to_string());
        let rollout = answer["rollout"]
            .as_str()
            .context("promoting started a rollout")?;
        Ok((pushed, rollout.to_owned()))
    }

    fn watch(&self, rollout: &str) -> anyhow::Result<Option<i32>> {
        self.run(&["rollout", "watch", rollout, "--until-settled"])
    }

    /// The one machine that v3 got to, by the rollout's own account.
    fn reached(&self, rollout: &str) -> anyhow::Result<String> {
        let shown = self.cli.rollout(rollout)?;
        ensure!(
            shown["phase"] == "ROLLOUT_PHASE_HALTED",
            "it is {}",
            shown["phase"]
        );
        let reached: Vec<_> = members(&shown)
            .filter(|member| member["phase"] == "AGENT_PHASE_ROLLED_BACK")
            .collect();
        match reached.as_slice() {
            [one] => Ok(one["agent"].as_str().unwrap_or_default().to_owned()),
            _ => bail!("not one machine was rolled back: {shown:#}"),
        }
    }

    /// The container from before is there, healthy and alone; on the machine that v3 reached too,
    /// because taking back means that the old one runs again.
    async fn untouched(
        &self,
        machine: &Machine,
        before: &Container,
        v3: &Pushed,
    ) -> anyhow::Result<()> {
        eventually("the container from before runs, alone", SOON, async || {
            let now = machine.container().await?;
            ensure!(
                now.id == before.id && now.running,
                "{} {}",
                now.id,
                now.running
            );
            ensure!(
                now.health == "healthy" && !now.has(&v3.digest),
                "{}",
                now.health
            );
            let all = machine.tenant.engine().containers().await?;
            ensure!(all.len() == 1, "{:?}", fleet::names(&all));
            Ok(())
        })
        .await
        .with_context(|| format!("on {}", machine.tenant.name()))
    }

    async fn containers(&self) -> anyhow::Result<Vec<Container>> {
        futures_util::future::try_join_all(self.machines.iter().map(Machine::container)).await
    }

    async fn all_online(&self) -> anyhow::Result<()> {
        for machine in &self.machines {
            eventually("the agent is online", SOON, async || {
                let agent = self.cli.agent(machine.tenant.name())?;
                ensure!(
                    agent["presence"] == "PRESENCE_ONLINE",
                    "{}",
                    agent["presence"]
                );
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// What a person needs to go on by hand.
    pub(crate) fn say_how_to_reach(&self) {
        let pki = self.coordinator.pki("");
        say::line("\nKEEP=1: everything stays up. To reach it:");
        say::line(&format!(
            "   export PINION_ENDPOINT=https://{} PINION_CA={pki}ca.pem \\",
            self.coordinator.listeners().operators,
            pki = pki.display()
        ));
        say::line(&format!(
            "     PINION_CERT={pki}operators/admin.pem PINION_KEY={pki}operators/admin.key",
            pki = pki.display()
        ));
        say::line("   target/debug/pinion agent list");
        say::line(&format!("   curl {}", self.coordinator.url("/metrics")));
        for machine in &self.machines {
            say::line(&format!(
                "   docker -H {} inspect {CONTAINER}",
                machine.tenant.docker_host()
            ));
        }
        say::line("   logs: coordinator.log, agent.log and dockerd.log beside these sockets");
        say::line("To take it down: make demo-down");
    }
}

fn say_container(machine: &Machine, container: &Container, answer: &str) {
    let digest = container.digests.first().map_or("", String::as_str);
    say::detail(&format!(
        "{}  container {}  {}  {digest}  answers {answer}",
        machine.tenant.name(),
        short(&container.id),
        container.health
    ));
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
