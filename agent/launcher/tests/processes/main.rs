//! The launcher as a process, with shell scripts as agents.

mod world;

use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

use pinion_workload::{Cause, Slot, TRIES};
use rustix::process::Signal;

use world::{SOON, World, end, op};

/// Runs on, and ends as an agent does when it is told to.
const GOOD: &str = "while :; do sleep 0.05; done";

/// Confirms itself as an agent with its session does, then runs on.
fn confirming(world: &World) -> String {
    let state = world.places().path().join("state.json");
    let state = state.display();
    format!(
        "sed 's/\"confirmed\": false/\"confirmed\": true/' {state} > {state}.x; mv {state}.x {state}\n{GOOD}"
    )
}

#[test]
fn the_packages_program_is_laid_and_run_and_the_launcher_ends_with_it() {
    let mut world = World::new(GOOD);
    world.start();
    world.runs("old");
    assert_eq!(world.slots().current, Slot::A);
    assert!(world.signal(Signal::TERM).success());
    assert!(world.alive().is_empty());
}

#[test]
fn a_candidate_that_confirms_runs_on_and_is_started_again_after_it_is_kept() {
    let mut world = World::new(GOOD);
    world.start();
    world.runs("old");
    world.hand_over(&confirming(&world), Duration::from_secs(2), Vec::new());
    world.confirms();
    // Nothing tells that its deadline has passed.
    std::thread::sleep(Duration::from_millis(2500));
    world.runs("new");
    world.keeps();
    end(world.starts().pop().expect("it runs").1, Signal::KILL);
    world.until("started again", |w| w.names() == ["old", "new", "new"]);
    world.runs("new");
    assert_eq!(world.slots().current, Slot::B);
}

#[test]
fn a_candidate_that_crashes_is_tried_three_times_and_taken_back_with_its_last_words() {
    let mut world = World::new(GOOD);
    world.start();
    world.runs("old");
    world.hand_over("echo no such key >&2; exit 3", SOON, Vec::new());
    world.until("the old one is back", |w| {
        w.names() == ["old", "new", "new", "new", "old"]
    });
    world.runs("old");
    let verdict = world.slots().verdict.expect("a verdict");
    let how = "exit status: 3".to_owned();
    assert_eq!((verdict.op, verdict.cause), (op(), Cause::Crashed { how }));
    assert_eq!(verdict.words, "no such key\n");
}

#[test]
fn a_candidate_that_hangs_is_killed_at_its_deadline_and_blamed_only_if_the_coordinator_answered() {
    for reachable in [true, false] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("bound").to_string();
        let mut world = World::new(GOOD);
        world.start();
        world.runs("old");
        let _listening = reachable.then_some(listener);
        let hanging = "trap '' TERM; while :; do sleep 1; done";
        world.hand_over(hanging, Duration::from_secs(2), vec![address]);
        world.until("the old one is back", |w| {
            w.names() == ["old", "new", "old"]
        });
        world.runs("old");
        let cause = world.slots().verdict.map(|verdict| verdict.cause);
        assert_eq!(cause, Some(Cause::Unconfirmed { reachable }));
    }
}

#[test]
fn a_confirmed_candidate_that_crashes_in_its_soak_is_taken_back() {
    let mut world = World::new(GOOD);
    world.start();
    world.runs("old");
    let state = world.places().path().join("state.json");
    let script = format!("{}\n", confirming(&world)).replace(GOOD, "echo late >&2; exit 4");
    assert!(script.contains(&state.display().to_string()));
    world.hand_over(&script, SOON, Vec::new());
    world.until("the old one is back", |w| {
        w.names().last().is_some_and(|n| n == "old") && w.names().len() > 3
    });
    let cause = world.slots().verdict.map(|verdict| verdict.cause);
    assert!(matches!(cause, Some(Cause::Crashed { .. })), "{cause:?}");
}

