use pinion_model::{CheckName, RolloutId, RolloutPhase, StageName, Timestamp};

use crate::gates::{self, Verdict, View, metric};
use crate::{Probe, World};

/// A sample that is to be taken now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueProbe {
    /// Of which rollout.
    pub rollout: RolloutId,
    /// Of which stage.
    pub stage: StageName,
    /// Of which check.
    pub check: CheckName,
    /// What to ask.
    pub probe: Probe,
}

/// What is to be measured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DueProbes {
    /// Now.
    pub due: Vec<DueProbe>,
    /// When the next sample is due that is not due now, if nothing else happens before.
    pub next: Option<Timestamp>,
}

/// Which samples are due: of the open stages of rollouts that run, once
/// nothing but their checks holds them.
#[must_use]
pub fn due_probes(world: &World, now: Timestamp) -> DueProbes {
    let mut probes = DueProbes::default();
    let running = world
        .active_rollouts()
        .filter(|rollout| rollout.phase == RolloutPhase::Running);
    for rollout in running {
        let open = View::all(world, rollout, now).nth(rollout.open_stage);
        if let Some(view) = open.filter(|view| is_measured(*view)) {
            probes.add(view);
        }
    }
    probes
}

fn is_measured(view: View<'_>) -> bool {
    !view.stage.rules.checks.is_empty() && view.stage.opened_at.is_some()
}

impl DueProbes {
    fn add(&mut self, view: View<'_>) {
        match gates::settled(view) {
            Verdict::Pass => {}
            // The bake ends by itself.
            Verdict::Wait(wait) => return self.wait(wait.until),
            _ => return,
        }
        // Where the clock has stepped back, what is asked before counts as little
        // as what was asked before the stage was as it is.
        let since = view.stage.checks.since;
        if view.now < since {
            return self.wait(Some(since));
        }
        for (check, run) in metric::runs(view) {
            if run.is_some_and(|run| run.verdict(check, view.now).is_some()) {
                continue;
            }
            match run.map(|run| run.due(check)).filter(|due| *due > view.now) {
                Some(later) => self.wait(Some(later)),
                None => self.due.push(DueProbe {
                    rollout: view.rollout.id.clone(),
                    stage: view.stage.rules.name.clone(),
                    check: check.name.clone(),
                    probe: check.probe.clone(),
                }),
            }
        }
    }

    fn wait(&mut self, until: Option<Timestamp>) {
        self.next = [self.next, until].into_iter().flatten().min();
    }
}
