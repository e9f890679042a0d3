//! One run, and what is said when a rule was broken in it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::invariants::{Violation, violated};
use crate::log::{Log, clock};
use crate::sim::{Parameters, Sim};
use crate::totals::Totals;

/// Lines of the log that are shown.
const LINES: usize = 120;

/// A rule that was broken.
#[derive(Debug)]
pub struct Broken {
    /// Which run.
    pub seed: u64,
    /// Of how many machines.
    pub agents: usize,
    /// Which rule, and how.
    pub violation: Violation,
    /// When, since the run began.
    pub at: String,
    /// What happened last.
    pub lines: Vec<String>,
}

/// Runs a seed to its end.
///
/// # Errors
///
/// The rule that was broken, with what happened before.
pub fn run(parameters: &Parameters) -> Result<Totals, Box<Broken>> {
    let (outcome, sim) = run_with(parameters, Log::Off);
    if outcome.is_ok() {
        return Ok(sim.totals);
    }
    let (outcome, sim) = run_with(parameters, Log::last(LINES));
    let violation = match outcome {
        Err(violation) => violation,
        Ok(()) => Violation {
            invariant: "a seed replays exactly",
            detail: "it failed, and did not when it was run again".to_owned(),
        },
    };
    Err(Box::new(Broken {
        seed: parameters.seed,
        agents: parameters.agents,
        violation,
        at: clock(sim.now),
        lines: sim.log.into_lines(),
    }))
}

/// Runs a seed, and prints what happens as it does.
///
/// # Errors
///
/// The rule that was broken.
pub fn print(parameters: &Parameters) -> Result<Totals, Box<Broken>> {
    let (outcome, sim) = run_with(parameters, Log::Print);
    match outcome {
        Ok(()) => Ok(sim.totals),
        Err(violation) => Err(Box::new(Broken {
            seed: parameters.seed,
            agents: parameters.agents,
            violation,
            at: clock(sim.now),
            lines: Vec::new(),
        })),
    }
}

/// A panic is a broken rule, too.
fn run_with(parameters: &Parameters, log: Log) -> (Result<(), Violation>, Sim) {
    let mut sim = Sim::new(parameters, log);
    let outcome = catch_unwind(AssertUnwindSafe(|| sim.run()));
    let outcome = outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        violated("nothing panics", text.unwrap_or("a panic without words"))
    });
    (outcome, sim)
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        let Violation { invariant, detail } = &self.violation;
        writeln!(f, "BROKEN at {}: {invariant}", self.at)?;
        writeln!(f, "  {detail}")?;
        writeln!(
            f,
            "again, with all that happened: make sim SEED={} AGENTS={} LOG=1",
            self.seed, self.agents
        )
    }
}