#[test]
fn a_killed_launcher_leaves_nobody_and_the_next_goes_on() {
    let mut world = World::new(GOOD);
    // A shell does not end with its parent, so this one watches, as an agent does by the kernel.
    let watching =
        "while [ $(cut -d' ' -f4 /proc/$$/stat) = $PINION_LAUNCHER ]; do sleep 0.02; done";
    world.write(&world.packaged(), "old", watching);
    world.start();
    world.runs("old");
    world.signal(Signal::KILL);
    world.until("nobody is left", |w| w.alive().is_empty());
    world.start();
    world.runs("old");
    // In the middle of a trial: each start of it is one try, and nobody's fault.
    world.hand_over(watching, SOON, Vec::new());
    let tries = usize::try_from(TRIES).expect("few");
    for done in 0..tries {
        world.until("it is tried", |w| w.names().len() == 3 + done);
        world.runs("new");
        world.signal(Signal::KILL);
        world.until("nobody is left", |w| w.alive().is_empty());
        world.start();
    }
    world.runs("old");
    let cause = world.slots().verdict.map(|verdict| verdict.cause);
    assert_eq!(cause, Some(Cause::Interrupted));
}

#[test]
fn a_killed_agent_is_started_again() {
    let mut world = World::new(GOOD);
    world.start();
    world.runs("old");
    end(world.starts().pop().expect("it runs").1, Signal::KILL);
    world.until("started again", |w| w.names() == ["old", "old"]);
    world.runs("old");
}

#[test]
fn an_agent_that_says_it_cannot_is_not_started_again() {
    let mut world = World::new("exit 2");
    world.start();
    let mut launcher = world.launcher.take().expect("it runs");
    assert_eq!(launcher.wait().expect("ended").code(), Some(2));
    assert_eq!(world.names(), ["old"]);
}

#[test]
fn a_torn_state_file_costs_no_agent() {
    let mut world = World::new(GOOD);
    world.start();
    world.runs("old");
    world.hand_over(&confirming(&world), SOON, Vec::new());
    world.confirms();
    world.keeps();
    assert!(world.signal(Signal::TERM).success());
    let state = world.places().path().join("state.json");
    let before = world.places().path().join("state.before.json");
    // Torn, it is what it was before: confirmed, and so the new one.
    fs::write(&state, "{\"current\": ").expect("torn");
    world.start();
    world.runs("new");
    assert!(world.signal(Signal::TERM).success());
    // Both torn, the package's is laid anew.
    fs::write(&state, "{").expect("torn");
    fs::write(&before, "").expect("torn");
    world.start();
    world.runs("old");
}

#[test]
fn a_damaged_program_gives_way_to_the_other_one() {
    let mut world = World::new(GOOD);
    world.start();
    world.runs("old");
    world.hand_over(&confirming(&world), SOON, Vec::new());
    world.confirms();
    world.keeps();
    assert!(world.signal(Signal::TERM).success());
    fs::write(world.places().program(Slot::B), "#!/bin/sh\nexit 9\n").expect("damaged");
    world.start();
    world.runs("old");
}

#[test]
fn a_candidate_that_is_no_program_is_taken_back_at_once() {
    let mut world = World::new(GOOD);
    world.start();
    world.runs("old");
    world.hand_over(GOOD, SOON, Vec::new());
    // Never reached: the file is another one by the time it is started.
    fs::write(
        world.places().program(Slot::B),
        "neither a script nor a program",
    )
    .expect("damaged");
    world.until("a verdict", |w| w.slots().verdict.is_some());
    world.runs("old");
    let cause = world.slots().verdict.map(|verdict| verdict.cause);
    assert!(matches!(cause, Some(Cause::Unusable { .. })), "{cause:?}");
}

#[test]
fn another_package_is_run_and_two_launchers_are_not() {
    let mut world = World::new(GOOD);
    world.start();
    world.runs("old");
    let second = Command::new(env!("CARGO_BIN_EXE_pinion-launcher"))
        .arg("--state-dir")
        .arg(world.state_dir())
        .arg("--program")
        .arg(world.packaged())
        .output()
        .expect("it ran");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        !second.status.success() && said.contains("another launcher"),
        "{said}"
    );
    assert!(world.signal(Signal::TERM).success());
    world.write(&world.packaged(), "upgraded", GOOD);
    world.start();
    world.runs("upgraded");
    assert_eq!(world.slots().current, Slot::B);
}

#[test]
fn an_agent_that_was_started_by_hand_is_waited_for() {
    let mut world = World::new(GOOD);
    let held = File::create(world.state_dir().join("lock")).expect("made");
    held.try_lock().expect("free");
    world.start();
    world.until("it says that it waits", |w| {
        w.log().contains("waiting for its end")
    });
    assert!(world.starts().is_empty());
    drop(held);
    world.runs("old");
}
