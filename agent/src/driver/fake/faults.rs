//! What goes wrong, and where: each place is a number that counts over the
//! lives of all agents, so that a test can name every one of them.

use std::collections::BTreeMap;
use std::sync::MutexGuard;
use std::time::Duration;

use pinion_workload::{Container, ContainerState};
use tokio::time::Instant;

use super::{EngineError, FakeEngine};

/// Before the effect of a call, or after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The engine never got the call.
    Before,
    /// The engine did it, and the answer was lost.
    After,
}

/// What goes wrong at a call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallFault {
    /// The agent's process dies.
    Dies(Crash),
    /// An error instead of the answer.
    NoAnswer(Crash),
    /// The agent waits for an answer as long as it ever does.
    Hangs(Crash),
    /// The engine ends, and is back after some seconds.
    EngineRestarts(Crash),
    /// The engine says that it cannot, this once.
    Refused,
    /// The answer comes some seconds later.
    Late,
}

/// What goes wrong at a look at all containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookFault {
    /// None are listed.
    Empty,
    /// The n-th is not listed.
    Lacks(usize),
    /// The n-th is shown as stopped if it runs, and as running if it does not.
    WrongState(usize),
    /// An error instead of the list.
    NoAnswer,
    /// The same, after as long as the agent ever waits.
    Hangs,
}

/// What goes wrong at a question about one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFault {
    /// An error instead of the answer.
    NoAnswer,
    /// It has no such thing.
    NotFound,
}

/// What an engine does instead of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// It says that it cannot, each time.
    Fails,
    /// It says that it did, and did nothing.
    Idles,
}

/// As long as the agent waits for an answer.
const HANG: Duration = Duration::from_secs(60);
/// As long as a call takes that is late.
const LATE: Duration = Duration::from_secs(5);
/// As long as an engine takes to be back.
const RESTART: Duration = Duration::from_secs(3);

/// What somebody else does.
type Act = Box<dyn FnOnce(&FakeEngine) + Send>;

#[derive(Default)]
pub(super) struct Faults {
    pub(super) counts: Counts,
    after_calls: BTreeMap<usize, Act>,
    at_calls: BTreeMap<usize, CallFault>,
    at_looks: BTreeMap<usize, LookFault>,
    at_reads: BTreeMap<usize, ReadFault>,
    pub(super) dead: bool,
    pub(super) silent: bool,
    pub(super) back_at: Option<Instant>,
    pub(super) log: Vec<String>,
    /// How the calls begin that do not do what they should.
    pub(super) defects: Vec<(String, Defect)>,
}

/// How many places there were so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Calls that change something.
    pub(crate) calls: usize,
    /// Looks at all containers.
    pub(crate) looks: usize,
    /// Questions about one thing.
    pub(crate) reads: usize,
}

impl FakeEngine {
    /// The `index`-th call (from 0) that changes something goes wrong.
    pub(crate) fn at_call(&self, index: usize, fault: CallFault) {
        self.faults().at_calls.insert(index, fault);
    }

    /// Right after the `index`-th call that changes something, somebody acts.
    pub(crate) fn after_call(&self, index: usize, act: impl FnOnce(&Self) + Send + 'static) {
        self.faults().after_calls.insert(index, Box::new(act));
    }

    /// What somebody does after the call that was made last.
    pub(super) fn somebody_acts(&self) {
        let act = {
            let faults = &mut *self.faults();
            let last = faults.counts.calls.checked_sub(1);
            last.and_then(|last| faults.after_calls.remove(&last))
        };
        act.into_iter().for_each(|act| act(self));
    }

    /// The `index`-th look at all containers goes wrong.
    pub(crate) fn at_look(&self, index: usize, fault: LookFault) {
        self.faults().at_looks.insert(index, fault);
    }

    /// The `index`-th question about one thing goes wrong.
    pub(crate) fn at_read(&self, index: usize, fault: ReadFault) {
        self.faults().at_reads.insert(index, fault);
    }

    /// The calls whose line in the log begins so do nothing any more.
    pub(crate) fn spoil(&self, calls: &str, defect: Defect) {
        self.faults().defects.push((calls.to_owned(), defect));
    }

