//! Metric gate: what a real Prometheus says opens the next stage, or stops the rollout.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use harness::command::run_command;
use harness::prometheus::{Exporter, Prometheus};
use harness::wait::throughout;
use harness::{App, Fleet, FleetSpec, World, eventually, scenario};
use serde_json::Value;

use crate::support::{SOON, configuration, containers, ensure_untouched};

/// Which share of the requests were errors, of late.
const QUERY: &str =
    r#"sum(rate(app_requests_total{code=~"5.."}[5s])) / sum(rate(app_requests_total[5s]))"#;

struct Site {
    fleet: Fleet,
    app: Exporter,
    prometheus: Prometheus,
}

impl Site {
    /// Two machines, a stage each; `checks` in between, in which `{query}`
    /// asks the Prometheus for the share of errors.
    async fn start(world: &World, on_failure: &str, checks: &str) -> anyhow::Result<Self> {
        let app = Exporter::start(world).await?;
        let prometheus = Prometheus::start(world, &app).await?;
        let query = format!("url = \"{}\", query = '{QUERY}'", prometheus.url());
        let checks = checks.replace("{query}", &query);
        let stages = format!("[ {{ count = 1, checks = [ {checks} ] }}, {{ rest = true }} ]");
        let on_failure = format!("\"{on_failure}\"");
        let spec = FleetSpec {
            configuration: configuration(&[("stage", &stages), ("on_failure", &on_failure)]),
            ..FleetSpec::of(2)
        };
        let fleet = Fleet::start(world, &spec).await?;
        Ok(Self {
            fleet,
            app,
            prometheus,
        })
    }

    /// Waits until the first stage is held by its checks alone, and they have
    /// said so of themselves.
    async fn gate_says(&self, rollout: &str, words: &str) -> anyhow::Result<()> {
        let what = format!("the rollout waits at the gate: {words}");
        eventually(&what, SOON, async || {
            let now = self.fleet.cli.rollout(rollout)?;
            let waits = now["stages"][0]["waiting_for"].to_string();
            ensure!(
                waits.contains("checks of stage 1") && waits.contains(words),
                "{now:#}"
            );
            Ok(())
        })
        .await
    }

    /// The machine that the first stage has changed, and the one that waits.
    fn order(&self, rollout: &str) -> anyhow::Result<(usize, usize)> {
        let now = self.fleet.cli.rollout(rollout)?;
        let first = now["stages"][0]["members"][0]["agent"].as_str();
        let first = first.context("the first stage has a machine")?;
        let mut machines = self.fleet.machines.iter();
        let place = machines.position(|machine| machine.tenant.name() == first);
        let place = place.context("it is one of ours")?;
        Ok((place, 1 - place))
    }
}

fn check<'a>(rollout: &'a Value, name: &str) -> anyhow::Result<&'a Value> {
    let checks = rollout["stages"][0]["checks"].as_array();
    let mut checks = checks.into_iter().flatten();
    let found = checks.find(|check| check["name"] == name);
    found.with_context(|| format!("check {name} is in {rollout:#}"))
}

