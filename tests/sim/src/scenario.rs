//! What a run is about: workloads with their builds, a fleet, and how long things go wrong.

use std::time::Duration;

use pinion_model::{
    Digest, FailureKind, Image, ImageRef, Labels, Repository, Timestamp, WorkloadName,
};
use pinion_workload::CatalogEntry;
use pinion_workload::in_use::Lease;

use crate::random::{Random, mix};

/// When every run begins.
pub(crate) const BEGIN: Timestamp = Timestamp(1_000_000_000_000);
/// Builds of a workload that may be promoted, beside the one that machines begin with.
const BUILDS: usize = 7;
/// For so many milliseconds a machine is locked.
const LOCKED_FOR: u64 = 300_000;
/// Failure domains of the fleet.
pub(crate) const REGIONS: [&str; 3] = ["ap", "eu", "us"];

#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// In the order of their names.
    pub(crate) lines: Vec<Line>,
    /// Machines that are there from the beginning; the others join late.
    pub(crate) first: usize,
    /// Nothing breaks any more from then on.
    pub(crate) calm_at: Timestamp,
    /// Between two faults, on average.
    pub(crate) fault_every: Duration,
    /// Between two acts of operators, on average.
    pub(crate) act_every: Duration,
    /// Of a thousand messages, so many are lost with their connection.
    pub(crate) lost: u64,
    /// So many come late.
    pub(crate) delayed: u64,
    /// So many come twice.
    pub(crate) duplicated: u64,
    /// Whether somebody approves and resumes after the faults have stopped.
    pub(crate) is_cared_for: bool,
    /// Changes after which the store cuts its log.
    pub(crate) cut_after: u64,
}

/// A workload.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: WorkloadName,
    pub(crate) images: Vec<Image>,
    pub(crate) entry: CatalogEntry,
    /// The first is what machines run at the beginning; it is never promoted.
    pub(crate) builds: Vec<Build>,
}

#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) digest: Digest,
    pub(crate) image: ImageRef,
    /// The engine's id of it: another digest.
    pub(crate) id: String,
    /// What is wrong with it.
    defect: Option<Behaviour>,
    /// Of a thousand machines, so many see that.
    share: u64,
    /// So many cannot get it from the registry.
    missing: u64,
    /// The registry does not know them; else it does not know the build.
    is_denied: bool,
    /// So many do not allow it by their own policy.
    refused: u64,
}

/// What a container does that runs a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Runs, and has no health check.
    Runs,
    /// Its health check passes after a while.
    Healthy(Duration),
    /// Its health check never decides.
    NeverHealthy,
    /// Its health check passes after a second, and fails after a while.
    Sickens(Duration),
    /// Exits after a while.
    Exits(Duration),
    /// The engine cannot start it.
    DoesNotStart,
    /// Its health check never decides, and what ran in its place before does
    /// not start again: it has changed what both keep.
    Spoils,
    /// The engine refuses to create it.
    CannotBeCreated,
}

impl Scenario {
    pub(crate) fn new(seed: u64, agents: usize, random: &mut Random) -> Self {
        let lines = random.between(1, 3);
        let rough = *random.pick(&[0, 1, 1, 1, 3]);
        let hurried = random.chance(300);
        let minutes = random.between(10, if agents < 100 { 90 } else { 40 });
        let per_machine = Duration::from_secs(random.between(1200, 7200));
        let fault_every = per_machine / u32::try_from(agents.max(1)).unwrap_or(u32::MAX);
        Self {
            seed,
            lines: (1..=lines).map(|n| Line::new(n, random)).collect(),
            first: agents - agents / 20,
            calm_at: BEGIN + Duration::from_secs(60 * minutes),
            fault_every: fault_every.clamp(Duration::from_secs(1), Duration::from_secs(300)),
            act_every: random.seconds(
                if hurried { 30 } else { 60 },
                if hurried { 120 } else { 400 },
            ),
            lost: rough * 2,
            delayed: rough * 10,
            duplicated: rough * 10,
            is_cared_for: random.chance(600),
            cut_after: *random.pick(&[500, 50_000, 50_000, 50_000]),
        }
    }

    /// The build of a digest, whichever the workload.
    pub(crate) fn build(&self, digest: &Digest) -> Option<&Build> {
        let mut builds = self.lines.iter().flat_map(|line| &line.builds);
        builds.find(|build| build.digest == *digest)
    }

    /// What a build does on a machine; the same each time.
    pub(crate) fn behaviour(&self, build: &Build, machine: usize) -> Behaviour {
        let draw = mix([self.seed, build.number(), machine as u64]);
        match build.defect {
            Some(defect) if draw % 1000 < build.share => defect,
            _ if (draw >> 20).is_multiple_of(4) => Behaviour::Runs,
            _ => Behaviour::Healthy(Duration::from_millis(500 + (draw >> 30) % 4000)),
        }
    }

