//! The coordinator's program: see `pinion-coordinator --help`.

use std::process::ExitCode;

use clap::Parser as _;
use pinion_coordinator::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
