//! What may stand on a machine, and what the next image may do.

use std::time::Duration;

use pinion_model::AgentPhase;

use super::super::rig::{Rig, image};
use crate::driver::fake::Behaviour;

const SECOND: Duration = Duration::from_secs(1);

/// An update from image 1 to image 2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) containers: &'static [Stands],
    pub(super) next: Behaviour,
    /// What image 1 does when it is started again.
    pub(super) again: Behaviour,
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

const fn scene(
    name: &'static str,
    containers: &'static [Stands],
    next: Behaviour,
    end: AgentPhase,
) -> Scene {
    Scene {
        name,
        containers,
        next,
        again: Behaviour::Healthy(SECOND),
        end,
    }
}

use AgentPhase::{Refused, RollbackFailed, RolledBack, Settled, Staged};
use Behaviour::{CannotBeCreated, DoesNotStart, Exits, Healthy, NeverHealthy, Runs, Sickens};

const WEB: &[Stands] = &[runs("web", "always")];
const TWO: &[Stands] = &[runs("web", "always"), runs("web-2", "unless-stopped")];

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
    scene("sickens within the soak", WEB, Sickens(Duration::from_secs(15)), RolledBack),
    scene("cannot be created", WEB, CannotBeCreated, Refused),
    scene("two containers", TWO, Healthy(SECOND), Settled),
    scene("two containers, a bad image", TWO, Sickens(SECOND), RolledBack),
    scene("a stopped one beside a running one", &[runs("web", "always"), stopped("web-2", "always")], Runs, Settled),
    scene("a stopped one beside a running one, a bad image", &[stopped("web", "unless-stopped"), runs("web-2", "always")], Exits(SECOND), RolledBack),
    scene("a stopped one", &[stopped("web", "no")], Runs, Staged),
    scene("no container", &[], Runs, Staged),
    scene("the old one does not start again", WEB, NeverHealthy, RollbackFailed).again(DoesNotStart),
    scene("the old one sickens when it is back", WEB, DoesNotStart, RollbackFailed).again(Sickens(SECOND)),
];

impl Scene {
    const fn again(self, again: Behaviour) -> Self {
        Self { again, ..self }
    }

    /// Where every second death is played as well: each kind of way once.
    pub(super) fn is_played_in_pairs(&self) -> bool {
        let always = ["a good image", "is never healthy"];
        let long = std::env::var_os("PINION_MODEL_PAIRS").is_some();
        long || always.contains(&self.name)
    }

    pub(super) fn rig(&self) -> Rig {
        let rig = Rig::new();
        let mut machine = rig.engine.machine();
        machine.load(&image(1), Behaviour::Healthy(SECOND));
        machine.publish(&image(2), Ok(self.next));
        for stands in self.containers {
            machine.seed(stands.name, &image(1), stands.policy, stands.runs);
        }
        if self.end == RollbackFailed {
            machine.may_be_down();
        }
        drop(machine);
        rig
    }
}
