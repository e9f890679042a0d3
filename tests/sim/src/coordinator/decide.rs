//! Plans and what people ask for: each is decided on the World as it is seen,
//! and committed unless another decision came first.

use std::time::Duration;

use pinion_rollout::Plan;

use super::{Deciding, Request};
use crate::event::Event;
use crate::invariants::Held;
use crate::operators::Asked;
use crate::seen::Seen;
use crate::sim::Sim;
use crate::totals::Fault;

impl Sim {
    /// A person asks a coordinator for something.
    pub(crate) fn request(&mut self, coordinator: usize, asked: Asked) {
        self.request_of(coordinator, Request::Act(asked));
    }

    /// Wishes to plan coalesce.
    pub(super) fn request_of(&mut self, coordinator: usize, request: Request) {
        let known = &mut self.coordinators[coordinator];
        let is_plan = |request: &Request| matches!(request, Request::Plan);
        if !(is_plan(&request) && known.requests.iter().any(is_plan)) {
            known.requests.push_back(request);
        }
        self.decide_soon(coordinator);
    }

    fn decide_soon(&mut self, coordinator: usize) {
        let known = &mut self.coordinators[coordinator];
        let is_idle = known.deciding.is_none() && !known.requests.is_empty();
        if known.is_alive && is_idle && !std::mem::replace(&mut known.decide_is_due, true) {
            self.put_in(Duration::ZERO, Event::Decide(coordinator));
        }
    }

    /// Makes the next decision.
    pub(crate) fn decide(&mut self, coordinator: usize) -> Held {
        let known = &mut self.coordinators[coordinator];
        known.decide_is_due = false;
        if !known.is_alive || known.is_deciding() {
            return Ok(());
        }
        match known.requests.pop_front() {
            Some(Request::Plan) => self.decide_plan(coordinator),
            Some(Request::Act(asked)) => {
                self.decide_act(coordinator, asked);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn decide_plan(&mut self, coordinator: usize) -> Held {
        self.totals.plans += 1;
        let planned = (self.planner)(&self.coordinators[coordinator].view.world, self.now);
        self.after_plan(coordinator, &planned)?;
        let Plan { changes, wake_at } = planned;
        if changes.is_empty() {
            self.rest(coordinator, wake_at);
            self.measure(coordinator);
            self.note_reasons(coordinator);
            self.decide_soon(coordinator);
            return Ok(());
        }
        self.say(|| {
            format!(
                "coordinator {coordinator:<5} plans {} change(s)",
                changes.len()
            )
        });
        self.commit_soon(coordinator, Request::Plan, changes);
        self.maybe_killed(coordinator, Fault::KilledBeforeCommit);
        Ok(())
    }

    fn decide_act(&mut self, coordinator: usize, asked: Asked) {
        let world = &self.coordinators[coordinator].view.world;
        let is_rejected = asked.gives_way(world);
        match asked.decide(world, self.now) {
            Ok(changes) if changes.is_empty() => self.decide_soon(coordinator),
            Ok(changes) => self.commit_soon(coordinator, Request::Act(asked), changes),
            Err(refusal) => {
                self.totals.count(Fault::OperatorRefused);
                self.totals.saw(Seen::Rejected, u64::from(is_rejected));
                self.say(|| format!("operator          is refused: {refusal}"));
                self.decide_soon(coordinator);
            }
        }
    }

    /// Between a decision and its commit anything may happen.
    fn commit_soon(
        &mut self,
        coordinator: usize,
        request: Request,
        changes: Vec<pinion_rollout::Change>,
    ) {
        let known = &mut self.coordinators[coordinator];
        known.deciding = Some(Deciding {
            request,
            changes,
            expected: known.view.decisions,
            seen: known.view.revision,
            at: self.now,
        });
        let is_slow = self.now < self.scenario.calm_at && self.random.chance(20);
        let delay = if is_slow {
            self.random.millis(50, 2_000)
        } else {
            self.random.millis(0, 3)
        };
        self.put_in(delay, Event::Commit(coordinator));
    }

    /// Commits the decision; on a conflict it is made again.
    pub(crate) fn commit_decision(&mut self, coordinator: usize) -> Held {
        let known = &mut self.coordinators[coordinator];
        if !known.is_alive {
            return Ok(());
        }
        let Some(deciding) = known.deciding.take() else {
            return Ok(());
        };
        self.check_decision(coordinator, &deciding.changes, deciding.seen)?;
        if !self.commit(Some(deciding.expected), &deciding.changes)? {
            self.totals.count(Fault::CommitRefused);
            self.say(|| {
                format!("coordinator {coordinator:<5} was not the first, and decides again")
            });
            // Once it has followed.
            self.coordinators[coordinator]
                .requests
                .push_front(deciding.request);
            self.follow_all();
            return Ok(());
        }
        if matches!(deciding.request, Request::Plan) {
            self.planned_to_the_end(deciding.seen, deciding.at)?;
        }
        self.maybe_killed(coordinator, Fault::KilledBeforeApply);
        self.decide_soon(coordinator);
        Ok(())
    }

    /// Nothing is to be planned: agents are told, and it waits.
    fn rest(&mut self, coordinator: usize, wake_at: Option<pinion_model::Timestamp>) {
        let now = self.now;
        let known = &mut self.coordinators[coordinator];
        let decided = Some(known.view.decisions);
        if std::mem::replace(&mut known.published, decided) != decided
            && !std::mem::replace(&mut known.publish_is_due, true)
        {
            let delay = self.random.millis(0, 2);
            self.put_in(delay, Event::Publish(coordinator));
            self.maybe_killed(coordinator, Fault::KilledBeforePublish);
        }
        let known = &mut self.coordinators[coordinator];
        let wake_at = wake_at.map(|at| at.max(now + Duration::from_millis(1)));
        if known.wake_at != wake_at {
            known.wake_at = wake_at;
            if let Some(at) = wake_at {
                self.queue.put(at, Event::Wake(coordinator, at));
            }
        }
    }

    /// Its plan wanted to be made again now.
    pub(crate) fn woken(&mut self, coordinator: usize, at: pinion_model::Timestamp) {
        let known = &mut self.coordinators[coordinator];
        if known.is_alive && known.wake_at == Some(at) {
            known.wake_at = None;
            self.request_of(coordinator, Request::Plan);
        }
    }
}
