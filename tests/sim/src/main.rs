//! `pinion-sim`: many seeds on all cores, or one seed with its log.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Parser;
use pinion_sim::{Broken, Parameters, Totals};

/// Runs simulated fleets, and states what was injected.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many seeds; without it 200, or with --seed that one.
    #[arg(long)]
    seeds: Option<u64>,
    /// The first of them.
    #[arg(long)]
    seed: Option<u64>,
    /// Machines of each.
    #[arg(long, default_value_t = 200)]
    agents: usize,
    /// Print all that happens; with one seed.
    #[arg(long)]
    log: bool,
    /// Go on after a rule was broken, and name all seeds that break one.
    #[arg(long)]
    keep_going: bool,
}

/// What many seeds came to.
#[derive(Default)]
struct Sum {
    totals: Totals,
    broken: Vec<Broken>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let sum = match arguments.seed {
        Some(seed) if arguments.log => {
            Sum::of(pinion_sim::print(&Parameters::new(seed, arguments.agents)))
        }
        _ => many(&arguments),
    };
    print!("{}", sum.totals);
    match sum.broken.as_slice() {
        [] => ExitCode::SUCCESS,
        [broken] if !arguments.keep_going => {
            eprint!("{broken}");
            ExitCode::FAILURE
        }
        all => {
            for broken in all {
                eprintln!(
                    "{}: {}: {}",
                    broken.seed, broken.violation.invariant, broken.violation.detail
                );
            }
            ExitCode::FAILURE
        }
    }
}

/// Many seeds, as many at once as there are cores.
fn many(arguments: &Arguments) -> Sum {
    let first = arguments.seed.unwrap_or(1);
    let default = if arguments.seed.is_some() { 1 } else { 200 };
    let beyond = first.saturating_add(arguments.seeds.unwrap_or(default));
    let next = AtomicU64::new(first);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        let mut sum = Sum::default();
        while sum.broken.is_empty() || arguments.keep_going {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= beyond {
                break;
            }
            sum.add(Sum::of(pinion_sim::run(&Parameters::new(
                seed,
                arguments.agents,
            ))));
        }
        if !arguments.keep_going && !sum.broken.is_empty() {
            next.store(u64::MAX / 2, Ordering::Relaxed);
        }
        sum
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut sum = Sum::default();
        for each in threads {
            sum.add(each.join().expect("a run catches its panics"));
        }
        sum.broken.sort_by_key(|broken| broken.seed);
        sum
    })
}

impl Sum {
    fn of(ran: Result<Totals, Box<Broken>>) -> Self {
        match ran {
            Ok(totals) => Self {
                totals,
                broken: Vec::new(),
            },
            Err(broken) => Self {
                totals: Totals::default(),
                broken: vec![*broken],
            },
        }
    }

    fn add(&mut self, other: Self) {
        self.totals.add(&other.totals);
        self.broken.extend(other.broken);
    }
}
