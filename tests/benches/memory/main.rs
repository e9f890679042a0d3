//! How much memory a world takes, as its allocations were asked for and as the
//! operating system counts them.

use std::alloc::System;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter};
use std::path::Path;

use pinion_benches::{Drive, Fleet};
use pinion_rollout::World;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const MACHINES: usize = 100_000;
const WORKLOADS: usize = 9;

fn main() {
    let file = tempfile::NamedTempFile::new().expect("there is room for a file");
    lived(file.path());
    read(file.path());
}

/// Nine workloads, each with a container on every machine and a finished rollout.
fn lived(file: &Path) {
    let before = asked();
    let mut fleet = Fleet::new(MACHINES, WORKLOADS);
    print("that was just enrolled", asked() - before);
    for w in 0..WORKLOADS {
        fleet.roll_out(w, 1 + w);
        Drive::new(&mut fleet).in_batches();
    }
    print("that took each workload to every machine", asked() - before);
    let file = File::create(file).expect("the file is ours");
    serde_json::to_writer(BufWriter::new(file), &fleet.world).expect("a world is written");
}

/// The same one, as a coordinator reads it when it starts.
fn read(path: &Path) {
    let before = asked();
    let file = File::open(path).expect("the file is ours");
    let world: World = serde_json::from_reader(BufReader::new(file)).expect("a world is read");
    let bytes = fs::metadata(path).expect("the file is ours").len();
    let what = format!("that was read back from {} MiB", bytes >> 20);
    print(&what, asked() - before);
    drop(world);
}

fn print(what: &str, bytes: usize) {
    println!(
        "a world of {MACHINES} machines with {WORKLOADS} workloads {what}: {} MiB, {} bytes a machine and workload ({} MiB resident)",
        bytes >> 20,
        bytes / (MACHINES * WORKLOADS),
        resident() >> 20,
    );
}

/// Bytes that were asked for and not given back.
fn asked() -> usize {
    let stats = COUNTED.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// What this process holds in memory, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    kibibytes.expect("Linux says it in kB") * 1024
}
