use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

fn at(dir: &Path, now: &Arc<AtomicU64>) -> Leases {
    let now = Arc::clone(now);
    Leases::open(
        dir,
        Clock::new(move || Timestamp(now.load(Ordering::SeqCst))),
    )
}

fn wanted(owner: &str) -> Wanted {
    Wanted {
        workload: None,
        owner: owner.to_owned(),
        reason: "dump".to_owned(),
        ttl: Duration::from_secs(60),
    }
}

#[test]
fn a_lock_outlives_the_agent_and_no_longer_than_it_says() {
    let dir = tempfile::tempdir().expect("directory");
    let now = Arc::new(AtomicU64::new(1_000));
    let taken = at(dir.path(), &now).take(wanted("backup")).expect("taken");
    let after_restart = at(dir.path(), &now);
    assert_eq!(after_restart.list(), std::slice::from_ref(&taken));
    let lease = &after_restart.all(Timestamp(1_000))[0];
    let codex = "codex".parse().expect("name");
    assert!(lease.holds(&codex, Timestamp(60_999)) && !lease.holds(&codex, Timestamp(61_000)));
    now.store(61_000, Ordering::SeqCst);
    assert!(after_restart.list().is_empty());
    assert!(matches!(
        after_restart.renew(&taken.id, None),
        Err(LeaseError::Unknown(_))
    ));
}

#[test]
fn what_cannot_be_read_counts_as_a_lock_that_a_person_can_release() {
    let dir = tempfile::tempdir().expect("directory");
    std::fs::write(dir.path().join(FILE), "{torn").expect("file");
    let leases = at(dir.path(), &Arc::new(AtomicU64::new(1_000)));
    let [lock] = &leases.list()[..] else {
        panic!("one stands for all");
    };
    assert!(lock.reason.contains("cannot be read"), "{}", lock.reason);
    leases.release(&lock.id).expect("released");
    assert!(leases.all(Timestamp(1_000)).is_empty());
}

#[test]
fn what_cannot_be_written_is_not_held() {
    let dir = tempfile::tempdir().expect("directory");
    let leases = at(&dir.path().join("gone"), &Arc::new(AtomicU64::new(1_000)));
    assert!(matches!(
        leases.take(wanted("backup")),
        Err(LeaseError::Write { .. })
    ));
    assert!(leases.list().is_empty());
}

#[test]
fn there_are_no_more_than_a_machine_can_list() {
    let dir = tempfile::tempdir().expect("directory");
    let leases = at(dir.path(), &Arc::new(AtomicU64::new(1_000)));
    for owner in 0..LIMIT {
        leases.take(wanted(&owner.to_string())).expect("taken");
    }
    assert!(matches!(
        leases.take(wanted("one more")),
        Err(LeaseError::Full)
    ));
    leases.take(wanted("7")).expect("the same again");
}

#[tokio::test]
async fn whoever_waits_is_told_of_a_change() {
    let dir = tempfile::tempdir().expect("directory");
    let leases = at(dir.path(), &Arc::new(AtomicU64::new(1_000)));
    let lock = leases.take(wanted("backup")).expect("taken");
    leases.changed().await;
    leases.release(&lock.id).expect("released");
    leases.changed().await;
}
