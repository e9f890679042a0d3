//! Machines at work, and the plans between what they say.

use std::collections::VecDeque;
use std::time::Duration;

use pinion_model::AgentId;
use pinion_rollout::{Act, Assignment, Change, Decision, Observation};

use crate::fleet::{Fleet, PHASES, report};

/// A machine at work, and how many of its six reports it has made.
#[derive(Debug)]
struct Work {
    agent: AgentId,
    assignment: Assignment,
    said: usize,
}

/// Takes a digest to every machine of a fleet.
#[derive(Debug)]
pub struct Drive<'a> {
    fleet: &'a mut Fleet,
    working: VecDeque<Work>,
}

impl<'a> Drive<'a> {
    /// Nobody is at work yet.
    pub fn new(fleet: &'a mut Fleet) -> Self {
        Self {
            fleet,
            working: VecDeque::new(),
        }
    }

    /// Plans, and sends those that were assigned to work.
    fn plan(&mut self) -> usize {
        let changes = self.fleet.plan();
        let count = changes.len();
        self.working
            .extend(changes.into_iter().filter_map(|change| {
                let Change::Decision(Decision {
                    act:
                        Act::Assigned {
                            agent, assignment, ..
                        },
                    ..
                }) = change
                else {
                    return None;
                };
                Some(Work {
                    agent,
                    assignment,
                    said: 0,
                })
            }));
        count
    }

    /// The machine whose turn it is makes its next report; none is at work
    /// any more.
    fn say(&mut self) -> bool {
        let Some(mut work) = self.working.pop_front() else {
            return false;
        };
        let report = report(0, &work.assignment, PHASES[work.said]);
        self.fleet.observe(Observation::Reported {
            agent: work.agent.clone(),
            report,
            at: self.fleet.now,
        });
        work.said += 1;
        if work.said < PHASES.len() {
            self.working.push_back(work);
        }
        true
    }

    /// Every machine that is at work makes a report, then one plan; until
    /// nothing is left to do.
    pub fn in_batches(&mut self) {
        while self.plan() > 0 || !self.working.is_empty() {
            self.fleet.pass(Duration::from_secs(1));
            for _ in 0..self.working.len() {
                self.say();
            }
        }
    }

    /// A plan after every single report.
    pub fn one_by_one(&mut self) {
        while self.plan() > 0 || !self.working.is_empty() {
            self.fleet.pass(Duration::from_millis(1));
            self.say();
        }
    }
}
