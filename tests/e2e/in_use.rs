//! In use means not now: locks, hooks and probes hold a cut-over on a real
//! machine, and everybody can see who, why and until when.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::command::{command, run_command};
use harness::engine::Container;
use harness::fleet::{Machine, PORT, WORKLOAD};
use harness::wait::throughout;
use harness::{App, Fleet, FleetSpec, World, eventually, scenario};
use serde_json::Value;

use crate::support::{SOON, configuration, ensure_untouched, failure};

/// The policy of a registry's host and what follows.
fn agent_config(more: &str) -> Option<String> {
    Some(format!(
        "[policy]\nallow = [\"{{host}}/molecule-ai/\"]\n{more}"
    ))
}

/// The answer of `curl` at the machine's own door.
fn curl(machine: &Machine, path: &str, more: &[&str]) -> anyhow::Result<Value> {
    let mut curl = command("curl");
    curl.args(["-fsS", "--max-time", "10", "--unix-socket"])
        .arg(machine.agent.state().join("agent.sock"))
        .arg(format!("http://agent{path}"))
        .args(more);
    Ok(serde_json::from_str(&run_command(&mut curl)?)?)
}

fn lock(machine: &Machine, what: &Value) -> anyhow::Result<String> {
    let taken = curl(machine, "/v1/locks", &["-d", &what.to_string()])?;
    let id = taken["id"].as_str().context("a lock has an id")?;
    Ok(id.to_owned())
}

fn explained(fleet: &Fleet, rollout: &str, agent: &str) -> anyhow::Result<(String, String)> {
    let answer = fleet
        .cli
        .json(&["rollout", "explain", rollout, "--agent", agent])?;
    let why = &answer["agents"][0];
    let text = |key: &str| why[key].as_str().unwrap_or_default().to_owned();
    Ok((text("reason"), text("detail")))
}

/// Waits until `explain` says that the machine is in use, in these words.
async fn in_use(fleet: &Fleet, rollout: &str, agent: &str, words: &[&str]) -> anyhow::Result<()> {
    let what = format!("explain says that {agent} is in use: {words:?}");
    eventually(&what, SOON, async || {
        let (reason, detail) = explained(fleet, rollout, agent)?;
        let said = words.iter().all(|word| detail.contains(word));
        ensure!(reason == "in_use" && said, "{reason}: {detail}");
        Ok(())
    })
    .await
}

/// The image is on the machine, and its container is the very same as before.
async fn waits_with_the_image(
    machine: &Machine,
    before: &Container,
    image: &str,
) -> anyhow::Result<()> {
    machine
        .tenant
        .engine()
        .docker()
        .inspect_image(image)
        .await?;
    throughout(
        "the container is not touched",
        Duration::from_secs(3),
        async || ensure_untouched(before, &machine.container().await?),
    )
    .await
}

#[test]
fn a_lock_holds_the_cut_over_and_not_the_pull_and_everybody_sees_who_why_and_until_when() {
    scenario(async |world| {
        let mut fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let before = fleet.machines[0].container().await?;
        let wanted = serde_json::json!({
            "owner": "build-7", "reason": "a build runs", "workload": WORKLOAD, "ttl": "1h"
        });
        let id = lock(&fleet.machines[0], &wanted)?;
        let held = curl(&fleet.machines[0], "/v1/locks", &[])?;
        let until = held["locks"][0]["expires_at"]
            .as_str()
            .context("an end")?
            .to_owned();
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        in_use(&fleet, &rollout, "t1", &["build-7", "a build runs", &until]).await?;
        waits_with_the_image(&fleet.machines[0], &before, &v2.reference()).await?;

        let shown = run_command(&mut fleet.cli.command(&["agent", "show", "t1"]))?;
        for word in ["waiting", "build-7", "a build runs", until.as_str()] {
            ensure!(shown.contains(word), "{word} in {shown}");
        }
        let json = fleet.cli.agent("t1")?;
        let workloads = json["workloads"].as_array().into_iter().flatten();
        let deferral = workloads.map(|w| &w["deferral"]).find(|d| !d.is_null());
        let holder = &deferral.context("it is typed")?["holders"][0];
        ensure!(
            holder["kind"] == "HOLDER_KIND_LOCK" && holder["owner"] == "build-7",
            "{holder}"
        );

        // It outlives the agent, and so does the deferral.
        let machine = &mut fleet.machines[0];
        machine.agent.kill()?;
        machine.agent.start_again(&machine.tenant).await?;
        let machine = &fleet.machines[0];
        let again = curl(machine, "/v1/locks", &[])?;
        ensure!(again["locks"][0]["id"] == id.as_str(), "{again}");
        waits_with_the_image(machine, &before, &v2.reference()).await?;

        // Its heartbeat and its end, as the README has them, and the agent's own command.
        let run = |args: &[&str]| -> anyhow::Result<String> {
            let mut command = machine.agent.command(&machine.tenant)?;
            command.arg("lock").args(args);
            run_command(command.arg("--state-dir").arg(machine.agent.state()))
        };
        ensure!(run(&["list"])?.contains("build-7"));
        run(&["renew", &id])?;
        let path = format!("/v1/locks/{id}");
        let renewed = curl(machine, &format!("{path}/renew"), &["-X", "POST"])?;
        ensure!(renewed["owner"] == "build-7", "{renewed}");
        curl(machine, &path, &["-X", "DELETE"])?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        machine.runs(&v2.digest, SOON).await?;
        Ok(())
    });
}

