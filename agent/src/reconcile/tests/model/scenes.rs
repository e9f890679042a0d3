//! What may stand on a machine, and what the next image may do.

use std::collections::BTreeSet;
use std::time::Duration;

use pinion_model::{AgentPhase, Digest, ImageRef};

use super::super::rig::{Rig, SECOND, image, image_in};
use crate::driver::fake::{Behaviour, Machine, Need};

/// An update from image 1 to image 2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) containers: &'static [Stands],
    /// What does not work without "web".
    pub(super) dependants: &'static [Depends],
    /// What is on all of the workload's.
    pub(super) labels: &'static [(&'static str, &'static str)],
    pub(super) next: Behaviour,
    /// What image 1 does when it is started again.
    pub(super) again: Behaviour,
    /// For how long a lock is held, from its beginning.
    pub(super) lock: Duration,
    /// How it ends without a fault.
    pub(super) end: AgentPhase,
}

/// A container of image 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stands {
    pub(super) name: &'static str,
    pub(super) policy: &'static str,
    pub(super) runs: bool,
}

/// One that runs beside "web" and needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depends {
    pub(super) name: &'static str,
    by: By,
    /// Of another image than the workload's.
    pub(super) own_image: bool,
}

/// What it has of "web".
#[derive(Debug, Clone, Copy)]
enum By {
    Network,
    Volumes,
    Link,
}

const fn runs(name: &'static str, policy: &'static str) -> Stands {
    Stands {
        name,
        policy,
        runs: true,
    }
}

const fn stopped(name: &'static str, policy: &'static str) -> Stands {
    Stands {
        name,
        policy,
        runs: false,
    }
}

const fn depends(name: &'static str, by: By, own_image: bool) -> Depends {
    Depends {
        name,
        by,
        own_image,
    }
}

const fn scene(
    name: &'static str,
    containers: &'static [Stands],
    next: Behaviour,
    end: AgentPhase,
) -> Scene {
    Scene {
        name,
        containers,
        dependants: &[],
        labels: &[],
        next,
        again: Behaviour::Healthy(SECOND),
        lock: Duration::ZERO,
        end,
    }
}

use AgentPhase::{Refused, RollbackFailed, RolledBack, Settled, Staged};
use Behaviour::{
    CannotBeCreated, DoesNotStart, Exits, FallsSilent, Healthy, Mute, NeverHealthy, Runs, Serves,
    Sickens,
};

/// Of all dependants, and of the one that they depend on.
pub(super) const POLICY: &str = "always";
const WEB: &[Stands] = &[runs("web", POLICY)];
const TWO: &[Stands] = &[runs("web", POLICY), runs("web-2", "unless-stopped")];
const GROUP: &[Depends] = &[
    depends("a-proxy", By::Network, true),
    depends("backup", By::Volumes, true),
    depends("tail", By::Link, true),
];
const OWN_GROUP: &[Depends] = &[
    depends("a-side", By::Network, false),
    depends("web-link", By::Link, false),
];
const COMPOSE: (&str, &str) = ("com.docker.compose.project", "shop");
const PROBE: (&str, &str) = ("pinion.probe", "http:8080/healthz");
const START_FIRST: (&str, &str) = (pinion_workload::ORDER_LABEL, pinion_workload::START_FIRST);

/// A lock that ends before a deferral's time is up, and one that does not.
pub(super) const SHORT: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(1200);

/// Some seconds into the soak, when an old one of Compose's is gone.
const LATE: Duration = Duration::from_secs(15);

