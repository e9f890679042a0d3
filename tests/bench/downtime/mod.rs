//! How long a published port does not answer through one update, by whoever does it.
//!
//! Every peer has a container of its own, from the same image, on a bridge and a port of its own, on one
//! engine; what is updated is always the other of two images that are both on the machine. Each series runs
//! once with the container alone on its bridge and once with a neighbour there: a bridge whose last
//! container goes loses its carrier, and the kernel takes most of a second to believe in the next one.

mod beside;
mod peer;
mod swarm;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use harness::fleet::{Fleet, Machine, REPOSITORY, WORKLOAD};
use harness::registry::Pushed;
use harness::{App, World};

use crate::by_hand::docker;
use crate::prober::Prober;
use crate::sample::Sample;
use crate::{DEADLINE, table};
use peer::Peer;

/// Both ends of a gap must be seen.
const MARGIN: Duration = Duration::from_millis(300);

/// One machine, and the two images between which everything is updated.
pub(crate) struct Bench<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) machine: &'a Machine,
    pub(crate) images: [Pushed; 2],
    pub(crate) workload: &'static str,
}

impl<'a> Bench<'a> {
    /// Builds, pushes and pulls the two images of a workload.
    fn prepare(
        world: &World,
        fleet: &'a Fleet,
        workload: &'static str,
        repository: &str,
    ) -> anyhow::Result<Self> {
        let machine = fleet.machines.first().context("a fleet has machines")?;
        let push = |version: &str| -> anyhow::Result<Pushed> {
            let app = App::new(&format!("{workload}-{version}"));
            let pushed = fleet.registry.push(world, repository, &app)?;
            docker(machine, &["pull", "--quiet", &pushed.reference()])?;
            Ok(pushed)
        };
        let images = [push("a")?, push("b")?];
        Ok(Self {
            fleet,
            machine,
            images,
            workload,
        })
    }

    pub(crate) fn image(&self, round: usize) -> &Pushed {
        &self.images[round % 2]
    }

    /// Promotes, and waits until the rollout is over.
    pub(crate) async fn promote(&self, image: &Pushed) -> anyhow::Result<()> {
        let rollout = self.begin_promotion(image)?;
        self.is_completed(&rollout).await
    }

    pub(crate) fn begin_promotion(&self, image: &Pushed) -> anyhow::Result<String> {
        let coordinator = &self.fleet.coordinator;
        let answer = coordinator.promote(self.workload, &image.digest, &image.source_sha)?;
        let rollout = answer["rollout"].as_str().filter(|id| !id.is_empty());
        let rollout = rollout.with_context(|| format!("no rollout was started: {answer}"))?;
        Ok(rollout.to_owned())
    }

    pub(crate) async fn is_completed(&self, rollout: &str) -> anyhow::Result<()> {
        let phase = "ROLLOUT_PHASE_COMPLETED";
        self.fleet
            .rollout_is(rollout, phase, DEADLINE)
            .await
            .map(drop)
    }

    fn address(&self, port: u16) -> SocketAddr {
        SocketAddr::from((self.machine.tenant.address(), port))
    }
}

pub(crate) async fn measure(
    world: &World,
    fleet: &Fleet,
    rounds: usize,
    pairs: usize,
) -> anyhow::Result<()> {
    let bench = Bench::prepare(world, fleet, WORKLOAD, REPOSITORY)?;
    swarm::begin(&bench)?;
    let mut peers = peer::all();
    for peer in &mut peers {
        peer.begin(&bench).await?;
    }
    for (title, neighbour) in [
        ("alone on its bridge", false),
        ("with a neighbour on the bridge", true),
    ] {
        if neighbour {
            peers
                .iter()
                .try_for_each(|peer| peer.add_neighbour(&bench))?;
        }
        let samples = series(&bench, &mut peers, rounds, pairs).await?;
        print(title, &peers, &samples);
    }
    let beside = Bench::prepare(world, fleet, "beside", "molecule-ai/beside")?;
    beside::measure(&beside, rounds).await
}

/// One update of each peer a round; beyond the rounds, of the floor and Pinion alone.
async fn series(
    bench: &Bench<'_>,
    peers: &mut [Peer],
    rounds: usize,
    pairs: usize,
) -> anyhow::Result<Vec<Sample>> {
    let mut samples = vec![Sample::default(); peers.len()];
    for round in 0..rounds.max(pairs) {
        for (peer, sample) in peers.iter_mut().zip(&mut samples) {
            if round < rounds || peer.is_of_the_pairs() {
                sample.add(update(bench, peer).await?);
            }
        }
    }
    Ok(samples)
}

async fn update(bench: &Bench<'_>, peer: &mut Peer) -> anyhow::Result<Duration> {
    let prober = Prober::start(bench.address(peer.port));
    prober.sees(&bench.image(peer.updates).version, DEADLINE)?;
    let version = bench.image(peer.updates + 1).version.clone();
    peer.update(bench)
        .await
        .with_context(|| format!("update number {} of {}", peer.updates, peer.title))?;
    prober.sees(&version, DEADLINE)?;
    tokio::time::sleep(MARGIN).await;
    prober.end()
}

fn print(title: &str, peers: &[Peer], samples: &[Sample]) {
    let Some(floor) = samples.first() else { return };
    let row = |(peer, sample): (&Peer, &Sample)| {
        [
            peer.title.to_owned(),
            sample.len().to_string(),
            sample.to_string(),
            sample.ratio_to(floor),
            sample.difference_to(floor),
        ]
    };
    let rows: Vec<_> = peers.iter().zip(samples).map(row).collect();
    let head = [
        "updated by",
        "n",
        "downtime",
        "against the floor",
        "difference",
    ];
    table::print(&format!("Downtime, {title}"), head, &rows);
}