/// Two machines in one stage, one of them locked for good, with a policy.
async fn at_the_deadline(world: &World, policy: &str) -> anyhow::Result<(Fleet, Container)> {
    let policy = format!("\"1s\"\nin_use = \"{policy}\"\ndefer_within = \"3s\"");
    let spec = FleetSpec {
        configuration: configuration(&[("soak", &policy), ("stage", "[ { rest = true } ]")]),
        ..FleetSpec::of(2)
    };
    let fleet = Fleet::start(world, &spec).await?;
    let before = fleet.machines[0].container().await?;
    let wanted = serde_json::json!({"owner": "backup", "reason": "nightly dump", "ttl": "1h"});
    lock(&fleet.machines[0], &wanted)?;
    Ok((fleet, before))
}

#[test]
fn at_the_deadline_the_policy_fail_leaves_the_machine_and_counts_it() {
    scenario(async |world| {
        let (fleet, before) = at_the_deadline(world, "fail").await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        let member = fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_REFUSED", SOON)
            .await?;
        let (kind, message) = failure(&member);
        ensure!(kind == "FAILURE_KIND_IN_USE", "{member:#}");
        ensure!(
            message.contains("backup") && message.contains("nightly dump"),
            "{message}"
        );
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        waits_with_the_image(&fleet.machines[0], &before, &v2.reference()).await
    });
}

#[test]
fn at_the_deadline_the_policy_skip_leaves_the_machine_and_the_rollout_goes_on_without_it() {
    scenario(async |world| {
        let (fleet, before) = at_the_deadline(world, "skip").await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        let (_, detail) = explained(&fleet, &rollout, "t1")?;
        ensure!(
            detail.contains("backup") && detail.contains("no failure budget"),
            "{detail}"
        );
        fleet.machines[1].runs(&v2.digest, SOON).await?;
        waits_with_the_image(&fleet.machines[0], &before, &v2.reference()).await
    });
}

#[test]
fn at_the_deadline_the_policy_force_cuts_over_and_says_so() {
    scenario(async |world| {
        let (fleet, before) = at_the_deadline(world, "force").await?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        let now = fleet.machines[0].runs(&v2.digest, SOON).await?;
        ensure!(now.id != before.id, "it was not replaced");
        let shown = run_command(&mut fleet.cli.command(&["agent", "show", "t1"]))?;
        ensure!(
            shown.contains("replaced although in use") && shown.contains("backup"),
            "{shown}"
        );
        Ok(())
    });
}

#[test]
fn an_operator_can_force_a_machine_that_waits() {
    scenario(async |world| {
        let fleet = Fleet::start(world, &FleetSpec::of(1)).await?;
        let wanted = serde_json::json!({"owner": "backup", "reason": "nightly dump", "ttl": "1h"});
        lock(&fleet.machines[0], &wanted)?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        in_use(&fleet, &rollout, "t1", &["backup"]).await?;
        fleet.cli.json(&["rollout", "abort", &rollout])?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_ABORTED", SOON)
            .await?;
        let force = [
            "rollout",
            "start",
            WORKLOAD,
            "--in-use",
            "force",
            "--defer-within",
            "0",
            "--reason",
            "a leak",
            "--yes",
        ];
        run_command(&mut fleet.cli.command(&force))?;
        fleet.machines[0].runs(&v2.digest, SOON).await?;
        let audit = fleet.cli.json(&["audit", "list"])?.to_string();
        ensure!(audit.contains("a leak"), "{audit}");
        Ok(())
    });
}

/// What the machine's idle probe is answered, until it is told otherwise.
fn idle_server(world: &World) -> anyhow::Result<(String, Arc<AtomicU16>)> {
    let listener = TcpListener::bind((world.address(), 0))?;
    let url = format!("http://{}/idle", listener.local_addr()?);
    let status = Arc::new(AtomicU16::new(503));
    let answers = Arc::clone(&status);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request);
            let status = answers.load(Ordering::SeqCst);
            let _ = write!(stream, "HTTP/1.1 {status} It\r\ncontent-length: 0\r\n\r\n");
        }
    });
    Ok((url, status))
}

