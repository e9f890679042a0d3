//! Every scene with every fault at every place where it may come: no sampling.
//!
//! ```text
//!   scenes   what stands on the machine, what the next image does, how it ends   one line each
//!   faults   at a call, a look, a question, a write: all numbers of each         from a run without
//!   check    what the machine is in the end, and never was in between
//! ```
//!
//! `PINION_SCENE="a group"` plays one scene alone; `PINION_TORTURE=long` plays
//! also what takes too long for each change.

mod check;
mod faults;
mod scenes;

use faults::{Death, Fault, Meanwhile};
use pinion_model::AgentPhase;
use proptest::prelude::*;
use scenes::{SCENES, Scene};

use crate::driver::fake::{CallFault, Crash, LookFault};

const BOTH: [Crash; 2] = [Crash::Before, Crash::After];

/// Looks times containers: beyond that a scene takes too long for each change
/// where every look may go wrong in a way for each container.
const MANY: usize = 130;

/// Plays all scenes, each with all faults that `faults` makes of its run without one.
async fn all(faults: impl Fn(&Scene, &faults::Places) -> Vec<Fault>) {
    play(usize::MAX, faults).await;
}

/// The same without those of many looks, but for the long form.
async fn all_small(faults: impl Fn(&Scene, &faults::Places) -> Vec<Fault>) {
    let limit = if scenes::is_long() { usize::MAX } else { MANY };
    play(limit, faults).await;
}

async fn play(limit: usize, faults: impl Fn(&Scene, &faults::Places) -> Vec<Fault>) {
    let only = std::env::var("PINION_SCENE").ok();
    let mut played = 0;
    let is_asked_for = |scene: &&Scene| only.as_ref().is_none_or(|only| only == scene.name);
    for scene in SCENES.iter().filter(is_asked_for) {
        let places = scene.play(&Fault::None).await;
        assert!(
            places.calls > 0 && places.looks > 0,
            "{}: nothing happens",
            scene.name
        );
        if places.looks * scene.size() > limit {
            continue;
        }
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
    at_each(places.calls, meanwhile)
        .map(|death| Fault::Deaths(vec![death]))
        .collect()
}

fn at_each(calls: usize, meanwhile: Meanwhile) -> impl Iterator<Item = Death> {
    (0..calls).flat_map(move |after| {
        BOTH.map(|when| Death {
            after,
            when,
            meanwhile,
        })
    })
}

/// What is noted in memory alone goes with the agent that dies on a full disk.
fn full(scene: &Scene, places: &faults::Places) -> Vec<Fault> {
    let once = (0..places.writes).map(Fault::FullOnce);
    match scene.end {
        AgentPhase::RollbackFailed => once.collect(),
        _ => once.chain((0..places.writes).map(Fault::Full)).collect(),
    }
}

fn looks(places: &faults::Places, faults: &[LookFault]) -> Vec<Fault> {
    let at = |look| faults.iter().map(move |fault| Fault::Look(look, *fault));
    (0..places.looks).flat_map(at).collect()
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
async fn a_lock_that_is_taken_after_any_call_holds_what_is_not_cut_yet() {
    all(|scene, places| match scene.lock.is_zero() {
        true => (0..places.calls).map(Fault::Lock).collect(),
        false => Vec::new(),
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lacks_something_leads_to_no_conclusion() {
    all_small(|scene, places| {
        let lacks = (0..2 * scene.size()).map(LookFault::Lacks);
        looks(places, &lacks.chain([LookFault::Empty]).collect::<Vec<_>>())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_state_that_is_wrong_leads_to_no_conclusion() {
    all_small(|scene, places| {
        let wrong = (0..2 * scene.size()).map(LookFault::WrongState);
        looks(places, &wrong.collect::<Vec<_>>())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_come_leads_to_no_conclusion() {
    all_small(|_, places| looks(places, &[LookFault::NoAnswer, LookFault::Hangs])).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_about_one_thing_that_makes_no_sense_leads_to_no_conclusion() {
    all_small(|_, places| faults::unread(places)).await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_is_full_at_any_write_stops_no_way_back() {
    all(full).await;
}

/// Two deaths: at each call, and at each call of what goes on after it.
#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_twice_goes_on() {
    let mut played = 0;
    for scene in SCENES.iter().filter(|scene| scene.is_played_in_pairs()) {
        let places = scene.play(&Fault::None).await;
        for meanwhile in [Meanwhile::Nothing, Meanwhile::JournalLost] {
            for first in at_each(places.calls, meanwhile) {
                let left = scene.play(&Fault::Deaths(vec![first])).await.calls - first.after;
                for second in at_each(left, Meanwhile::Nothing) {
                    scene.play(&Fault::Deaths(vec![first, second])).await;
                    played += 1;
                }
            }
        }
    }
    println!("{played} plays");
}

fn death() -> impl Strategy<Value = Death> {
    let when = prop_oneof![Just(Crash::Before), Just(Crash::After)];
    let meanwhile = prop_oneof![3 => Just(Meanwhile::Nothing), 1 => Just(Meanwhile::JournalLost)];
    (0..8_usize, when, meanwhile).prop_map(|(after, when, meanwhile)| Death {
        after,
        when,
        meanwhile,
    })
}

fn that_goes_back() -> impl Strategy<Value = &'static Scene> {
    let ends = |scene: &&Scene| scene.end != AgentPhase::RollbackFailed;
    prop::sample::select(SCENES.iter().filter(ends).collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_agent_that_dies_again_and_again_gets_there(
        scene in that_goes_back(),
        deaths in prop::collection::vec(death(), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(scene.play(&Fault::Deaths(deaths)));
    }
}
