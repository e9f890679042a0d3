use std::collections::BTreeSet;
use std::sync::Arc;

use pinion_model::{Digest, Image, Labels};

use super::{Agent, Member, Placement, World};
use crate::{Assignment, Run, Timing};

/// What a world that was read back has of each text, once. What is read comes
/// with a copy at every place; while a world lives, [`crate::apply`] keeps once
/// what a machine says again, but not what two machines have alike, such as
/// labels and the names of containers.
#[derive(Default)]
struct Known {
    digests: BTreeSet<Digest>,
    texts: BTreeSet<Arc<str>>,
    images: BTreeSet<Arc<[Image]>>,
    timings: BTreeSet<Arc<Timing>>,
    labels: BTreeSet<Arc<Labels>>,
}

impl World {
    /// Keeps once what stands at many places.
    pub(super) fn share(&mut self) {
        let mut known = Known::default();
        self.agents.for_each_mut(|_, agent| known.agent(agent));
        self.rollouts.for_each_mut(|_, rollout| {
            known.run(&mut rollout.run);
            once(&mut known.texts, &mut rollout.local_tag);
            for stage in &mut rollout.stages {
                once(&mut known.timings, &mut stage.timing);
            }
            rollout
                .members
                .for_each_mut(|_, member| known.member(member));
        });
    }
}

impl Known {
    fn agent(&mut self, agent: &mut Agent) {
        once(&mut self.labels, &mut agent.labels);
        once(&mut self.texts, &mut agent.versions.agent);
        once(&mut self.texts, &mut agent.versions.engine);
        let share = |_: &_, placement: &mut Placement| self.placement(placement);
        agent.placements.for_each_mut(share);
    }

    fn placement(&mut self, placement: &mut Placement) {
        let digests = [
            &mut placement.asked,
            &mut placement.running,
            &mut placement.proven,
        ];
        self.digests(digests);
        once(&mut self.texts, &mut placement.waiting_for);
        let ahead = placement.ahead.as_deref_mut();
        let ahead = ahead.map(|ahead| &mut ahead.assignment);
        let assignments = placement.assignment.iter_mut().chain(ahead);
        assignments.for_each(|assignment| self.assignment(assignment));
        for container in Arc::make_mut(&mut placement.containers) {
            once(&mut self.texts, &mut container.name);
            self.digests([&mut container.digest]);
        }
    }

    fn assignment(&mut self, assignment: &mut Assignment) {
        let runs = [&mut assignment.run, &mut assignment.prefetch];
        let runs = runs.into_iter().flatten();
        runs.for_each(|run| self.run(run));
        once(&mut self.timings, &mut assignment.timing);
        once(&mut self.texts, &mut assignment.local_tag);
    }

    fn run(&mut self, run: &mut Run) {
        once(&mut self.digests, &mut run.digest);
        once(&mut self.images, &mut run.images);
    }

    fn member(&mut self, member: &mut Member) {
        let digests = [
            &mut member.baseline,
            &mut member.proven,
            &mut member.running,
        ];
        self.digests(digests);
        once(&mut self.texts, &mut member.waiting_for);
    }

    fn digests<const N: usize>(&mut self, digests: [&mut Option<Digest>; N]) {
        let digests = digests.into_iter().flatten();
        digests.for_each(|digest| once(&mut self.digests, digest));
    }
}

/// Puts the one that is known in its place, or makes it known.
fn once<T: Ord + Clone>(known: &mut BTreeSet<T>, said: &mut T) {
    if let Some(known) = known.get(said) {
        *said = known.clone();
    } else {
        known.insert(said.clone());
    }
}
