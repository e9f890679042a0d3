//! What goes wrong in a play, and how it is played.

use std::time::Duration;

use pinion_model::Generation;
use pinion_workload::Outcome;

use super::super::rig::{Agent, Rig, desired, digest, web};
use super::scenes::Scene;
use crate::driver::fake::{CallFault, Crash, LookFault, ReadFault};

/// One fault, or none.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    None,
    /// The agent dies at a call, and another one goes on.
    Death {
        call: usize,
        when: Crash,
        meanwhile: Meanwhile,
    },
    /// The one that goes on dies too.
    Deaths {
        first: Box<Fault>,
        second: Second,
    },
    Call(usize, CallFault),
    Look(usize, LookFault),
    Read(usize, ReadFault),
    /// The journal's disk is full for one write.
    FullOnce(usize),
    /// It is full from that write on, and the agent dies on it; somebody makes room later.
    Full(usize),
}

/// The second death: that many calls after the first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Second {
    pub(super) after: usize,
    pub(super) when: Crash,
}

/// What else happens while the agent is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meanwhile {
    Nothing,
    JournalLost,
    EngineRestarts,
    BothLost,
}

impl Fault {
    pub(super) fn call(&self) -> usize {
        match self {
            Self::Death { call, .. } | Self::Call(call, _) => *call,
            _ => 0,
        }
    }

    /// The engine ended, and with it what has no policy.
    pub(super) fn ends_the_engine(&self) -> bool {
        match self {
            Self::Death { meanwhile, .. } => {
                matches!(meanwhile, Meanwhile::EngineRestarts | Meanwhile::BothLost)
            }
            Self::Call(_, fault) => matches!(fault, CallFault::EngineRestarts(_)),
            _ => false,
        }
    }

    /// The engine said no, which may end an operation.
    pub(super) fn is_a_no(&self) -> bool {
        matches!(self, Self::Call(_, CallFault::Refused))
    }

    /// It asks nothing of the agent to be quick.
    pub(super) fn takes_long(&self) -> bool {
        matches!(
            self,
            Self::Call(_, CallFault::Hangs(_)) | Self::Look(_, LookFault::Hangs)
        )
    }

    fn arm(&self, rig: &Rig) {
        match self {
            Self::None | Self::Deaths { .. } => {}
            Self::Death { call, when, .. } => rig.engine.at_call(*call, CallFault::Dies(*when)),
            Self::Call(call, fault) => rig.engine.at_call(*call, *fault),
            Self::Look(look, fault) => rig.engine.at_look(*look, *fault),
            Self::Read(read, fault) => rig.engine.at_read(*read, *fault),
            Self::FullOnce(write) => rig.disk.is_full(*write..write + 1),
            Self::Full(write) => rig.disk.is_full(*write..usize::MAX),
        }
    }
}

/// How many places a run has at which something may go wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    pub(super) calls: usize,
    pub(super) looks: usize,
    pub(super) reads: usize,
    pub(super) writes: usize,
}

/// Every list, in every way in which it may be wrong.
pub(super) fn nonsense(places: &Places, containers: usize) -> Vec<Fault> {
    let one = |n| [LookFault::Lacks(n), LookFault::WrongState(n)];
    let mut faults = vec![LookFault::Empty, LookFault::NoAnswer, LookFault::Hangs];
    faults.extend((0..containers).flat_map(one));
    let at = |look| faults.iter().map(move |fault| Fault::Look(look, *fault));
    (0..places.looks).flat_map(at).collect()
}

/// Every other question.
pub(super) fn unread(places: &Places) -> Vec<Fault> {
    let at = |read| [ReadFault::NoAnswer, ReadFault::NotFound].map(|f| Fault::Read(read, f));
    (0..places.reads).flat_map(at).collect()
}

/// Every write of the journal.
pub(super) fn full(places: &Places) -> Vec<Fault> {
    let at = |write| [Fault::FullOnce(write), Fault::Full(write)];
    (0..places.writes).flat_map(at).collect()
}

/// As long as nobody makes room on the disk.
const FULL: Duration = Duration::from_secs(120);
/// After the end: what comes then must not come.
const AFTER: Duration = Duration::from_secs(90);

impl Scene {
    /// Plays it with one fault, and checks what is left.
    pub(super) async fn play(&self, fault: &Fault) -> Places {
        let rig = self.rig();
        fault.arm(&rig);
        let agent = self.until_it_ends(&rig, fault).await;
        tokio::time::sleep(AFTER).await;
        let outcome = outcome(&agent).expect("it was waited for");
        self.check(&rig, fault, &outcome);
        agent.kill().await;
        let counts = rig.engine.counts();
        Places {
            calls: counts.calls,
            looks: counts.looks,
            reads: counts.reads,
            writes: rig.disk.writes(),
        }
    }

    async fn until_it_ends(&self, rig: &Rig, fault: &Fault) -> Agent {
        let agent = match fault {
            Fault::Death { meanwhile, .. } => self.after_death(rig, *meanwhile).await,
            Fault::Deaths { first, second } => {
                first.arm(rig);
                let Fault::Death { meanwhile, .. } = **first else {
                    panic!("the first of two deaths is a death");
                };
                let at = first.call() + 1 + second.after;
                rig.engine.at_call(at, CallFault::Dies(second.when));
                self.after_death(rig, meanwhile).await.kill().await;
                self.after_death(rig, Meanwhile::Nothing).await
            }
            Fault::Full(_) => {
                let agent = self.begin(rig).await;
                tokio::time::sleep(FULL).await;
                agent.kill().await;
                let agent = self.begin(rig).await;
                tokio::time::sleep(FULL).await;
                rig.disk.is_full(0..0);
                agent
            }
            _ => self.begin(rig).await,
        };
        self.wait(rig, &agent).await;
        agent
    }

    /// Starts an agent and tells it what is wanted, if there is room to note that.
    async fn begin(&self, rig: &Rig) -> Agent {
        let agent = rig.agent();
        drop(agent.handle.accept(desired(1, 2)));
        agent
    }

    /// Lets an agent run until it dies or is done, and starts another.
    async fn after_death(&self, rig: &Rig, meanwhile: Meanwhile) -> Agent {
        let agent = self.begin(rig).await;
        tokio::select! {
            () = rig.engine.died() => {}
            () = self.wait(rig, &agent) => {}
        }
        agent.kill().await;
        rig.engine.revive();
        if matches!(meanwhile, Meanwhile::JournalLost | Meanwhile::BothLost) {
            rig.lose_journal();
        }
        if matches!(meanwhile, Meanwhile::EngineRestarts | Meanwhile::BothLost) {
            rig.engine.restart();
        }
        self.begin(rig).await
    }

    /// Waits for the end; where the old image is to fail, it does so once the
    /// new one stands in its place.
    async fn wait(&self, rig: &Rig, agent: &Agent) {
        agent
            .until(|_| {
                let mut machine = rig.engine.machine();
                let stands = self
                    .containers
                    .iter()
                    .map(|c| machine.digest_of_name(c.name));
                if stands.flatten().any(|found| found == digest(2)) {
                    machine.mend(&digest(1), self.again);
                }
                drop(machine);
                drop(agent.handle.accept(desired(1, 2)));
                outcome(agent)
            })
            .await;
    }
}

/// How it ended, once all is tidied up.
fn outcome(agent: &Agent) -> Option<Outcome> {
    let record = agent.journal.record(&web());
    let is_idle = record.operation.is_none() && record.retired.is_empty();
    let outcome = record.outcome.filter(|o| o.generation == Generation(1));
    outcome.filter(|_| is_idle)
}
