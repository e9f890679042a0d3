//! Every scene with every fault at every place where it may come: no sampling.
//!
//! ```text
//!   scenes   what stands on the machine, what the next image does, how it ends   one line each
//!   faults   at a call, a look, a question, a write: all numbers of each         from a run without
//!   check    what the machine is in the end, and never was in between
//! ```

mod check;
mod faults;
mod scenes;

use faults::{Fault, Meanwhile};
use pinion_model::AgentPhase;
use scenes::{SCENES, Scene};

use crate::driver::fake::{CallFault, Crash};

const BOTH: [Crash; 2] = [Crash::Before, Crash::After];

/// Plays all scenes, each with all faults that `faults` makes of its run without one.
async fn all(faults: impl Fn(&Scene, &faults::Places) -> Vec<Fault>) {
    let only = std::env::var("PINION_SCENE").ok();
    let mut played = 0;
    for scene in SCENES {
        if only.as_ref().is_some_and(|only| only != scene.name) {
            continue;
        }
        let places = scene.play(&Fault::None).await;
        assert!(
            places.calls > 0 && places.looks > 0,
            "{}: nothing happens",
            scene.name
        );
        for fault in faults(scene, &places) {
            scene.play(&fault).await;
            played += 1;
        }
    }
    println!("{played} plays");
}

/// That going back failed is noted in the journal alone: without one, it is tried anew.
fn deaths_without_journal(
    scene: &Scene,
    places: &faults::Places,
    meanwhile: Meanwhile,
) -> Vec<Fault> {
    match scene.end {
        AgentPhase::RollbackFailed => Vec::new(),
        _ => deaths(places, meanwhile),
    }
}

fn deaths(places: &faults::Places, meanwhile: Meanwhile) -> Vec<Fault> {
    let at = |call| {
        BOTH.map(|when| Fault::Death {
            call,
            when,
            meanwhile,
        })
    };
    (0..places.calls).flat_map(at).collect()
}

fn calls(places: &faults::Places, fault: impl Fn(Crash) -> CallFault) -> Vec<Fault> {
    let at = |call| BOTH.map(|when| Fault::Call(call, fault(when)));
    (0..places.calls).flat_map(at).collect()
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_at_any_call_goes_on_from_its_journal() {
    all(|_, places| deaths(places, Meanwhile::Nothing)).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_and_loses_its_journal_goes_on_from_names_and_labels() {
    all(|scene, places| deaths_without_journal(scene, places, Meanwhile::JournalLost)).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_with_its_engine_goes_on() {
    all(|_, places| deaths(places, Meanwhile::EngineRestarts)).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_with_its_engine_and_loses_its_journal_goes_on() {
    all(|scene, places| deaths_without_journal(scene, places, Meanwhile::BothLost)).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_not_taken_for_a_failure() {
    all(|_, places| calls(places, CallFault::NoAnswer)).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_hangs_is_waited_for() {
    all(|_, places| calls(places, CallFault::Hangs)).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_restarts_at_any_call_is_not_the_images_fault() {
    all(|_, places| calls(places, CallFault::EngineRestarts)).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_ends_well_or_is_taken_back() {
    let refused = |call| Fault::Call(call, CallFault::Refused);
    all(|_, places| (0..places.calls).map(refused).collect()).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_makes_no_sense_leads_to_no_conclusion() {
    all(|scene, places| faults::nonsense(places, 2 * scene.containers.len())).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_one_thing_that_makes_no_sense_leads_to_no_conclusion() {
    all(|_, places| faults::unread(places)).await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_at_any_write_stops_no_way_back() {
    all(|_, places| faults::full(places)).await;
}

/// Two deaths: at each call, and at each call of what goes on after it.
#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_twice_goes_on() {
    let mut played = 0;
    for scene in SCENES.iter().filter(|scene| scene.is_played_in_pairs()) {
        let places = scene.play(&Fault::None).await;
        let meanwhiles = [Meanwhile::Nothing, Meanwhile::JournalLost];
        for first in meanwhiles.map(|m| deaths(&places, m)).concat() {
            let left = scene.play(&first).await.calls - first.call();
            for second in 0..left {
                for when in BOTH {
                    let first = Box::new(first.clone());
                    let second = faults::Second {
                        after: second,
                        when,
                    };
                    scene.play(&Fault::Deaths { first, second }).await;
                    played += 1;
                }
            }
        }
    }
    println!("{played} plays");
}