    /// Lets the next agent live, whatever was to come at a call.
    pub(crate) fn revive(&self) {
        let mut faults = self.faults();
        faults.dead = false;
        faults.at_calls.clear();
        drop(faults);
        self.machine().agent_returns();
    }

    /// Calls that changed something, so far.
    pub(crate) fn calls(&self) -> usize {
        self.counts().calls
    }

    /// How many places there were so far.
    pub(crate) fn counts(&self) -> Counts {
        self.faults().counts
    }

    pub(super) fn next_call(&self, line: String) -> Option<CallFault> {
        let faults = &mut *self.faults();
        faults.log.push(line);
        let index = faults.counts.calls;
        faults.counts.calls += 1;
        faults.at_calls.get(&index).copied()
    }

    pub(super) fn next_read(&self) -> Option<ReadFault> {
        let faults = &mut *self.faults();
        let index = faults.counts.reads;
        faults.counts.reads += 1;
        faults.at_reads.get(&index).copied()
    }

    fn next_look(&self) -> Option<LookFault> {
        let faults = &mut *self.faults();
        let index = faults.counts.looks;
        faults.counts.looks += 1;
        faults.at_looks.get(&index).copied()
    }

    /// The list, or what is said instead of it.
    pub(super) async fn look(&self) -> Result<Vec<Container>, EngineError> {
        let fault = self.next_look();
        let mut containers = {
            let mut machine = self.machine();
            machine.watch_names();
            machine.containers()
        };
        match fault {
            None => {}
            Some(LookFault::NoAnswer) => return Err(no_answer("list containers")),
            Some(LookFault::Hangs) => {
                self.hang().await;
                return Err(no_answer("list containers"));
            }
            Some(LookFault::Empty) => containers.clear(),
            Some(LookFault::Lacks(n)) if n < containers.len() => drop(containers.remove(n)),
            Some(LookFault::WrongState(n)) => {
                containers.get_mut(n).into_iter().for_each(turn_around);
            }
            Some(LookFault::Lacks(_)) => {}
        }
        Ok(containers)
    }

    /// What comes before the effect; whether there is any.
    pub(super) async fn before(
        &self,
        call: &'static str,
        fault: CallFault,
    ) -> Result<(), EngineError> {
        match fault {
            CallFault::Refused => Err(EngineError::Refused {
                call,
                message: "scripted".to_owned(),
            }),
            CallFault::Dies(Crash::Before)
            | CallFault::NoAnswer(Crash::Before)
            | CallFault::Hangs(Crash::Before)
            | CallFault::EngineRestarts(Crash::Before) => self.strike(call, fault).await,
            _ => Ok(()),
        }
    }

    /// What comes instead of the answer.
    pub(super) async fn strike(
        &self,
        call: &'static str,
        fault: CallFault,
    ) -> Result<(), EngineError> {
        match fault {
            CallFault::Refused => return Ok(()),
            CallFault::Late => {
                tokio::time::sleep(LATE).await;
                return Ok(());
            }
            CallFault::Dies(_) => self.die().await,
            CallFault::NoAnswer(_) => {}
            CallFault::Hangs(_) => self.hang().await,
            CallFault::EngineRestarts(_) => self.restart_with_agent(),
        }
        Err(no_answer(call))
    }

    /// Nothing can be asked of the agent until that is over.
    async fn hang(&self) {
        tokio::time::sleep(HANG).await;
        self.machine().agent_returns();
    }

    /// The agent sees it end and come back.
    fn restart_with_agent(&self) {
        self.faults().back_at = Some(Instant::now() + RESTART);
        self.machine().restart(ContainerState::Interrupted);
        self.machine().agent_returns_at(Instant::now() + RESTART);
        self.happened.notify_one();
    }

    pub(super) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

pub(super) fn no_answer(call: &'static str) -> EngineError {
    EngineError::Unknown {
        call,
        message: "connection reset".to_owned(),
    }
}

fn turn_around(container: &mut Container) {
    container.state = match container.state {
        ContainerState::Running => ContainerState::Exited,
        ContainerState::Exited => ContainerState::Running,
        other => other,
    };
}
