//! What every store must do, run on each of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{Actor, AgentId, PinNumber, Revision, SessionEpoch, Timestamp};
use pinion_rollout::{Act, Change, Decision, Observation, Pin};

use super::{
    AuditKind, AuditQuery, Changes, CommitError, CutPolicy, MemoryStore, RefusedCall, Snapshot,
    SqliteStore, Store,
};

/// A decision that can be told from the others by its number.
pub(super) fn promoted(number: u64) -> Change {
    let pin = Pin {
        number: PinNumber(number),
        digest: format!("sha256:{number:064x}").parse().expect("a digest"),
        source_sha: None,
        notes: format!("pin {number}"),
        images: [].into(),
        local_tag: "current".into(),
        promoted_by: Actor::System,
        at: Timestamp(number),
    };
    let act = Act::PinPromoted {
        workload: "codex".parse().expect("a name"),
        pin,
    };
    Change::Decision(Decision {
        at: Timestamp(number),
        actor: Actor::System,
        act,
    })
}

pub(super) fn seen(epoch: u64) -> Change {
    let agent: AgentId = "tenant-1".parse().expect("a name");
    let (epoch, at) = (SessionEpoch(epoch), Timestamp(epoch));
    Change::Observation(Observation::Online { agent, epoch, at })
}

/// All commits since the beginning, folded by hand.
fn folded(changes: Changes) -> Snapshot {
    let Changes::Commits(commits) = changes else {
        panic!("cut")
    };
    let mut snapshot = Snapshot::default();
    commits.iter().for_each(|commit| snapshot.apply(commit));
    snapshot
}

fn all(only: Option<AuditKind>) -> AuditQuery {
    AuditQuery {
        before: None,
        limit: 1000,
        only,
    }
}

async fn a_commit_is_loaded_as_it_was_made(store: Arc<dyn Store>) {
    let first = store
        .commit(None, vec![promoted(1), seen(1), promoted(2)])
        .await
        .expect("first");
    let second = store.commit(None, vec![seen(2)]).await.expect("second");
    assert_eq!((first, second), (Revision(1), Revision(2)));
    let loaded = store.load().await.expect("load");
    assert_eq!((loaded.revision, loaded.decisions), (second, first));
    let by_hand = folded(store.changes_since(Revision(0)).await.expect("log"));
    assert_eq!(loaded.world, by_hand.world);
    let workload = loaded
        .world
        .workloads
        .values()
        .next()
        .expect("codex was pinned");
    assert_eq!(workload.pins.len(), 2);
}

async fn only_decisions_conflict(store: Arc<dyn Store>) {
    let decided = store
        .commit(Some(Revision(0)), vec![promoted(1)])
        .await
        .expect("first decision");
    store
        .commit(None, vec![seen(1)])
        .await
        .expect("an observation in between");
    let again = store
        .commit(Some(decided), vec![promoted(2)])
        .await
        .expect("nothing was decided in between");
    let late = store
        .commit(Some(decided), vec![promoted(3), seen(2)])
        .await;
    assert!(
        matches!(late, Err(CommitError::Conflict { current }) if current == again),
        "{late:?}"
    );
    store
        .commit(None, vec![seen(3)])
        .await
        .expect("observations expect nothing");
    let loaded = store.load().await.expect("load");
    assert_eq!((loaded.revision, loaded.decisions), (Revision(4), again));
}

async fn nothing_to_commit_is_no_commit(store: Arc<dyn Store>) {
    let first = store.commit(None, vec![seen(1)]).await.expect("first");
    assert_eq!(
        store.commit(None, Vec::new()).await.expect("nothing"),
        first
    );
    assert_eq!(*store.revisions().borrow(), first);
}

async fn of_64_writers_one_decides_and_all_observe(store: Arc<dyn Store>) {
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..64 {
        let store = store.clone();
        writers.spawn(async move {
            let decided = store.commit(Some(Revision(0)), vec![promoted(n)]).await;
            let observed = store.commit(None, vec![seen(n), seen(n)]).await;
            (decided, observed.expect("observations never conflict"))
        });
    }
    let outcomes = writers.join_all().await;
    let decided = outcomes
        .iter()
        .filter(|(decided, _)| decided.is_ok())
        .count();
    assert_eq!(decided, 1);
    let revisions: BTreeSet<_> = outcomes.iter().map(|(_, observed)| *observed).collect();
    assert_eq!(
        revisions.len(),
        64,
        "every commit has a revision of its own"
    );
    let Changes::Commits(commits) = store.changes_since(Revision(0)).await.expect("log") else {
        panic!("cut")
    };
    let in_order: Vec<_> = commits.iter().map(|commit| commit.revision.0).collect();
    assert_eq!(in_order, (1..=65).collect::<Vec<_>>());
}

