//! What was proven, where, and what was there before it. A rollout speaks for
//! the machines that it was for, and for no others.

use pinion_model::{AgentId, Digest, LabelSelector, WorkloadName};

use super::{Agent, Pin, Rollout, Workload, World};

impl World {
    /// The digest that a machine runs while no rollout reaches it: that of the
    /// last completed rollout that was for it.
    #[must_use]
    pub fn stable_for(&self, workload: &WorkloadName, agent: &AgentId) -> Option<&Pin> {
        self.proven_for(workload, agent).map(|(pin, _)| pin)
    }

    pub(crate) fn proven_for(
        &self,
        workload: &WorkloadName,
        id: &AgentId,
    ) -> Option<(&Pin, &Rollout)> {
        self.proven_of(workload, id, self.agents.get(id)?)
    }

    /// The same for one whose facts are at hand.
    pub(crate) fn proven_of(
        &self,
        workload: &WorkloadName,
        id: &AgentId,
        agent: &Agent,
    ) -> Option<(&Pin, &Rollout)> {
        self.newest(workload, |_, rollout| rollout.is_for(id, agent))
    }

    /// The rollout that proved a digest last to a machine, if any did and was
    /// not taken back; to any machine, where none is named.
    pub(crate) fn proved(
        &self,
        workload: &WorkloadName,
        digest: &Digest,
        machine: Option<&AgentId>,
    ) -> Option<&Rollout> {
        let machine = machine.and_then(|id| Some((id, self.agents.get(id)?)));
        let fits = |rollout: &Rollout| machine.is_none_or(|(id, agent)| rollout.is_for(id, agent));
        let newest = self.newest(workload, |pin, rollout| {
            pin.digest == *digest && fits(rollout)
        });
        newest.map(|(_, rollout)| rollout)
    }

    /// The last pin whose rollout was for the whole fleet, completed and was
    /// not taken back; where none ever was for the whole fleet, the last one
    /// at all. One of a quarantined digest is passed over. What a single
    /// machine runs is [`World::stable_for`].
    #[must_use]
    pub fn stable(&self, workload: &WorkloadName) -> Option<&Pin> {
        let everybody = LabelSelector::default();
        let whole = |rollout: &Rollout| self.is_for_all(rollout, &everybody, |_, _| true);
        let whole = self.newest(workload, |_, rollout| whole(rollout));
        let newest = whole.or_else(|| self.newest(workload, |_, _| true));
        newest.map(|(pin, _)| pin)
    }

    /// The newest pin that was proven by a rollout and is not quarantined.
    fn newest(
        &self,
        workload: &WorkloadName,
        fits: impl Fn(&Pin, &Rollout) -> bool,
    ) -> Option<(&Pin, &Rollout)> {
        let workload = self.workloads.get(workload)?;
        workload.proven.iter().rev().find_map(|stable| {
            let rollout = self.rollouts.get(&stable.rollout)?;
            let pin = workload.pin(stable.pin)?;
            let may = fits(pin, rollout) && !self.is_quarantined(&pin.digest);
            may.then_some((pin, rollout))
        })
    }

    /// Whether a rollout was for every machine with these labels of which this
    /// holds, those that are enrolled later included.
    fn is_for_all(
        &self,
        rollout: &Rollout,
        selector: &LabelSelector,
        counts: impl Fn(&AgentId, &Agent) -> bool,
    ) -> bool {
        let mut agents = self.agents.iter();
        let mut without = || {
            agents.any(|(id, agent)| {
                agent.revoked.is_none() && counts(id, agent) && !rollout.is_for(id, agent)
            })
        };
        rollout.spec.agents.matches(&selector.0) && (rollout.is_for_newcomers() || !without())
    }

    /// Whether a machine that a rollout has yet to take back goes to its stable
    /// digest instead, outside any rollout: the roll-back has ended without it,
    /// or what is stable there now came after it.
    pub(crate) fn goes_to_stable(&self, rollout: &Rollout, id: &AgentId) -> bool {
        let Some((_, stable)) = self.proven_for(&rollout.workload, id) else {
            return false;
        };
        rollout.is_back() || self.began_after(stable, rollout)
    }

    fn began_after(&self, newer: &Rollout, older: &Rollout) -> bool {
        let workload = self.workloads.get(&older.workload);
        let newest_first = workload.into_iter().flat_map(|it| it.rollouts.iter().rev());
        let mut either = newest_first.filter(|id| [&newer.id, &older.id].contains(id));
        newer.id != older.id && either.next() == Some(&newer.id)
    }

    /// The pin that becomes the current one when a rollout is taken back: the
    /// newest that was proven on all of the machines that the rollout was for,
    /// by one rollout. So a digest that was tried on a part of the fleet does
    /// not become everybody's because something newer failed: those machines
    /// go back to it (see [`World::before_for`]), but a rollout that is started
    /// without naming a pin takes to the others what they had. Where nothing
    /// was proven on all of them, it is the last that people had chosen before.
    /// Never one of a digest that was itself taken back or is quarantined.
    pub(crate) fn before(&self, rollout: &Rollout) -> Option<&Pin> {
        let counts = |id: &AgentId, agent: &Agent| rollout.is_for(id, agent);
        let stable = self.newest(&rollout.workload, |pin, known| {
            let selector = &rollout.spec.agents;
            pin.digest != *rollout.digest() && self.is_for_all(known, selector, counts)
        });
        let chosen = || self.chosen_before(rollout, |_, _| true);
        stable.map(|(pin, _)| pin).or_else(chosen)
    }

    /// What a machine had before a rollout, as far as the pins say: the newest
    /// that was proven by a rollout that was for this machine; else the last
    /// that people had chosen before and had not rolled out to others only.
    /// Never one of a digest that was itself taken back or is quarantined.
    pub(crate) fn before_for(&self, rollout: &Rollout, id: &AgentId) -> Option<&Pin> {
        let agent = self.agents.get(id)?;
        let stable = self.newest(&rollout.workload, |pin, known| {
            pin.digest != *rollout.digest() && known.is_for(id, agent)
        });
        let chosen = || {
            self.chosen_before(rollout, |workload, digest| {
                let mut rollouts = self.rollouts_of(workload, digest).peekable();
                rollouts.peek().is_none() || rollouts.any(|known| known.is_for(id, agent))
            })
        };
        stable.map(|(pin, _)| pin).or_else(chosen)
    }

    fn chosen_before(
        &self,
        rollout: &Rollout,
        fits: impl Fn(&Workload, &Digest) -> bool,
    ) -> Option<&Pin> {
        let workload = self.workloads.get(&rollout.workload)?;
        let mut pins = workload.pins.iter();
        let first = pins.position(|pin| pin.digest == *rollout.digest())?;
        let mut earlier = workload.pins[..first].iter().rev();
        earlier.find(|pin| {
            !self.was_taken_back(workload, &pin.digest)
                && !self.is_quarantined(&pin.digest)
                && fits(workload, &pin.digest)
        })
    }

    fn was_taken_back(&self, workload: &Workload, digest: &Digest) -> bool {
        let mut rollouts = self.rollouts_of(workload, digest);
        rollouts.any(|rollout| rollout.rolled_back)
    }

    /// Every rollout of a digest that began, newest first.
    fn rollouts_of(&self, workload: &Workload, digest: &Digest) -> impl Iterator<Item = &Rollout> {
        let ids = workload.rollouts.iter().rev();
        let rollouts = ids.filter_map(|id| self.rollouts.get(id));
        rollouts.filter(move |rollout| rollout.digest() == digest)
    }
}
