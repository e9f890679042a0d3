//! A test from its world's making to its end, with the logs shown if it fails.

use std::fs;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

use crate::world::World;
use crate::{needs, sweep};

static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

const LINES_SHOWN: usize = 30;
const COLUMNS_SHOWN: usize = 240;

/// Runs `test` in a world of its own. A failure shows the last lines of every log in that world.
///
/// With `PINION_TEST_DOCKER=0` it says that it was left out, and passes.
///
/// # Panics
///
/// If the test fails, or if the machine lacks a part that it needs.
pub fn scenario(test: impl AsyncFnOnce(&World) -> anyhow::Result<()>) {
    if !needs::engines_wanted() {
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        println!("LEFT OUT because PINION_TEST_DOCKER=0: {name}");
        return;
    }
    run(test);
}

/// From which a test's random moments come: given by `PINION_TEST_SEED`, or another one each time.
/// It is printed, so that the same moments can be played again.
#[must_use]
pub fn seed() -> u64 {
    let given = std::env::var("PINION_TEST_SEED").ok();
    let seed = given.and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random);
    println!("PINION_TEST_SEED={seed}");
    seed
}

fn run(test: impl AsyncFnOnce(&World) -> anyhow::Result<()>) {
    if let Err(missing) = needs::check() {
        panic!("{missing:#}");
    }
    end_worlds_on_signals();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime for the test");
    let world = World::new().unwrap_or_else(|error| panic!("{error:#}"));
    let outcome = runtime.block_on(AssertUnwindSafe(test(&world)).catch_unwind());
    end_if_asked();
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            show_logs(world.directory());
            drop(world);
            panic!("{error:#}");
        }
        Err(panicked) => {
            show_logs(world.directory());
            drop(world);
            resume_unwind(panicked);
        }
    }
}

/// Takes this process's worlds down when it is asked to end.
///
/// # Panics
///
/// If signals cannot be listened for.
pub fn end_worlds_on_signals() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime for signals");
            runtime.block_on(asked_to_end());
            ASKED_TO_END.store(true, Ordering::Relaxed);
            eprintln!("asked to end: taking down what was made");
            sweep::our_worlds();
            std::process::exit(130);
        });
    });
}

/// Waits for the end of this process if a signal asked for it: failures that follow from things
/// being taken down are none.
pub fn end_if_asked() {
    while ASKED_TO_END.load(Ordering::Relaxed) {
        std::thread::park();
    }
}

async fn asked_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).expect("listen for SIGTERM");
    let mut hang_up = signal(SignalKind::hangup()).expect("listen for SIGHUP");
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

/// Prints the last lines of every `*.log` below `directory`; of engines and registries, which say
/// much, only warnings and errors.
pub fn show_logs(directory: &Path) {
    for path in logs_below(directory) {
        let text = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<_> = text
            .lines()
            .filter(|line| !is_foreign_chatter(line))
            .collect();
        let shown = &lines[lines.len().saturating_sub(LINES_SHOWN)..];
        eprintln!("──── {} ({} lines)", path.display(), text.lines().count());
        for line in shown {
            eprintln!("{}", line.chars().take(COLUMNS_SHOWN).collect::<String>());
        }
    }
}

/// Lines below a warning of the Go programs, and a registry's access log.
fn is_foreign_chatter(line: &str) -> bool {
    let is_go = line.starts_with("time=\"") || line.starts_with("ts=");
    let is_quiet = line.contains("level=info") || line.contains("kernel does not support");
    (is_go && is_quiet) || line.contains(" HTTP/1.1\" ")
}

fn logs_below(directory: &Path) -> Vec<PathBuf> {
    let parts = fs::read_dir(directory).into_iter().flatten();
    let directories = parts.filter_map(Result::ok).map(|entry| entry.path());
    let mut logs: Vec<_> = directories
        .flat_map(|part| fs::read_dir(part).into_iter().flatten())
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    logs.sort();
    logs
}
