//! The simulation: everything that there is, and the loop that lets one thing after another happen.

use std::time::Duration;

use pinion_model::Timestamp;
use pinion_rollout::{Act, Change, Plan, World};
use pinion_workload::{Desired, Observed, Step};

use crate::coordinator::Coordinator;
use crate::event::Event;
use crate::invariants::{Held, Violation, Watch, violated};
use crate::links::Link;
use crate::log::Log;
use crate::machine::Machine;
use crate::queue::Queue;
use crate::random::Random;
use crate::scenario::{BEGIN, Scenario};
use crate::store::Store;
use crate::totals::Totals;

/// The planner of the coordinators.
pub type Planner = fn(&World, Timestamp) -> Plan;

/// The planner of the agents.
pub type Next = fn(&Desired, &Observed<'_>, Timestamp) -> Step;

/// What is simulated.
#[derive(Debug, Clone, Copy)]
pub struct Parameters {
    /// All is drawn from it.
    pub seed: u64,
    /// Machines.
    pub agents: usize,
    /// The coordinators' planner.
    pub planner: Planner,
    /// The agents' planner.
    pub next: Next,
}

impl Parameters {
    /// One run of the real planners.
    #[must_use]
    pub fn new(seed: u64, agents: usize) -> Self {
        Self {
            seed,
            agents,
            planner: pinion_rollout::plan,
            next: pinion_workload::next,
        }
    }
}

/// How long after the faults have stopped everything must have come to rest:
/// time for two hundred machines, one after the other, an hour a day.
const REST_WITHIN: Duration = Duration::from_secs(90 * 86_400);
/// How long something may go on of which nothing is committed: longer than an
/// agent has for its way back.
const IDLE_WITHIN: Duration = Duration::from_secs(9 * 86_400);

/// Longer than windows take to come round.
const QUIET: Duration = Duration::from_secs(2 * 86_400);

pub(crate) struct Sim {
    pub(crate) now: Timestamp,
    pub(crate) random: Random,
    pub(crate) queue: Queue,
    pub(crate) scenario: Scenario,
    pub(crate) store: Store,
    pub(crate) coordinators: Vec<Coordinator>,
    pub(crate) machines: Vec<Machine>,
    pub(crate) links: Vec<Link>,
    pub(crate) watch: Watch,
    pub(crate) totals: Totals,
    /// When something was last committed that is not a window or a freeze
    /// beginning or ending.
    moved_at: Timestamp,
    pub(crate) log: Log,
    pub(crate) planner: Planner,
    pub(crate) next: Next,
}

impl Sim {
    pub(crate) fn new(parameters: &Parameters, log: Log) -> Self {
        let mut random = Random::new(parameters.seed);
        let scenario = Scenario::new(parameters.seed, parameters.agents, &mut random);
        Self {
            now: BEGIN,
            random,
            queue: Queue::default(),
            store: Store::new(scenario.cut_after),
            scenario,
            coordinators: Vec::new(),
            machines: (0..parameters.agents).map(Machine::new).collect(),
            links: Vec::new(),
            watch: Watch::default(),
            totals: Totals::default(),
            moved_at: BEGIN,
            log,
            planner: parameters.planner,
            next: parameters.next,
        }
    }

    /// From the beginning until nothing moves any more.
    pub(crate) fn run(&mut self) -> Held {
        self.begin_all()?;
        while let Some((at, event)) = self.queue.take() {
            if at > self.limit() {
                return self.never_rests(&event);
            }
            if self.turns_with_the_days(at, &event) {
                break;
            }
            self.now = at;
            self.happen(event)?;
        }
        self.totals.seeds = 1;
        self.totals.events = self.queue.count();
        self.totals.seconds = self.now.since(BEGIN).as_secs();
        self.at_rest()
    }

    /// Somebody waits for a person, and meanwhile windows open and shut, for ever.
    fn turns_with_the_days(&self, at: Timestamp, event: &Event) -> bool {
        let is_wake = |event: &Event| matches!(event, Event::Wake(..));
        at > self.moved_at.max(self.scenario.calm_at) + QUIET
            && is_wake(event)
            && self.queue.all(is_wake)
    }

    fn limit(&self) -> Timestamp {
        let calm = self.scenario.calm_at;
        (calm + REST_WITHIN).min(self.moved_at.max(calm) + IDLE_WITHIN)
    }

    fn never_rests(&self, event: &Event) -> Held {
        let days = |since| self.limit().since(since).as_secs() / 86_400;
        violated(
            "it comes to rest",
            format!(
                "{} days after the faults had stopped, and {} after anything was decided or heard, this was still to happen: {event:?}",
                days(self.scenario.calm_at),
                days(self.moved_at)
            ),
        )
    }

    fn happen(&mut self, event: Event) -> Held {
        match event {
            Event::Intake(coordinator) => self.intake(coordinator),
            Event::Follow(coordinator) => self.follow(coordinator),
            Event::Decide(coordinator) => self.decide(coordinator),
            Event::Commit(coordinator) => self.commit_decision(coordinator),
            Event::Turn(machine) => self.turn(machine),
            Event::Answer {
                machine,
                process,
                workload,
                number,
            } => self.answered(machine, process, &workload, number),
            Event::Down(link, told) if !self.links[link].is_cut => self.told(link, &told),
            Event::Fault => self.fault(),
            Event::Mend(mend) => self.mend(mend),
            Event::Calm => self.calm(),
            event => {
                self.happens_to_sessions(event);
                Ok(())
            }
        }
    }

    fn happens_to_sessions(&mut self, event: Event) {
        match event {
            Event::Publish(coordinator) => self.publish(coordinator),
            Event::Wake(coordinator, at) => self.woken(coordinator, at),
            Event::Measure(coordinator) => self.measure_again(coordinator),
            Event::Probed {
                coordinator,
                due,
                asked_at,
            } => self.probed(coordinator, &due, asked_at),
            Event::Gone {
                coordinator,
                machine,
                epoch,
            } => self.gone(coordinator, machine, epoch),
            Event::Up(link, said) if !self.links[link].is_cut => self.said(link, &said),
            Event::Broken(link) => self.broken(link),
            Event::Connect { machine, process } => self.connect(machine, process),
            Event::Engine(machine) => self.engine_changes(machine),
            Event::First(line) => self.promote(line),
            Event::Operate => self.operate(),
            Event::Care(time) => self.care(time),
            _ => {}
        }
    }

    /// Something happens after so long.
    pub(crate) fn put_in(&mut self, delay: Duration, event: Event) {
        self.queue.put(self.now + delay, event);
    }

    /// A line of the log, made only if somebody reads it.
    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        if self.log.is_on() {
            self.log.add(self.now, &line());
        }
    }

    /// A coordinator that is at work, if there is one.
    pub(crate) fn some_coordinator(&mut self) -> Option<usize> {
        let newest = self.coordinators.len().saturating_sub(4);
        let alive: Vec<_> = (newest..self.coordinators.len())
            .filter(|number| self.coordinators[*number].is_alive)
            .collect();
        (!alive.is_empty()).then(|| *self.random.pick(&alive))
    }

    /// Commits, and checks each change at its own moment; false: another
    /// decision came first.
    pub(crate) fn commit(
        &mut self,
        expected: Option<pinion_model::Revision>,
        changes: &[Change],
    ) -> Result<bool, Violation> {
        let is_stale = expected.is_some_and(|expected| expected != self.store.truth.decisions);
        match self.store.commit(expected, changes) {
            Ok(_) if is_stale => violated(
                "a stale planner changes nothing",
                format!(
                    "{expected:?} was expected, {:?} was the last decision",
                    self.store.truth.decisions
                ),
            ),
            Err(_) if !is_stale => violated(
                "a commit is refused for a conflict alone",
                format!("{expected:?} was expected, and it was the last decision"),
            ),
            Err(_) => Ok(false),
            Ok(revision) => {
                self.happened(revision, changes)?;
                self.follow_all();
                Ok(true)
            }
        }
    }

    fn happened(&mut self, revision: pinion_model::Revision, changes: &[Change]) -> Held {
        self.totals.changes += changes.len() as u64;
        self.before_commit();
        let is_decision = |change: &Change| matches!(change, Change::Decision(_));
        let is_of_the_calendar = |change: &Change| matches!(change, Change::Decision(decision) if matches!(decision.act, Act::WindowsMoved { .. }));
        if !changes.iter().all(is_of_the_calendar) {
            self.moved_at = self.now;
        }
        for change in changes {
            self.before_change(change)?;
            self.note(change);
            if let Change::Decision(decision) = change {
                self.say(|| {
                    format!(
                        "store    {revision:>8} {} {}: {}",
                        decision.action(),
                        decision.subject(),
                        decision.detail()
                    )
                });
            }
            pinion_rollout::apply(&mut self.store.truth.world, change);
            self.after_change(change)?;
        }
        self.store.truth.revision = revision;
        if changes.iter().any(is_decision) {
            self.store.truth.decisions = revision;
        }
        Ok(())
    }
}
