use pinion_model::Digest;

use crate::{ObservedContainer, Placement, Report, Workload};

/// What is known of a placement already. What an agent says again and again is
/// kept once: every report comes with texts of its own.
pub(super) struct Known<'a> {
    pub(super) placement: &'a Placement,
    /// None while it was never pinned.
    pub(super) workload: Option<&'a Workload>,
}

impl Known<'_> {
    /// The same report, in texts that are known where there are such.
    pub(super) fn report(&self, said: &Report) -> Report {
        let known = &self.placement.waiting_for;
        Report {
            waiting_for: if *known == said.waiting_for {
                known.clone()
            } else {
                said.waiting_for.clone()
            },
            containers: self.containers(&said.containers),
            running: said.running.as_ref().map(|said| self.digest(said)),
            ..said.clone()
        }
    }

    /// The same containers, in texts that are known where there are such.
    pub(super) fn containers(&self, said: &[ObservedContainer]) -> Vec<ObservedContainer> {
        said.iter().map(|said| self.container(said)).collect()
    }

    fn container(&self, said: &ObservedContainer) -> ObservedContainer {
        let known = &self.placement.containers;
        let name = known.iter().map(|known| &known.name);
        let id = known.iter().map(|known| &known.id);
        ObservedContainer {
            name: same(name, &said.name),
            id: same(id, &said.id),
            digest: said.digest.as_ref().map(|said| self.digest(said)),
            ..*said
        }
    }

    fn digest(&self, said: &Digest) -> Digest {
        let placement = self.placement;
        let here = [&placement.asked, &placement.proven, &placement.running];
        let seen = placement.containers.iter().map(|known| &known.digest);
        let pins = self.workload.iter().flat_map(|workload| &workload.pins);
        let pinned = pins.rev().map(|pin| &pin.digest);
        let known = here.into_iter().chain(seen).flatten().chain(pinned);
        same(known, said)
    }
}

/// The one that is known, if it is among these.
fn same<'a, T: PartialEq + Clone + 'a>(mut known: impl Iterator<Item = &'a T>, said: &T) -> T {
    known.find(|known| *known == said).unwrap_or(said).clone()
}
