//! Four stages, from the first assignment to the last settled machine.

use divan::Bencher;
use pinion_benches::{Drive, Fleet};
use pinion_model::RolloutPhase;

fn begun(machines: usize) -> Fleet {
    let mut fleet = Fleet::new(machines, 1);
    fleet.roll_out(0, 1);
    fleet
}

fn done(fleet: &Fleet) {
    let phases = fleet.world.rollouts.values().map(|rollout| rollout.phase);
    assert!(
        phases
            .into_iter()
            .all(|phase| phase == RolloutPhase::Completed)
    );
}

/// A plan after every round of reports.
#[divan::bench(args = [1_000, 10_000, 100_000], sample_count = 5, sample_size = 1)]
fn in_batches(bencher: Bencher<'_, '_>, machines: usize) {
    let fleet = begun(machines);
    bencher.with_inputs(|| fleet.clone()).bench_refs(|fleet| {
        Drive::new(fleet).in_batches();
        done(fleet);
    });
}

/// A plan after every single report: six of each machine.
#[divan::bench(args = [1_000, 10_000], sample_count = 5, sample_size = 1)]
fn one_by_one(bencher: Bencher<'_, '_>, machines: usize) {
    let fleet = begun(machines);
    bencher.with_inputs(|| fleet.clone()).bench_refs(|fleet| {
        Drive::new(fleet).one_by_one();
        done(fleet);
    });
}