async fn followers_see_every_commit(store: Arc<dyn Store>) {
    let mut revisions = store.revisions();
    store.commit(None, vec![seen(1)]).await.expect("first");
    revisions.changed().await.expect("the store lives");
    assert_eq!(*revisions.borrow_and_update(), Revision(1));
    let last = store.commit(None, vec![seen(2)]).await.expect("second");
    revisions
        .wait_for(|revision| *revision == last)
        .await
        .expect("the store lives");
    let Changes::Commits(commits) = store.changes_since(Revision(1)).await.expect("log") else {
        panic!("cut")
    };
    assert_eq!(
        commits
            .iter()
            .map(|commit| commit.revision)
            .collect::<Vec<_>>(),
        [last]
    );
    let Changes::Commits(commits) = store.changes_since(last).await.expect("log") else {
        panic!("cut")
    };
    assert!(commits.is_empty());
}

/// With a policy of 10 decisions.
async fn a_cut_loses_nothing_but_old_changes(store: Arc<dyn Store>) {
    let mut by_hand = Snapshot::default();
    for n in 1..=25 {
        let changes = vec![promoted(n), seen(n)];
        let revision = store.commit(None, changes.clone()).await.expect("commit");
        by_hand.apply(&super::Commit {
            revision,
            changes: changes.into(),
        });
    }
    let mut polls = 0;
    while !matches!(
        store.changes_since(Revision(0)).await.expect("log"),
        Changes::Compacted
    ) {
        polls += 1;
        assert!(polls < 1000, "the log was never cut");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let loaded = store.load().await.expect("load");
    assert_eq!(
        (loaded.revision, loaded.decisions),
        (by_hand.revision, by_hand.decisions)
    );
    assert_eq!(loaded.world, by_hand.world);
    assert_eq!(store.audit(all(None)).await.expect("audit").len(), 25);
    let next = store
        .commit(Some(loaded.decisions), vec![promoted(26)])
        .await
        .expect("goes on");
    assert_eq!(next, Revision(26));
}

async fn the_audit_log_is_read_in_pages(store: Arc<dyn Store>) {
    for n in 1..=7 {
        store
            .commit(None, vec![promoted(n / 2), seen(n)])
            .await
            .expect("commit");
    }
    let call = |at, detail: &str| RefusedCall {
        at: Timestamp(at),
        actor: None,
        subject: "/pinion.v1.PinService/PromotePin".to_owned(),
        detail: detail.to_owned(),
        count: 2,
    };
    store
        .add_refused(vec![call(2, "no token"), call(2, "viewer")])
        .await
        .expect("refused");
    store
        .add_refused(vec![call(3, "no token")])
        .await
        .expect("refused");
    let whole = store.audit(all(None)).await.expect("audit");
    assert_eq!(whole.len(), 9);
    assert!(whole.is_sorted_by(|a, b| a.at >= b.at), "newest first");
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let query = AuditQuery {
            before,
            limit: 2,
            only: None,
        };
        let page = store.audit(query).await.expect("page");
        let Some(last) = page.last() else { break };
        before = Some(last.cursor.to_string().parse().expect("a page token"));
        paged.extend(page);
    }
    assert_eq!(paged, whole);
    let decided = store.audit(all(Some(AuditKind::Decision))).await;
    let decided = decided.expect("decided");
    assert!(decided.len() == 7 && decided.iter().all(|e| e.revision.is_some()));
    let refused = store
        .audit(all(Some(AuditKind::Refusal)))
        .await
        .expect("refused");
    let sums: Vec<_> = refused
        .iter()
        .map(|e| (e.detail.as_str(), e.count, e.at.0))
        .collect();
    assert_eq!(sums, [("no token", 4, 3), ("viewer", 2, 2)]);
    assert!(
        refused
            .iter()
            .all(|e| e.action == "call.refused" && e.revision.is_none())
    );
    let decision = whole
        .iter()
        .find(|e| e.revision == Some(Revision(7)))
        .expect("the last pin");
    assert_eq!(
        (decision.actor.as_ref(), decision.count),
        (Some(&Actor::System), 1)
    );
    assert_eq!(decision.action, "pin.promoted");
}

macro_rules! on_every_store {
    ($($name:ident $(with $policy:expr)?),+ $(,)?) => { $(
        mod $name {
            use super::*;

            fn policy() -> CutPolicy {
                #[allow(unused_variables)]
                let policy = CutPolicy::default();
                $(let policy = $policy;)?
                policy
            }

            #[tokio::test]
            async fn in_memory() {
                super::$name(Arc::new(MemoryStore::new(policy()))).await;
            }

            #[tokio::test]
            async fn in_sqlite() {
                let directory = tempfile::tempdir().expect("a directory");
                let path = directory.path().join("pinion.db");
                super::$name(Arc::new(SqliteStore::open(path, policy()).await.expect("open"))).await;
            }
        }
    )+ };
}

on_every_store!(
    a_commit_is_loaded_as_it_was_made,
    only_decisions_conflict,
    nothing_to_commit_is_no_commit,
    of_64_writers_one_decides_and_all_observe,
    followers_see_every_commit,
    a_cut_loses_nothing_but_old_changes with CutPolicy { decisions: 10, ..CutPolicy::default() },
    the_audit_log_is_read_in_pages,
);
