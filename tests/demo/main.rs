//! `make demo`: the main job on real parts, told step by step.
//!
//! Exits 0 only if everything that it tells was observed on the engines themselves. With `KEEP=1`
//! in its environment it leaves everything up; `pinion-demo down` takes that down.

mod say;
mod scene;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use harness::scenario::{end_if_asked, end_worlds_on_signals, show_logs};
use harness::{World, needs, sweep};

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        None => demo(),
        Some("down") => down(),
        Some(other) => Err(anyhow::anyhow!(
            "unknown word {other}; the only one is: down"
        )),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn down() -> anyhow::Result<()> {
    match sweep::kept_worlds()?.len() {
        0 => println!("No demo was left up."),
        _ => println!("The demo is down and its files are removed."),
    }
    Ok(())
}

fn demo() -> anyhow::Result<()> {
    needs::check()?;
    end_worlds_on_signals();
    let begin = Instant::now();
    let runtime = tokio::runtime::Runtime::new().context("start a runtime")?;
    let mut world = World::new()?;
    let keep = std::env::var("KEEP").is_ok_and(|keep| !keep.is_empty() && keep != "0");
    let played = runtime.block_on(scene::play(&world));
    end_if_asked();
    if played.is_err() {
        show_logs(world.directory());
    }
    let scene = played?;
    say::line("");
    say::line(&format!(
        "All of that was observed, in {:.0} s.",
        begin.elapsed().as_secs_f64()
    ));
    if keep {
        world.keep()?;
        scene.say_how_to_reach();
        // Ends without running destructors, which would stop what is to stay.
        std::process::exit(0);
    }
    say::line("Taking everything down.");
    Ok(())
}
