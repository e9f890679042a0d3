//! Kills, full disks and faults on real engines, at random moments of updates. What must hold is
//! read from the engine after each. The short form is part of `make test`; `make torture` runs the
//! long one (`PINION_TORTURE=long`). A seed that was printed plays the same moments again
//! (`PINION_TEST_SEED`).

mod agents;
mod disks;
mod engines;
mod invariants;
mod moment;
mod registry;
mod size;
mod sockets;
