use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;

use super::*;
use crate::store::conformance::{promoted, seen};

async fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, CutPolicy::default()).await
}

/// A closed store with some commits in it.
async fn filled(path: &Path) {
    let store = open(path).await.expect("open");
    for n in 1..=50 {
        store
            .commit(None, vec![promoted(n), seen(n)])
            .await
            .expect("commit");
    }
    store.close().await;
}

/// Opening is refused, and the file is what it was.
async fn refused(path: &Path) -> StoreError {
    let before = std::fs::read(path).expect("the file");
    let error = open(path).await.expect_err("refused");
    assert!(
        std::fs::read(path).expect("the file") == before,
        "the file was touched"
    );
    error
}

#[tokio::test]
async fn what_was_committed_is_there_after_a_reopen() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    filled(&path).await;
    let store = open(&path).await.expect("open again");
    let loaded = store.load().await.expect("load");
    assert_eq!(
        (loaded.revision, loaded.decisions),
        (Revision(50), Revision(50))
    );
    let next = store
        .commit(Some(loaded.decisions), vec![promoted(51)])
        .await;
    assert_eq!(next.expect("goes on"), Revision(51));
}

#[tokio::test]
async fn a_second_opener_is_refused_while_the_first_lives() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    let store = open(&path).await.expect("open");
    let error = open(&path).await.expect_err("in use");
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    store.close().await;
    open(&path).await.expect("free again").close().await;
}

#[tokio::test]
async fn a_file_that_another_program_holds_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    filled(&path).await;
    let other = Connection::open(&path).expect("open");
    other
        .execute_batch(
            "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; DELETE FROM refused_call;",
        )
        .expect("hold it");
    let error = refused(&path).await;
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    filled(&path).await;
    let newer =
        "INSERT INTO refinery_schema_history SELECT 999, 'from_the_future', applied_on, checksum
                 FROM refinery_schema_history LIMIT 1";
    Connection::open(&path)
        .and_then(|file| file.execute_batch(newer))
        .expect("make it newer");
    let error = refused(&path).await;
    assert!(
        matches!(
            error,
            StoreError::Newer {
                found: 999,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    Connection::open(&path)
        .and_then(|file| file.execute_batch("CREATE TABLE mine (a)"))
        .expect("theirs");
    let error = refused(&path).await;
    assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_refused_wherever_the_damage_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    filled(&path).await;
    let whole = std::fs::read(&path).expect("the file");
    for (at, length) in [
        (0, 100),
        (4096, 4096),
        (whole.len() / 2, 2048),
        (whole.len() - 4096, 4096),
    ] {
        let mut damaged = whole.clone();
        damaged[at..at + length].fill(0xa5);
        std::fs::write(&path, &damaged).expect("damage it");
        let error = refused(&path).await;
        assert!(
            matches!(error, StoreError::Corrupt { .. }),
            "at {at}: {error}"
        );
    }
    std::fs::write(
        &path,
        b"this is no database, but some text that is long enough",
    )
    .expect("replace it");
    assert!(matches!(refused(&path).await, StoreError::Corrupt { .. }));
}

#[tokio::test]
async fn a_first_start_that_was_cut_short_is_made_good() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    std::fs::write(&path, b"").expect("an empty file");
    open(&path).await.expect("open").close().await;
}

#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    let store = open(&path).await.expect("open");
    store.commit(None, vec![seen(1)]).await.expect("commit");
    let files: Vec<_> = std::fs::read_dir(directory.path())
        .expect("list")
        .map(|f| f.expect("file"))
        .collect();
    assert!(files.len() >= 3, "database, log and lock: {files:?}");
    for file in files {
        let mode = file.metadata().expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn a_full_disk_refuses_commits_and_loses_none_that_was_acknowledged() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    let database = open::open(&path).expect("open");
    database
        .connection
        .pragma_update(None, "max_page_count", 40)
        .expect("a small disk");
    let store = SqliteStore::start(&path, database, CutPolicy::default()).expect("start");
    let (mut last, mut refused) = (Revision(0), 0);
    for n in 1..1000 {
        match store.commit(None, vec![promoted(n), seen(n)]).await {
            Ok(revision) => last = revision,
            Err(error) => {
                assert!(
                    !matches!(error, CommitError::Store(StoreError::Stopped)),
                    "{error}"
                );
                refused += 1;
            }
        }
    }
    assert!(
        last > Revision(0) && refused > 0,
        "{last} committed, {refused} refused"
    );
    let loaded = store.load().await.expect("what is there can be read");
    assert_eq!(loaded.revision, last);
    store.close().await;
    let store = open(&path).await.expect("open again, with room");
    let next = store.commit(None, vec![promoted(1000)]).await;
    assert_eq!(next.expect("there is room"), last.next());
}

const CHILD: &str = "PINION_TEST_STORE";

/// Not a test by itself: commits and says so until it is killed.
#[tokio::test]
#[ignore = "run as a child by every_acknowledged_commit_survives_a_kill"]
async fn child_that_commits() {
    let path = std::env::var(CHILD).expect("a path");
    let policy = CutPolicy {
        decisions: 100,
        ..CutPolicy::default()
    };
    let store = SqliteStore::open(path, policy).await.expect("open");
    let mut writers = tokio::task::JoinSet::new();
    let store = Arc::new(store);
    for writer in 0..8 {
        let store = store.clone();
        writers.spawn(async move {
            for n in 0.. {
                let revision = store
                    .commit(None, vec![promoted(n), seen(n)])
                    .await
                    .expect("commit");
                println!("acknowledged {revision} {writer} {n}");
            }
        });
    }
    writers.join_all().await;
}

#[tokio::test]
async fn every_acknowledged_commit_survives_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pinion.db");
    let mut last = Revision(0);
    for lines in [1, 150, 1000] {
        last = killed_after(lines, &path).max(last);
        let store = open(&path).await.expect("the lock went with the process");
        let loaded = store.load().await.expect("load");
        assert!(
            loaded.revision >= last,
            "{} is lost: {}",
            last,
            loaded.revision
        );
        let workload = loaded.world.workloads.values().next().expect("pins");
        assert_eq!(
            workload.pins.len() as u64,
            loaded.revision.0,
            "each commit whole, none twice"
        );
        store.close().await;
    }
}

/// The highest revision that a child acknowledged before it was killed.
fn killed_after(lines: usize, path: &Path) -> Revision {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--ignored",
            "--nocapture",
            "--exact",
            "store::sqlite::tests::child_that_commits",
        ])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("start the child");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let acknowledged = output.lines().map_while(Result::ok).filter_map(|line| {
        let (_, rest) = line.split_once("acknowledged ")?;
        rest.split(' ').next()?.parse().ok().map(Revision)
    });
    let mut acknowledged = acknowledged;
    let mut last = Revision(0);
    for _ in 0..lines {
        last = last.max(acknowledged.next().expect("the child ended early"));
    }
    child.kill().expect("kill it");
    last = acknowledged.fold(last, Ord::max);
    child.wait().expect("it has ended");
    last
}
