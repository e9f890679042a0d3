use pinion_workload::Accepted;

use super::*;

fn journal(directory: &Path) -> Journal {
    Journal::open(directory).expect("a writable directory")
}

fn desired(generation: u64) -> Desired {
    Desired {
        generation: Generation(generation),
        ..Desired::default()
    }
}

fn codex() -> WorkloadName {
    "codex".parse().expect("a name")
}

#[test]
fn what_was_written_is_there_after_it_is_opened_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let accepted = Some(Accepted {
        generation: Generation(3),
        at: Timestamp(7),
    });
    let record = Record {
        accepted,
        ..Record::default()
    };
    let first = journal(directory.path());
    first.accept(desired(3)).expect("the first");
    first.write(&codex(), record.clone()).expect("room");

    let again = journal(directory.path());
    assert_eq!(again.generation(), Generation(3));
    assert_eq!(again.record(&codex()), record);
}

#[test]
fn a_lower_generation_is_refused_and_changes_nothing() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = journal(directory.path());
    journal.accept(desired(5)).expect("the first");
    let refused = journal.accept(desired(4)).expect_err("older");
    assert_eq!(
        refused.to_string(),
        "generation 4 is older than 5, which this agent has accepted"
    );
    assert_eq!(journal.desired(), desired(5));
    journal.accept(desired(5)).expect("the same again");
}

#[test]
fn a_damaged_file_is_set_aside_and_the_others_are_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let first = journal(directory.path());
    first.accept(desired(5)).expect("the first");
    first.write(&codex(), Record::default()).expect("room");
    let file = directory.path().join("journal/workloads/codex.slots");
    std::fs::write(&file, b"{\"accepted\": {").expect("writable");

    let again = journal(directory.path());
    assert_eq!(again.generation(), Generation(5));
    assert!(again.records().is_empty());
    assert!(!file.exists());
    assert!(
        file.with_extension("damaged-1").exists(),
        "kept for a person to look at"
    );
}

#[test]
fn half_a_file_from_a_crash_is_never_read() {
    let directory = tempfile::tempdir().expect("a directory");
    journal(directory.path())
        .write(&codex(), Record::default())
        .expect("room");
    std::fs::write(directory.path().join("journal/workloads/codex.next"), b"{").expect("writable");
    assert_eq!(journal(directory.path()).records().len(), 1);
}

#[test]
fn what_cannot_be_written_is_not_held_either() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = journal(directory.path());
    std::fs::remove_dir_all(directory.path().join("journal")).expect("removable");
    assert!(journal.write(&codex(), Record::default()).is_err());
    assert!(journal.accept(desired(1)).is_err());
    assert!(journal.records().is_empty());
    assert_eq!(journal.generation(), Generation(0));
}

fn begun(words: usize) -> Record {
    let operation = pinion_workload::Operation {
        waiting_for: "x".repeat(words),
        ..pinion_workload::Operation::new(&assignment(), Timestamp(1), 0, Timestamp(1))
    };
    Record {
        operation: Some(operation),
        ..Record::default()
    }
}

fn assignment() -> pinion_workload::Assignment {
    pinion_workload::Assignment {
        workload: codex(),
        generation: Generation(1),
        attempt: pinion_model::Attempt(1),
        rollout: None,
        stage: None,
        run: Vec::new(),
        prefetch: Vec::new(),
        received_at: Timestamp(0),
        start_within: std::time::Duration::ZERO,
        healthy_deadline: std::time::Duration::ZERO,
        min_healthy: std::time::Duration::ZERO,
        soak: std::time::Duration::ZERO,
        defer_within: std::time::Duration::ZERO,
        in_use: pinion_model::InUse::Fail,
        local_tag: String::new(),
    }
}

#[test]
fn what_began_finds_its_room_whatever_it_has_to_say_in_the_end() {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = journal(directory.path());
    let file = directory.path().join("journal/workloads/codex.slots");
    journal.write(&codex(), begun(0)).expect("room");
    let size = || std::fs::metadata(&file).expect("there").len();
    let before = size();
    let mut ended = begun(32 * 1024);
    if let Some(operation) = &mut ended.operation {
        operation.stage = Stage::RollBack;
    }
    journal.write(&codex(), ended.clone()).expect("it fits");
    assert_eq!(
        size(),
        before,
        "a disk that is full by now has nothing to give"
    );
    assert_eq!(self::journal(directory.path()).record(&codex()), ended);
    // The next one to begin has as much room again.
    journal.write(&codex(), begun(220 * 1024)).expect("room");
    assert!(size() > before);
}

#[test]
fn what_is_held_in_memory_alone_is_written_when_there_is_room_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let disk = faults::Disk::default();
    let journal = journal(directory.path()).on(&disk);
    disk.is_full(0..2);
    assert!(journal.write(&codex(), begun(0)).is_err());
    journal.hold(&codex(), begun(1));
    assert!(!journal.flush(), "it is full");
    assert_eq!(journal.record(&codex()), begun(1));
    assert!(journal.flush());
    assert_eq!(self::journal(directory.path()).record(&codex()), begun(1));
}

#[test]
fn a_clock_whose_base_cannot_be_kept_does_not_keep_the_journal_closed() {
    let directory = tempfile::tempdir().expect("a directory");
    journal(directory.path())
        .write(&codex(), begun(0))
        .expect("room");
    let clock = directory.path().join("journal/clock.json");
    std::fs::remove_file(&clock).expect("there");
    std::fs::create_dir(&clock).expect("in the way");
    assert_eq!(journal(directory.path()).record(&codex()), begun(0));
}