/// All of them. A new one is a line.
#[rustfmt::skip]
pub(super) const SCENES: &[Scene] = &[
    scene("a good image", WEB, Healthy(SECOND), Settled),
    scene("without a health check", &[runs("web", "unless-stopped")], Runs, Settled),
    scene("on-failure", &[runs("web", "on-failure")], Runs, Settled),
    scene("without a policy", &[runs("web", "no")], Runs, Settled),
    scene("exits, without a policy", &[runs("web", "no")], Exits(SECOND), RolledBack),
    scene("exits, on-failure", &[runs("web", "on-failure")], Exits(SECOND), RolledBack),
    scene("crash-loops", WEB, Exits(SECOND), RolledBack),
    scene("is never healthy", WEB, NeverHealthy, RolledBack),
    scene("does not start", WEB, DoesNotStart, RolledBack),
    scene("sickens within the soak", WEB, Sickens(LATE), RolledBack),
    scene("cannot be created", WEB, CannotBeCreated, Refused),
    scene("two containers", TWO, Healthy(SECOND), Settled),
    scene("two containers, a bad image", TWO, Sickens(SECOND), RolledBack),
    scene("a stopped one beside a running one", &[runs("web", POLICY), stopped("web-2", POLICY)], Runs, Settled),
    scene("a stopped one beside a running one, a bad image", &[stopped("web", "unless-stopped"), runs("web-2", POLICY)], Exits(SECOND), RolledBack),
    scene("a stopped one", &[stopped("web", "no")], Runs, Staged),
    scene("no container", &[], Runs, Staged),
    scene("the old one does not start again", WEB, NeverHealthy, RollbackFailed).again(DoesNotStart),
    scene("the old one sickens when it is back", WEB, DoesNotStart, RollbackFailed).again(Sickens(SECOND)),
    scene("a group", WEB, Healthy(SECOND), Settled).with(GROUP),
    scene("a group beside another container", &[runs("a-web", "unless-stopped"), runs("web", POLICY)], Runs, Settled).with(GROUP),
    scene("a group whose image exits", WEB, Exits(SECOND), RolledBack).with(GROUP),
    scene("a group whose image does not start", WEB, DoesNotStart, RolledBack).with(GROUP),
    scene("a group whose image sickens within the soak", WEB, Sickens(LATE), RolledBack).with(GROUP),
    scene("a group of one workload", WEB, Healthy(SECOND), Settled).with(OWN_GROUP),
    scene("one of Compose", WEB, Healthy(SECOND), Settled).labelled(&[COMPOSE]),
    scene("one of Compose that sickens within the soak", WEB, Sickens(LATE), RolledBack).labelled(&[COMPOSE]),
    scene("two of Compose that crash within the soak", TWO, Exits(Duration::from_secs(18)), RolledBack).labelled(&[COMPOSE]),
    scene("one whose probe passes after a while", WEB, Serves(Duration::from_secs(3)), Settled).labelled(&[PROBE]),
    scene("one that is healthy, and whose probe fails", WEB, Mute, RolledBack).labelled(&[PROBE]),
    scene("one of Compose whose probe fails within the soak", WEB, FallsSilent(LATE), RolledBack).labelled(&[COMPOSE, PROBE]),
    scene("start-first", WEB, Healthy(SECOND), Settled).labelled(&[START_FIRST]),
    scene("start-first, without a health check or a policy", &[runs("web", "no")], Runs, Settled).labelled(&[START_FIRST]),
    scene("start-first, two and one that is stopped", &[runs("web", "unless-stopped"), runs("web-2", "unless-stopped"), stopped("web-3", "unless-stopped")], Runs, Settled).labelled(&[START_FIRST]),
    scene("start-first, crash-loops", WEB, Exits(SECOND), RolledBack).labelled(&[START_FIRST]),
    scene("start-first, two, never healthy", TWO, NeverHealthy, RolledBack).labelled(&[START_FIRST]),
    scene("start-first, does not start", WEB, DoesNotStart, RolledBack).labelled(&[START_FIRST]),
    scene("start-first, cannot be created", WEB, CannotBeCreated, Refused).labelled(&[START_FIRST]),
    scene("start-first, sickens within the soak", WEB, Sickens(LATE), RolledBack).labelled(&[START_FIRST]),
    scene("start-first, crashes within the soak", &[runs("web", "unless-stopped")], Exits(LATE), RolledBack).labelled(&[START_FIRST]),
    scene("start-first, its probe passes after a while", WEB, Serves(Duration::from_secs(3)), Settled).labelled(&[START_FIRST, PROBE]),
    scene("start-first, healthy, and its probe fails", WEB, Mute, RolledBack).labelled(&[START_FIRST, PROBE]),
    scene("a lock that ends", WEB, Healthy(SECOND), Settled).locked(SHORT),
    scene("a lock that ends, a bad image", WEB, Exits(SECOND), RolledBack).locked(SHORT),
    scene("a lock that does not end", WEB, Healthy(SECOND), Refused).locked(LONG),
    scene("a group whose lock ends", WEB, Healthy(SECOND), Settled).with(GROUP).locked(SHORT),
    scene("start-first, a lock that ends", WEB, Healthy(SECOND), Settled).labelled(&[START_FIRST]).locked(SHORT),
    scene("start-first, a lock that does not end", WEB, Healthy(SECOND), Refused).labelled(&[START_FIRST]).locked(LONG),
    scene("start-first, of Compose", WEB, Healthy(SECOND), Settled).labelled(&[START_FIRST, COMPOSE]),
    scene("start-first, of Compose, sickens within the soak", WEB, Sickens(LATE), RolledBack).labelled(&[START_FIRST, COMPOSE]),
];

