use std::collections::BTreeSet;

use pinion_model::{AgentId, PinNumber};
use pinion_rollout::Certificate;
use pinion_rollout::commands::{
    Claim, CreateToken, NewToken, Promote, Promoted, Redeem, create_token, promote, redeem,
};

use super::*;
use crate::sessions::tests::bench::{GatedStore, somebody, workload};
use crate::store::{AuditKind, CutPolicy, MemoryStore};

/// Pins the n-th of many digests.
fn pin(n: u64) -> impl Fn(&World, Timestamp) -> Result<Outcome<Promoted>, Refusal> {
    let request = Promote {
        workload: workload(),
        digest: format!("sha256:{n:064x}").parse().expect("a digest"),
        source_sha: None,
        notes: String::new(),
        images: vec![pinion_model::Image {
            registry: "ghcr".parse().expect("a name"),
            repository: "ghcr.io/a/codex".parse().expect("a repository"),
        }],
        local_tag: "current".to_owned(),
        auto: None,
    };
    move |world, now| promote(world, request.clone(), &somebody(), now)
}

fn pins(ledger: &Ledger) -> usize {
    ledger.read(|world| {
        world
            .workloads
            .get(&workload())
            .map_or(0, |known| known.pins.len())
    })
}

async fn decide_at_once(ledger: &Arc<Ledger>, writers: u64) -> BTreeSet<PinNumber> {
    let mut decisions = tokio::task::JoinSet::new();
    for n in 1..=writers {
        let ledger = ledger.clone();
        decisions.spawn(async move {
            let decided = ledger
                .decide(pin(n))
                .await
                .expect("it is made again until it passes");
            let applied = ledger.read(|world| world.workloads[&workload()].pins.len() as u64);
            assert!(
                applied >= decided.value.pin.number.0,
                "answered before it was applied"
            );
            decided.value.pin.number
        });
    }
    decisions.join_all().await.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_at_once_all_happen_one_after_the_other() {
    let ledger = Ledger::open(Arc::new(MemoryStore::default()))
        .await
        .expect("open");
    let numbers = decide_at_once(&ledger, 32).await;
    assert_eq!(numbers, (1..=32).map(PinNumber).collect());
}

/// How many of so many keys, all at once, get in by a token for 100.
async fn redeemed(keys: u32) -> usize {
    let ledger = Ledger::open(Arc::new(MemoryStore::default()))
        .await
        .expect("open");
    let token = CreateToken {
        id: "t1".to_owned(),
        secret_hash: "secret".to_owned(),
        kind: NewToken::Enrollment {
            agent: None,
            labels: Default::default(),
            max_uses: 100,
        },
        expires_at: Some(Timestamp(u64::MAX)),
    };
    let create = |world: &World, now| create_token(world, token.clone(), &somebody(), now);
    ledger.decide(create).await.expect("created");
    let mut machines = tokio::task::JoinSet::new();
    for n in 0..keys {
        let ledger = ledger.clone();
        machines.spawn(async move {
            let claim = claim(n);
            let decided = ledger.decide(|world, now| redeem(world, claim.clone(), now));
            match decided.await {
                Ok(_) => true,
                Err(DecideError::Refused(Refusal::Precondition { .. })) => false,
                Err(error) => panic!("{error}"),
            }
        });
    }
    let inside = machines
        .join_all()
        .await
        .into_iter()
        .filter(|inside| *inside);
    let inside = inside.count();
    assert_eq!(ledger.read(|world| world.agents.len()), inside);
    inside
}

fn claim(n: u32) -> Redeem {
    let agent: AgentId = format!("machine-{n}").parse().expect("a name");
    Redeem {
        claim: Claim {
            secret_hash: "secret".to_owned(),
            key: format!("key {n}"),
            wanted: Some(agent.clone()),
        },
        agent,
        certificate: Certificate {
            fingerprint: format!("fingerprint {n}"),
            serial: n.to_string(),
            not_after: Timestamp(u64::MAX),
        },
        encoded: String::new(),
    }
}

// In one thread every decision is made from the World that the one before left
// to all others: the most contention there can be.
#[tokio::test]
async fn a_token_for_100_lets_100_keys_in_that_come_at_once_and_no_more() {
    assert_eq!(redeemed(100).await, 100);
    assert_eq!(redeemed(150).await, 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_cut_all_the_time_is_followed_all_the_same() {
    let policy = CutPolicy {
        decisions: 2,
        ..CutPolicy::default()
    };
    let ledger = Ledger::open(Arc::new(MemoryStore::new(policy)))
        .await
        .expect("open");
    let numbers = decide_at_once(&ledger, 32).await;
    assert_eq!(numbers, (1..=32).map(PinNumber).collect());
}

#[tokio::test]
async fn a_refusal_and_an_answer_without_changes_commit_nothing() {
    let ledger = Ledger::open(Arc::new(MemoryStore::default()))
        .await
        .expect("open");
    let first = ledger.decide(pin(1)).await.expect("pinned");
    let again = ledger.decide(pin(1)).await.expect("pinned already");
    assert!(first.value.changed && !again.value.changed);
    assert_eq!(again.revision, first.revision);
    let refuse = |_: &World, _| -> Result<Outcome<()>, Refusal> {
        Err(Refusal::Precondition {
            message: "not today".to_owned(),
        })
    };
    let refused = ledger.decide(refuse).await.expect_err("refused");
    assert_eq!(refused.to_string(), "not today");
    assert_eq!(*ledger.revisions().borrow(), first.revision);
}

#[tokio::test]
async fn a_decision_whose_caller_has_gone_is_applied_all_the_same() {
    let store = GatedStore::open();
    let ledger = Ledger::open(store.clone()).await.expect("open");
    let commit = store.inner.commit(
        None,
        ledger
            .read(|world| pin(1)(world, Timestamp(1)))
            .expect("pin")
            .changes,
    );
    // As a caller that was dropped after its commit and before its answer.
    commit.await.expect("committed");
    let mut revisions = ledger.revisions();
    revisions
        .wait_for(|revision| *revision == Revision(1))
        .await
        .expect("followed");
    assert_eq!(pins(&ledger), 1);
}

#[tokio::test]
async fn nothing_is_applied_that_is_not_durable() {
    let store = GatedStore::open();
    let ledger = Ledger::open(store.clone()).await.expect("open");
    store.permits.close();
    let failed = ledger.decide(pin(1)).await.expect_err("the store fails");
    assert!(matches!(failed, DecideError::Store(_)), "{failed}");
    assert_eq!(pins(&ledger), 0);
}

#[tokio::test(start_paused = true)]
async fn refused_calls_are_in_the_audit_log_once_and_counted() {
    let ledger = Ledger::open(Arc::new(MemoryStore::default()))
        .await
        .expect("open");
    for at in 0..500 {
        ledger.refused(RefusedCall {
            at: Timestamp(at),
            actor: None,
            subject: "/pinion.v1.PinService/PromotePin".to_owned(),
            detail: "no token".to_owned(),
            count: 1,
        });
    }
    let query = AuditQuery {
        before: None,
        limit: 10,
        only: Some(AuditKind::Refusal),
    };
    let mut entries = Vec::new();
    while entries.is_empty() {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        entries = ledger.audit(query).await.expect("audit");
    }
    assert_eq!(
        entries.iter().map(|entry| entry.count).collect::<Vec<_>>(),
        [500]
    );
}
