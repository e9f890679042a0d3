//! What it costs to ask Pinion instead of typing it on the machine: until the new container's first good answer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use harness::fleet::{Fleet, Machine, PORT, REPOSITORY, WORKLOAD};
use harness::registry::Pushed;
use harness::{App, World};

use crate::prober::Prober;
use crate::sample::Sample;
use crate::{DEADLINE, by_hand, table};

const HAND_PORT: u16 = 9080;
const NAME: &str = "by-hand";
const LAYER: usize = 100 * 1000 * 1000;
/// With a layer there are a third of the rounds: each pulls 300 MB.
const SHARE_OF_LAYER: usize = 3;

/// How an update is asked for.
#[derive(Debug, Clone, Copy)]
enum By {
    Promotion,
    Command,
    Hand,
}

const ALL: [(By, &str); 3] = [
    (By::Promotion, "Pinion, from the pipeline's promotion"),
    (By::Command, "Pinion, from `pinion pin promote`"),
    (
        By::Hand,
        "`docker pull; docker stop; docker rm; docker run`",
    ),
];

struct Bench<'a> {
    world: &'a World,
    fleet: &'a Fleet,
    machine: &'a Machine,
    pushed: usize,
}

pub(crate) async fn measure(world: &World, fleet: &Fleet, rounds: usize) -> anyhow::Result<()> {
    let machine = fleet.machines.first().context("a fleet has machines")?;
    by_hand::run(machine, NAME, &fleet.v1.reference(), HAND_PORT)?;
    let mut bench = Bench {
        world,
        fleet,
        machine,
        pushed: 0,
    };
    bench
        .series("image on the machine already", 0, rounds)
        .await?;
    let rounds = rounds.div_ceil(SHARE_OF_LAYER);
    bench.series("with a layer of 100 MB", LAYER, rounds).await
}

impl Bench<'_> {
    async fn series(&mut self, title: &str, layer: usize, rounds: usize) -> anyhow::Result<()> {
        let mut samples = [(); 3].map(|()| Sample::default());
        for _ in 0..rounds {
            for ((by, _), sample) in ALL.iter().zip(&mut samples) {
                let image = self.push(layer)?;
                if layer == 0 {
                    by_hand::docker(self.machine, &["pull", "--quiet", &image.reference()])?;
                }
                sample.add(self.update(*by, &image).await?);
            }
        }
        let hand = &samples[2];
        let row = |((_, title), sample): (&(By, &str), &Sample)| {
            [
                (*title).to_owned(),
                sample.len().to_string(),
                sample.to_string(),
                sample.ratio_to(hand),
                sample.difference_to(hand),
            ]
        };
        let rows: Vec<_> = ALL.iter().zip(&samples).map(row).collect();
        let head = [
            "asked for by",
            "n",
            "to the first good answer",
            "against by hand",
            "difference",
        ];
        table::print(&format!("Overhead, {title}"), head, &rows);
        Ok(())
    }

    /// A fresh image, so that nothing but its base is there.
    fn push(&mut self, layer: usize) -> anyhow::Result<Pushed> {
        self.pushed += 1;
        let app = App::new(&format!("overhead-{}", self.pushed)).with_ballast(layer);
        self.fleet.registry.push(self.world, REPOSITORY, &app)
    }

    async fn update(&self, by: By, image: &Pushed) -> anyhow::Result<Duration> {
        let port = match by {
            By::Hand => HAND_PORT,
            By::Promotion | By::Command => PORT,
        };
        let prober = Prober::start(SocketAddr::from((self.machine.tenant.address(), port)));
        let begun = Instant::now();
        let rollout = match by {
            By::Promotion => Some(self.fleet.promote(image)?),
            By::Command => Some(self.command(image)?),
            By::Hand => {
                by_hand::replace(self.machine, NAME, &image.reference(), port)?;
                None
            }
        };
        let answered = prober.sees(&image.version, DEADLINE)?;
        prober.end()?;
        if let Some(rollout) = rollout {
            let phase = "ROLLOUT_PHASE_COMPLETED";
            self.fleet.rollout_is(&rollout, phase, DEADLINE).await?;
        }
        Ok(answered - begun)
    }

    /// Types the operator's command, and returns the rollout that it started.
    fn command(&self, image: &Pushed) -> anyhow::Result<String> {
        let digest = &image.digest;
        let args = [
            "pin",
            "promote",
            WORKLOAD,
            digest,
            "--sha",
            &image.source_sha,
        ];
        let answer = self.fleet.cli.json(&args)?;
        let rollout = answer["rollout"].as_str().map(str::to_owned);
        rollout.with_context(|| format!("no rollout was started: {answer}"))
    }
}
