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
    let file = directory.path().join("journal/workloads/codex.json");
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
    std::fs::write(
        directory.path().join("journal/workloads/codex.json.next"),
        b"{",
    )
    .expect("writable");
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
