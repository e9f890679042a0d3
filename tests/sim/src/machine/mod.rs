//! One machine: its engine, its agent, and what that agent keeps on its disk.

pub(crate) mod agent;
pub(crate) mod calls;
pub(crate) mod engine;
mod look;
pub(crate) mod reports;
pub(crate) mod session;

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{AgentId, AgentPhase, Attempt, Generation, Timestamp, WorkloadName};
use pinion_rollout::ObservedContainer;
use pinion_workload::{Call, Desired, OpId, Record};

use engine::Engine;
use reports::Reports;
use session::Session;

pub(crate) struct Machine {
    pub(crate) name: AgentId,
    /// It has power.
    pub(crate) has_power: bool,
    /// Its agent's process runs.
    pub(crate) is_awake: bool,
    /// Counts the agent's processes: what is due for another one is void.
    pub(crate) process: u64,
    /// It never comes back.
    pub(crate) has_vanished: bool,
    /// It has an identity.
    pub(crate) is_enrolled: bool,
    pub(crate) is_cut_off: bool,
    pub(crate) disk_is_full: bool,
    pub(crate) engine_is_silent: bool,
    pub(crate) engine: Engine,
    /// When its engine is looked at again.
    pub(crate) engine_at: Option<Timestamp>,
    pub(crate) journal: Journal,
    pub(crate) reports: Reports,
    pub(crate) session: Session,
    /// What the agent was last seen to run, as it tells it; none before the first look.
    pub(crate) inventory: Option<Inventory>,
    calls: BTreeMap<WorkloadName, Running>,
    call_count: u64,
    emitted: BTreeMap<WorkloadName, News>,
    recovering: Option<BTreeSet<OpId>>,
    /// What could not be written to the disk: nothing is done before it is.
    unwritten: Option<(WorkloadName, Record)>,
    /// When the agent looks again.
    turn_at: Option<Timestamp>,
}

/// By workload, what its containers run.
pub(crate) type Inventory = BTreeMap<WorkloadName, Vec<ObservedContainer>>;

/// What of a report makes another one news.
type News = (Generation, Attempt, AgentPhase, String);

/// On the agent's disk.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) desired: Desired,
    pub(crate) records: BTreeMap<WorkloadName, Record>,
}

/// A call that the engine is making.
#[derive(Debug)]
struct Running {
    number: u64,
    call: Call,
    generation: Option<Generation>,
}

impl Machine {
    pub(crate) fn new(number: usize) -> Self {
        Self {
            name: format!("m{number}").parse().expect("an agent's name"),
            has_power: true,
            is_awake: false,
            process: 0,
            has_vanished: false,
            is_enrolled: false,
            is_cut_off: false,
            disk_is_full: false,
            engine_is_silent: false,
            engine: Engine::default(),
            engine_at: None,
            journal: Journal::default(),
            reports: Reports::default(),
            session: Session::default(),
            inventory: None,
            calls: BTreeMap::new(),
            call_count: 0,
            emitted: BTreeMap::new(),
            recovering: None,
            unwritten: None,
            turn_at: None,
        }
    }

    /// Whether its agent can do something now.
    pub(crate) fn is_up(&self) -> bool {
        self.has_power && self.is_awake
    }
}

/// The machine that has this name.
pub(crate) fn number_of(agent: &AgentId) -> usize {
    agent.as_str()[1..]
        .parse()
        .expect("machines are called m and their number")
}