/// A hook that keeps what it was told, and ends as a file says.
fn hook(directory: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = directory.join(name);
    let (code, told) = (
        directory.join(format!("{name}.code")),
        directory.join(format!("{name}.told")),
    );
    let text = format!(
        "#!/bin/sh\nenv > {}\necho two builds run\nexit $(cat {})\n",
        told.display(),
        code.display()
    );
    fs::write(&path, text)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
    fs::write(code, "0")?;
    Ok(path)
}

#[test]
fn a_machine_is_asked_by_probe_and_hook_before_and_by_hook_after() {
    scenario(async |world| {
        let (url, idle) = idle_server(world)?;
        let dir = world.subdirectory("hooks")?;
        let (before_cut, after_start) = (hook(&dir, "pre")?, hook(&dir, "post")?);
        let settings = format!(
            "[workload.{WORKLOAD}]\nidle = \"{url}\"\npre_cut = [\"{}\"]\npost_start = [\"{}\"]\ndrain = \"1s\"\n",
            before_cut.display(),
            after_start.display()
        );
        let spec = FleetSpec {
            agent_config: agent_config(&settings),
            ..FleetSpec::of(1)
        };
        let fleet = Fleet::start(world, &spec).await?;
        let machine = &fleet.machines[0];
        let before = machine.container().await?;
        fs::write(dir.join("pre.code"), "75")?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        in_use(&fleet, &rollout, "t1", &["idle probe", "busy (503)"]).await?;
        waits_with_the_image(machine, &before, &v2.reference()).await?;
        ensure!(!dir.join("pre.told").exists(), "no hook while it is busy");

        idle.store(500, Ordering::SeqCst);
        in_use(&fleet, &rollout, "t1", &["not known", "500"]).await?;
        idle.store(200, Ordering::SeqCst);
        in_use(&fleet, &rollout, "t1", &["hook", "two builds run"]).await?;
        ensure_untouched(&before, &machine.container().await?)?;

        fs::write(dir.join("pre.code"), "0")?;
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        let now = machine.runs(&v2.digest, SOON).await?;
        let told = |name: &str| fs::read_to_string(dir.join(format!("{name}.told")));
        let (pre, post) = (told("pre")?, told("post")?);
        ensure!(
            pre.contains(&format!("PINION_CONTAINER_ID={}", before.id)),
            "{pre}"
        );
        ensure!(
            post.contains(&format!("PINION_CONTAINER_ID={}", now.id)),
            "{post}"
        );
        ensure!(
            post.contains(&format!("PINION_NEW_DIGEST={}", v2.digest)),
            "{post}"
        );
        ensure!(
            post.contains(&format!("PINION_OLD_DIGEST={}", fleet.v1.digest)),
            "{post}"
        );

        // One that is not content afterwards takes it back.
        fs::write(dir.join("post.code"), "1")?;
        let (_, rollout) = fleet.release(world, &App::new("v3"))?;
        let member = fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_ROLLED_BACK", SOON)
            .await?;
        let (_, message) = failure(&member);
        ensure!(message.contains("post-start hook"), "{message}");
        machine.runs(&v2.digest, SOON).await?;

        // One that forbids leaves all as it is.
        fs::write(dir.join("pre.code"), "1")?;
        let before = machine.container().await?;
        let (_, rollout) = fleet.release(world, &App::new("v4"))?;
        let member = fleet
            .member_is(&rollout, "t1", "AGENT_PHASE_REFUSED", SOON)
            .await?;
        let (kind, message) = failure(&member);
        ensure!(kind == "FAILURE_KIND_POLICY", "{member:#}");
        ensure!(message.contains("two builds run"), "{message}");
        ensure_untouched(&before, &machine.container().await?)
    });
}

#[test]
fn open_connections_to_published_ports_hold_the_cut_over_and_so_do_lock_files() {
    scenario(async |world| {
        let locks = world.subdirectory("locks")?;
        let settings = format!(
            "[locks]\ndir = \"{}\"\n[workload.{WORKLOAD}]\nmax_connections = 0\n",
            locks.display()
        );
        let spec = FleetSpec {
            agent_config: agent_config(&settings),
            ..FleetSpec::of(1)
        };
        let fleet = Fleet::start(world, &spec).await?;
        let machine = &fleet.machines[0];
        let before = machine.container().await?;
        let file = locks.join("backup");
        fs::write(
            &file,
            r#"{"owner": "backup", "reason": "nightly dump", "ttl": "1h"}"#,
        )?;
        let client = TcpStream::connect((machine.tenant.address(), PORT))?;
        let (v2, rollout) = fleet.release(world, &App::new("v2"))?;
        in_use(&fleet, &rollout, "t1", &["lock of backup", "nightly dump"]).await?;
        fs::remove_file(&file)?;
        in_use(
            &fleet,
            &rollout,
            "t1",
            &["connections", "more than 0 open connection"],
        )
        .await?;
        waits_with_the_image(machine, &before, &v2.reference()).await?;
        drop(client);
        fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        machine.runs(&v2.digest, SOON).await.map(drop)
    });
}
