//! The launcher's process; see the library for what it does.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use pinion_launcher::run::{Options, run};

const USAGE: &str = "\
Starts the agent, and the one before it where a new one does not do.

Usage: pinion-launcher [--state-dir DIR] [--program FILE] [-- ARGUMENTS OF `pinion-agent run`]

  --state-dir DIR  the agent's state directory [env: PINION_STATE_DIR] [default: /var/lib/pinion-agent]
  --program FILE   the package's agent, which is run at first [default: pinion-agent beside this program]
  --version, --help

Example: pinion-launcher --state-dir /var/lib/pinion-agent -- --docker-host unix:///var/run/docker.sock";

fn main() -> ExitCode {
    let options = match options(std::env::args_os().skip(1).collect()) {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("pinion-launcher: {why}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let source = std::error::Error::source(&error);
            let source = source
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            eprintln!("pinion-launcher: {error}{source}");
            ExitCode::FAILURE
        }
    }
}

/// None where all that was asked for has been printed.
fn options(arguments: Vec<OsString>) -> Result<Option<Options>, String> {
    let mut state_dir = std::env::var_os("PINION_STATE_DIR").map(PathBuf::from);
    let mut program = None;
    let mut rest = Vec::new();
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .map(PathBuf::from)
                .ok_or("a value is missing")
        };
        match argument.to_str() {
            Some("--state-dir") => state_dir = Some(value()?),
            Some("--program") => program = Some(value()?),
            Some("--") => rest.extend(arguments.by_ref()),
            Some("--help" | "-h") => {
                println!("{USAGE}");
                return Ok(None);
            }
            Some("--version" | "-V") => {
                println!("pinion-launcher {}", env!("CARGO_PKG_VERSION"));
                return Ok(None);
            }
            _ => return Err(format!("unknown argument {argument:?}")),
        }
    }
    let state_dir = state_dir.unwrap_or_else(|| "/var/lib/pinion-agent".into());
    let beside = || std::env::current_exe().map(|own| own.with_file_name("pinion-agent"));
    let program = match program {
        Some(program) => program,
        None => beside().map_err(|error| format!("cannot find this program itself: {error}"))?,
    };
    let mut arguments: Vec<OsString> = vec!["run".into(), "--state-dir".into()];
    arguments.push(state_dir.clone().into());
    arguments.extend(rest);
    Ok(Some(Options {
        state_dir,
        program,
        arguments,
    }))
}