#[test]
fn the_next_stage_waits_for_a_good_metric_and_a_dry_run_holds_nothing() {
    scenario(async |world| {
        let checks = r#"
            { name = "errors", interval = "1s", samples = 3, timeout = "5m", prometheus = { {query}, success = "< 0.01", failure = ">= 0.1" } },
            { name = "none", interval = "1s", timeout = "5m", dry_run = true, prometheus = { {query}, success = "> 0.9" } }"#
            .replace('\n', " ");
        let site = Site::start(world, "halt", &checks).await?;
        let before = containers(&site.fleet).await?;
        let (v2, rollout) = site.fleet.release(world, &App::new("v2"))?;
        site.gate_says(&rollout, "no series has a value").await?;
        let (first, waiting) = site.order(&rollout)?;
        site.fleet.machines[first].runs(&v2.digest, SOON).await?;

        // Neither good nor bad: it goes on waiting.
        site.app.fails(0.05);
        site.gate_says(&rollout, "is neither < 0.01 nor >= 0.1")
            .await?;
        let what = "the second machine waits at the gate";
        throughout(what, Duration::from_secs(2), async || {
            let now = site.fleet.machines[waiting].container().await?;
            ensure_untouched(&before[waiting], &now)
        })
        .await?;

        site.app.fails(0.0);
        let done = site
            .fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        site.fleet.machines[waiting].runs(&v2.digest, SOON).await?;
        let errors = check(&done, "errors")?;
        ensure!(errors["verdict"] == "CHECK_VERDICT_PASSED", "{errors:#}");
        ensure!(errors["successes"] == 3, "{errors:#}");
        let dry = check(&done, "none")?;
        ensure!(dry["verdict"] == "CHECK_VERDICT_FAILED", "{dry:#}");
        let note = done["stages"][0]["note"].to_string();
        ensure!(note.contains("dry run of check none: failed"), "{note}");
        let shown = run_command(&mut site.fleet.cli.command(&["rollout", "show", &rollout]))?;
        ensure!(shown.contains("check errors of stage 1: passed"), "{shown}");
        Ok(())
    });
}

#[test]
fn a_bad_metric_halts_the_rollout_and_a_good_one_lets_it_be_resumed() {
    scenario(async |world| {
        let checks = r#"{ name = "errors", interval = "1s", samples = 2, failure_limit = 1, timeout = "5m", prometheus = { {query}, success = "< 0.01" } }"#;
        let site = Site::start(world, "halt", checks).await?;
        site.app.fails(0.5);
        let before = containers(&site.fleet).await?;
        let (v2, rollout) = site.fleet.release(world, &App::new("v2"))?;
        let halted = site
            .fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        let reason = halted["reason"].to_string();
        ensure!(
            reason.contains("check errors failed") && reason.contains("0.5 is not < 0.01"),
            "{reason}"
        );
        let (first, waiting) = site.order(&rollout)?;
        let now = site.fleet.machines[waiting].container().await?;
        ensure_untouched(&before[waiting], &now)?;
        let kept = site.fleet.machines[first].container().await?;
        ensure!(kept.runs(&v2.digest), "a halt takes nothing back");

        // Known: the same value, were it still there, would be a new failure.
        site.app.fails(0.0);
        eventually("the rate is good again", SOON, async || {
            let answer = site.prometheus.ask(QUERY)?;
            let value = answer["data"]["result"][0]["value"][1].as_str();
            ensure!(value == Some("0"), "{answer}");
            Ok(())
        })
        .await?;
        let resume = ["rollout", "resume", &rollout, "--reason", "mended"];
        site.fleet.cli.json(&resume)?;
        site.fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_COMPLETED", SOON)
            .await?;
        site.fleet.machines[waiting].runs(&v2.digest, SOON).await?;
        Ok(())
    });
}

#[test]
fn when_prometheus_is_gone_the_rollout_halts_and_takes_nothing_back() {
    scenario(async |world| {
        let checks = r#"{ name = "errors", interval = "1s", samples = 3, timeout = "4s", prometheus = { {query}, success = "< 0.01" } }"#;
        let mut site = Site::start(world, "rollback", checks).await?;
        site.app.fails(0.0);
        site.prometheus.kill()?;
        let before = containers(&site.fleet).await?;
        let (v2, rollout) = site.fleet.release(world, &App::new("v2"))?;
        let halted = site
            .fleet
            .rollout_is(&rollout, "ROLLOUT_PHASE_HALTED", SOON)
            .await?;
        let reason = halted["reason"].to_string();
        ensure!(
            reason.contains("check errors is inconclusive") && reason.contains("refused"),
            "{reason}"
        );
        let errors = check(&halted, "errors")?;
        ensure!(
            errors["verdict"] == "CHECK_VERDICT_INCONCLUSIVE",
            "{errors:#}"
        );
        let (first, waiting) = site.order(&rollout)?;
        let kept = site.fleet.machines[first].container().await?;
        ensure!(kept.runs(&v2.digest), "nobody knows that it is bad");
        let now = site.fleet.machines[waiting].container().await?;
        ensure_untouched(&before[waiting], &now)
    });
}
