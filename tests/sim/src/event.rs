//! All that can happen, one at a time.

use std::sync::Arc;

use pinion_model::{Generation, SessionEpoch, Timestamp, WorkloadName};
use pinion_rollout::{DueProbe, Observation, Report};
use pinion_workload::Desired;

/// Coordinators, machines and links are named by their places in the simulation.
#[derive(Debug)]
pub(crate) enum Event {
    /// A coordinator commits what its sessions have heard.
    Intake(usize),
    /// It applies what was committed, by whomever.
    Follow(usize),
    /// It makes its next decision: a plan, or what an operator asks.
    Decide(usize),
    /// It commits that decision.
    Commit(usize),
    /// It tells its agents what has changed for them.
    Publish(usize),
    /// It asks what checks want to know.
    Measure(usize),
    /// A check is answered.
    Probed {
        coordinator: usize,
        due: DueProbe,
        asked_at: Timestamp,
    },
    /// Its plan wanted to be made again at this instant.
    Wake(usize, Timestamp),
    /// A session of it has been gone, or silent, for too long.
    Gone {
        coordinator: usize,
        machine: usize,
        epoch: SessionEpoch,
    },
    /// A message arrives at a coordinator.
    Up(usize, Said),
    /// A message arrives at an agent.
    Down(usize, Told),
    /// An agent notices that its connection has gone.
    Broken(usize),
    /// An agent tries to begin a session, if it is still that process.
    Connect { machine: usize, process: u64 },
    /// An agent looks at its machine.
    Turn(usize),
    /// The engine has done what an agent's process called it for.
    Answer {
        machine: usize,
        process: u64,
        workload: WorkloadName,
        number: u64,
    },
    /// Containers of a machine change by themselves.
    Engine(usize),
    /// Something breaks.
    Fault,
    /// What was broken is whole again.
    Mend(Mend),
    /// The first digest of a workload is promoted.
    First(usize),
    /// A person does something.
    Operate,
    /// Nothing breaks any more.
    Calm,
    /// A person who looks after things comes by, for the n-th time.
    Care(u32),
}

/// An agent to its coordinator.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    Hello(Box<Hello>),
    Inventory(Observation),
    Report(u64, Box<Report>),
    Acknowledged(Generation),
}

/// The first message of a session.
#[derive(Debug, Clone)]
pub(crate) struct Hello {
    pub(crate) generation: Generation,
    pub(crate) process: u64,
    pub(crate) inventory: Option<Observation>,
    pub(crate) reports: Vec<Report>,
}

/// A coordinator to an agent.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    Welcome,
    Desired(Arc<Desired>),
    ReportAck(u64),
}

/// What ends by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mend {
    /// A machine has power again.
    Power(usize),
    /// An agent's process is started again.
    Agent(usize),
    /// A machine is reached again.
    Network(usize),
    /// A machine's disk has room again.
    Disk(usize),
    /// A machine's engine answers again.
    Engine(usize),
    /// A coordinator that has a successor ends.
    Handover(usize),
    /// A coordinator is started.
    Coordinator,
}
