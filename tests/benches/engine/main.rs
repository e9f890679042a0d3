//! How long the rollout engine takes: to plan, and for a whole rollout.
//!
//! Words choose among the measurements by name: `plan`, `rollout`.

mod plan;
mod rollout;

fn main() {
    divan::Divan::from_args().run_benches();
}