/// As in `make torture`.
pub(super) fn is_long() -> bool {
    std::env::var("PINION_TORTURE").is_ok_and(|form| form == "long")
}

fn sidecar() -> ImageRef {
    image_in("ghcr.io/acme/sidecar", 9)
}

impl Depends {
    /// What it runs when the workload runs `digest`.
    pub(super) fn runs(&self, digest: &Digest) -> Digest {
        match self.own_image {
            true => sidecar().digest,
            false => digest.clone(),
        }
    }

    fn seed(&self, machine: &mut Machine) {
        let image = match self.own_image {
            true => sidecar(),
            false => image(1),
        };
        machine.seed(self.name, &image, POLICY, true);
        let on = machine.id_of("web").expect("it is there");
        let need = match self.by {
            By::Network => Need::Network(on.0),
            By::Volumes => Need::Volumes(on.0),
            By::Link => Need::Link(on),
        };
        machine.need(self.name, need);
    }
}

impl Scene {
    const fn again(self, again: Behaviour) -> Self {
        Self { again, ..self }
    }

    const fn with(self, dependants: &'static [Depends]) -> Self {
        Self { dependants, ..self }
    }

    const fn labelled(self, labels: &'static [(&'static str, &'static str)]) -> Self {
        Self { labels, ..self }
    }

    const fn locked(self, lock: Duration) -> Self {
        Self { lock, ..self }
    }

    /// Containers that an update may make anew.
    pub(super) fn size(&self) -> usize {
        self.containers.len() + self.dependants.len()
    }

    /// What is mounted in the container with that name, of its own.
    pub(super) fn volumes(&self, name: &str) -> BTreeSet<String> {
        let shares = |d: &Depends| d.name == name && matches!(d.by, By::Volumes);
        match self.dependants.iter().any(shares) {
            true => BTreeSet::new(),
            false => BTreeSet::from([format!("data-of-{name}")]),
        }
    }

    /// An old one of Compose's is not kept beside the new one.
    pub(super) fn is_of_compose(&self) -> bool {
        self.labels.contains(&COMPOSE)
    }

    /// Where every second death is played as well: each kind of way once.
    pub(super) fn is_played_in_pairs(&self) -> bool {
        let always = ["a good image", "is never healthy"];
        is_long() || always.contains(&self.name)
    }

    pub(super) fn rig(&self) -> Rig {
        let rig = Rig::new();
        let mut machine = rig.engine.machine();
        machine.load(&image(1), Behaviour::Healthy(SECOND));
        machine.load(&sidecar(), Behaviour::Runs);
        machine.publish(&image(2), Ok(self.next));
        for stands in self.containers {
            machine.seed(stands.name, &image(1), stands.policy, stands.runs);
            for (key, value) in self.labels {
                machine.label(stands.name, key, value);
            }
        }
        for dependant in self.dependants {
            dependant.seed(&mut machine);
        }
        if self.end == RollbackFailed {
            machine.may_be_down();
        }
        drop(machine);
        rig
    }
}
