//! Samples of what checks ask, by the coordinator that finds them due.

use std::time::Duration;

use pinion_rollout::{DueProbe, Judgement, Observation, Sample, due_probes};

use crate::event::Event;
use crate::sim::Sim;

impl Sim {
    /// Asks what is due; each check by one question at a time.
    pub(super) fn measure(&mut self, coordinator: usize) {
        let now = self.now;
        let known = &mut self.coordinators[coordinator];
        let probes = due_probes(&known.view.world, now);
        for due in probes.due {
            if !self.coordinators[coordinator].asked.contains(&due) {
                self.coordinators[coordinator].asked.push(due.clone());
                let takes = self.random.millis(5, 3_000);
                self.put_in(
                    takes,
                    Event::Probed {
                        coordinator,
                        due,
                        asked_at: now,
                    },
                );
            }
        }
        if let Some(next) = probes.next {
            let at = next.max(now + Duration::from_millis(1));
            self.queue.put(at, Event::Measure(coordinator));
        }
    }

    /// It is time to ask again.
    pub(crate) fn measure_again(&mut self, coordinator: usize) {
        if self.coordinators[coordinator].is_alive {
            self.measure(coordinator);
        }
    }

    /// A question is answered, well or not.
    pub(crate) fn probed(
        &mut self,
        coordinator: usize,
        due: &DueProbe,
        asked_at: pinion_model::Timestamp,
    ) {
        let known = &mut self.coordinators[coordinator];
        if !known.is_alive {
            return;
        }
        known.asked.retain(|asked| asked != due);
        let outcome = match self.random.below(10) {
            0 => Judgement::Inconclusive,
            1 => Judgement::Failure,
            _ => Judgement::Success,
        };
        self.say(|| {
            format!(
                "coordinator {coordinator:<5} check {} of {} stage {}: {outcome:?}",
                due.check, due.rollout, due.stage
            )
        });
        let at = self.now;
        let probed = Observation::Probed {
            rollout: due.rollout.clone(),
            stage: due.stage.clone(),
            check: due.check.clone(),
            asked_at,
            sample: Sample::new(outcome, format!("{outcome:?}")),
            at,
        };
        self.heard(coordinator, vec![probed], None);
    }
}
