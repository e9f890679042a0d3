//! The agent's process; see the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    pinion_agent::cli::main()
}
