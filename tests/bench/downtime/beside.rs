//! Start-first: the next one runs beside the old one until it is healthy, as Swarm does it too.
//!
//! Two containers cannot have one port of their machine, so these are reached by name over a network, and are
//! asked by a client in a container there: never alone on their bridge. The image drains for half a second.

use anyhow::{Context as _, ensure};

use super::peer::IGNORED;
use super::{Bench, MARGIN, swarm};
use crate::by_hand::docker;
use crate::{DEADLINE, table};

const NETWORK: &str = "bench-beside";
const OVERLAY: &str = "bench-overlay";
const SERVICE: &str = "swarm-app";
const DRAIN: &str = "APP_DRAIN_MS=500";

/// What the client of one series saw, summed up.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    updates: u64,
    asked: u64,
    failed: u64,
    elsewhere: u64,
    longest_gap: u64,
}

pub(crate) async fn measure(bench: &Bench<'_>, rounds: usize) -> anyhow::Result<()> {
    begin(bench)?;
    let (mut pinion, mut swarm) = (Seen::default(), Seen::default());
    for round in 1..=rounds {
        let next = bench.image(round);
        let client = client(bench, NETWORK, "app")?;
        bench.promote(next).await?;
        pinion.add(&client, bench, &next.version).await?;
        let client = self::client(bench, OVERLAY, SERVICE)?;
        swarm::update(bench, SERVICE, &next.reference()).await?;
        swarm.add(&client, bench, &next.version).await?;
    }
    let rows = [
        pinion.row("Pinion, start-first"),
        swarm.row("Swarm, start-first (dnsrr)"),
    ];
    let head = [
        "updated by",
        "n",
        "questions",
        "failed",
        "first address did not answer, the other did",
        "longest gap between answers",
    ];
    table::print(
        "Beside start-first, asked by name from a neighbour",
        head,
        &rows,
    );
    Ok(())
}

fn begin(bench: &Bench<'_>) -> anyhow::Result<()> {
    let image = bench.image(0).reference();
    docker(bench.machine, &["network", "create", NETWORK])?;
    let run = [
        "run",
        "--detach",
        "--name",
        "app",
        "--network",
        NETWORK,
        "--restart",
        "always",
        "--env",
        DRAIN,
        "--label",
        "pinion.order=start-first",
        &image,
    ];
    docker(bench.machine, &run)?;
    let create = [
        "network",
        "create",
        "--driver",
        "overlay",
        "--attachable",
        OVERLAY,
    ];
    docker(bench.machine, &create)?;
    let own = [
        "--network",
        OVERLAY,
        "--endpoint-mode",
        "dnsrr",
        "--env",
        DRAIN,
        "--update-order",
        "start-first",
    ];
    swarm::create(bench, SERVICE, &own, &image)
}

/// Starts a client that asks `name` every 2 ms; returns its container.
fn client(bench: &Bench<'_>, network: &str, name: &str) -> anyhow::Result<String> {
    let image = bench.image(0).reference();
    let args = [
        "run",
        "--detach",
        "--network",
        network,
        "--label",
        IGNORED,
        "--no-healthcheck",
        &image,
        "/app",
        "probe",
        name,
        "8080",
    ];
    let client = docker(bench.machine, &args)?;
    // The first update may begin when it was answered.
    let client = client.trim().to_owned();
    let begun = std::time::Instant::now();
    loop {
        let said = logs(bench, &client)?;
        if said.contains("version ") {
            break;
        }
        ensure!(
            begun.elapsed() < DEADLINE,
            "nobody answers as {name}: {said}"
        );
        std::thread::sleep(MARGIN / 10);
    }
    Ok(client)
}

fn logs(bench: &Bench<'_>, client: &str) -> anyhow::Result<String> {
    docker(bench.machine, &["logs", client])
}

impl Seen {
    /// Ends the client and adds what it saw, once the new version has answered it.
    async fn add(&mut self, client: &str, bench: &Bench<'_>, version: &str) -> anyhow::Result<()> {
        let begun = std::time::Instant::now();
        while !logs(bench, client)?.contains(&format!("version {version}")) {
            ensure!(begun.elapsed() < DEADLINE, "{version} does not answer");
            tokio::time::sleep(MARGIN / 10).await;
        }
        tokio::time::sleep(MARGIN).await;
        docker(bench.machine, &["stop", client])?;
        let said = logs(bench, client)?;
        docker(bench.machine, &["rm", client])?;
        let last = said.lines().last().context("it says what it saw")?;
        let figure = |key: &str| -> anyhow::Result<u64> {
            let mut words = last.split_whitespace().filter_map(|w| w.split_once('='));
            let found = words.find(|(name, _)| *name == key);
            let (_, figure) = found.with_context(|| format!("{key} in {last:?}"))?;
            Ok(figure.parse()?)
        };
        self.updates += 1;
        self.asked += figure("asked")?;
        self.failed += figure("failed")?;
        self.elsewhere += figure("elsewhere")?;
        self.longest_gap = self.longest_gap.max(figure("gap_ms")?);
        let is_told = |line: &&str| line.starts_with("question ");
        for line in said.lines().filter(is_told) {
            eprintln!("{version}: {line}");
        }
        Ok(())
    }

    fn row(&self, title: &str) -> [String; 6] {
        [
            title.to_owned(),
            self.updates.to_string(),
            self.asked.to_string(),
            self.failed.to_string(),
            self.elsewhere.to_string(),
            format!("{} ms", self.longest_gap),
        ]
    }
}