    /// Why the registry does not give a build to a machine; none: it does.
    pub(crate) fn denial(&self, build: &Build, machine: usize) -> Option<FailureKind> {
        let draw = mix([self.seed.rotate_left(32), build.number(), machine as u64]);
        let kind = match build.is_denied {
            true => FailureKind::Credentials,
            false => FailureKind::NotFound,
        };
        (draw % 1000 < build.missing).then_some(kind)
    }

    /// Whether a machine's own policy allows a build.
    pub(crate) fn allows(&self, digest: &Digest, machine: usize) -> bool {
        self.build(digest).is_none_or(|build| {
            let draw = mix([self.seed.rotate_left(16), build.number(), machine as u64]);
            draw % 1000 >= build.refused
        })
    }

    /// The lock of a machine, if somebody holds one: for five minutes now and
    /// then, until nothing breaks any more.
    pub(crate) fn lease(&self, machine: usize, now: Timestamp) -> Option<Lease> {
        let span = now.0 / LOCKED_FOR;
        let draw = mix([self.seed.rotate_left(48), span, machine as u64]);
        let is_held = now < self.calm_at && draw.is_multiple_of(16);
        is_held.then(|| Lease {
            workload: None,
            owner: "somebody".to_owned(),
            reason: "works there".to_owned(),
            expires_at: Some(Timestamp((span + 1) * LOCKED_FOR)),
        })
    }

    pub(crate) fn labels(machine: usize) -> Labels {
        let region = REGIONS[machine % REGIONS.len()].to_owned();
        let rack = rack(machine);
        Labels::from([("region".to_owned(), region), ("rack".to_owned(), rack)])
    }
}

impl Line {
    fn new(number: u64, random: &mut Random) -> Self {
        let name: WorkloadName = format!("app{number}").parse().expect("a workload's name");
        let repository: Repository = format!("ghcr.io/acme/{name}")
            .parse()
            .expect("a repository");
        let build = |n: usize, random: &mut Random| {
            let digest = digest(number, n as u64);
            let (defect, share) = match n {
                0 => (None, 0),
                _ => defect(random),
            };
            Build {
                image: ImageRef {
                    repository: repository.clone(),
                    digest: digest.clone(),
                },
                id: image_id(&digest),
                digest,
                defect,
                share,
                missing: now_and_then(n, random),
                is_denied: random.chance(500),
                refused: now_and_then(n, random),
            }
        };
        Self {
            builds: (0..=BUILDS).map(|n| build(n, random)).collect(),
            images: vec![Image {
                registry: "ghcr".parse().expect("a registry's name"),
                repository: repository.clone(),
            }],
            entry: CatalogEntry {
                repositories: vec![repository],
                local_tag: "current".to_owned(),
            },
            name,
        }
    }
}

impl Build {
    /// Names it among all.
    fn number(&self) -> u64 {
        u64::from_str_radix(self.digest.short(), 16).unwrap_or(0)
    }
}

/// Where a machine stands, beside another one.
pub(crate) fn rack(machine: usize) -> String {
    format!("r{}", machine / 2)
}

/// Of a thousand machines so many; mostly none, and never with the first build.
fn now_and_then(build: usize, random: &mut Random) -> u64 {
    match build > 0 && random.chance(100) {
        true => random.between(1, 300),
        false => 0,
    }
}

fn digest(line: u64, build: u64) -> Digest {
    format!("sha256:{line:06x}{build:06x}{:052x}", 1)
        .parse()
        .expect("a digest")
}

fn image_id(digest: &Digest) -> String {
    let hex: String = digest.as_str()[7..].chars().rev().collect();
    format!("sha256:{hex}")
}

fn defect(random: &mut Random) -> (Option<Behaviour>, u64) {
    if random.chance(450) {
        return (None, 0);
    }
    if random.chance(30) {
        return (Some(Behaviour::Spoils), *random.pick(&[10, 50]));
    }
    let defect = match random.below(7) {
        0 => Behaviour::NeverHealthy,
        1 => Behaviour::Sickens(random.seconds(3, 20)),
        2 => Behaviour::Sickens(random.seconds(20, 600)),
        3 => Behaviour::Exits(random.seconds(1, 10)),
        4 => Behaviour::Exits(random.seconds(10, 300)),
        5 => Behaviour::DoesNotStart,
        _ => Behaviour::CannotBeCreated,
    };
    (Some(defect), *random.pick(&[10, 50, 300, 1000]))
}
