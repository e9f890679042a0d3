//! What goes wrong in a play, and how it is played.

use std::sync::Arc;
use std::time::Duration;

use pinion_model::Generation;
use pinion_workload::Outcome;

use super::super::rig::{Agent, Rig, desired, digest, wanted, web};
use super::scenes::{SHORT, Scene};
use crate::driver::fake::{CallFault, Crash, FakeEngine, LookFault, ReadFault};
use crate::in_use::Leases;

/// One fault, or none.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    None,
    /// The agent dies, and another one goes on, which may die too.
    Deaths(Vec<Death>),
    Call(usize, CallFault),
    Look(usize, LookFault),
    Read(usize, ReadFault),
    /// Somebody takes a lock right after that call.
    Lock(usize),
    /// The journal's disk is full for one write.
    FullOnce(usize),
    /// It is full from that write on, and the agent dies on it; somebody makes room later.
    Full(usize),
}

/// One death: that many calls after the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Death {
    pub(super) after: usize,
    pub(super) when: Crash,
    pub(super) meanwhile: Meanwhile,
}

/// What else happens while the agent is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meanwhile {
    Nothing,
    JournalLost,
    EngineRestarts,
    BothLost,
}

impl Meanwhile {
    fn ends_the_engine(self) -> bool {
        matches!(self, Self::EngineRestarts | Self::BothLost)
    }

    fn loses_the_journal(self) -> bool {
        matches!(self, Self::JournalLost | Self::BothLost)
    }
}

impl Fault {
    /// The engine ended, and with it what has no policy.
    pub(super) fn ends_the_engine(&self) -> bool {
        match self {
            Self::Deaths(deaths) => deaths.iter().any(|death| death.meanwhile.ends_the_engine()),
            Self::Call(_, fault) => matches!(fault, CallFault::EngineRestarts(_)),
            _ => false,
        }
    }

    /// The journal was lost.
    pub(super) fn loses_the_journal(&self) -> bool {
        let lost = |death: &Death| death.meanwhile.loses_the_journal();
        matches!(self, Self::Deaths(deaths) if deaths.iter().any(lost))
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
            Self::None | Self::Deaths(_) | Self::Lock(_) => {}
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

/// Every other question.
pub(super) fn unread(places: &Places) -> Vec<Fault> {
    let at = |read| [ReadFault::NoAnswer, ReadFault::NotFound].map(|f| Fault::Read(read, f));
    (0..places.reads).flat_map(at).collect()
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
            Fault::Deaths(deaths) => {
                for death in deaths {
                    self.until_death(rig, *death).await;
                }
                self.begin(rig).await
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
            Fault::Lock(call) => {
                let agent = self.begin(rig).await;
                let (scene, leases) = (*self, Arc::clone(&agent.leases));
                rig.engine.after_call(*call, move |engine| {
                    scene.lock(&leases, engine, SHORT);
                });
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
        if !self.lock.is_zero() && rig.engine.counts().looks == 0 {
            self.lock(&agent.leases, &rig.engine, self.lock);
        }
        drop(agent.handle.accept(desired(1, 2)));
        agent
    }

    /// Somebody takes a lock, which nobody renews.
    fn lock(&self, leases: &Leases, engine: &FakeEngine, ttl: Duration) {
        leases.take(wanted(ttl)).expect("it is taken");
        let of_web = (!self.dependants.is_empty()).then_some("web");
        let depend = self.dependants.iter().map(|d| d.name);
        let group: Vec<_> = depend.chain(of_web).collect();
        engine.machine().in_use_for(ttl, &group);
    }

    /// Lets an agent run until it dies or is done.
    async fn until_death(&self, rig: &Rig, death: Death) {
        let at = rig.engine.counts().calls + death.after;
        rig.engine.at_call(at, CallFault::Dies(death.when));
        let agent = self.begin(rig).await;
        let has_ended = tokio::select! {
            () = rig.engine.died() => false,
            () = self.wait(rig, &agent) => true,
        };
        agent.kill().await;
        rig.engine.revive();
        if death.meanwhile.loses_the_journal() && !has_ended {
            rig.lose_journal();
        }
        if death.meanwhile.ends_the_engine() {
            rig.engine.restart();
        }
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
                if agent.journal.generation() == Generation(0) {
                    // There was no room to note it.
                    drop(agent.handle.accept(desired(1, 2)));
                }
                outcome(agent)
            })
            .await;
    }
}

/// How it ended, once all is tidied up.
fn outcome(agent: &Agent) -> Option<Outcome> {
    let record = agent.journal.record(&web());
    let is_idle = record.operation.is_none();
    let outcome = record.outcome.filter(|o| o.generation == Generation(1));
    outcome.filter(|_| is_idle)
}
