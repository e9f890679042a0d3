use pinion_coordinator::store::RefusedCall;
use pinion_model::Role;
use pinion_proto::v1;
use pinion_proto::v1::audit_service_client::AuditServiceClient;
use pinion_proto::v1::pin_service_client::PinServiceClient;
use tokio_stream::StreamExt as _;

use crate::services::promotion;
use crate::support::Server;

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_is_listed_in_pages_and_watched_as_it_grows() {
    let server = Server::start().await;
    let admin = server.operator("alice", Role::Admin).await;
    let channel = server.channel(server.running.operators, Some(&admin)).await;
    let (mut audit, mut pins) = (
        AuditServiceClient::new(channel.clone()),
        PinServiceClient::new(channel),
    );
    let mut watch = audit
        .watch_audit(v1::WatchAuditRequest {})
        .await
        .expect("a watch")
        .into_inner();
    for letter in ['1', '2'] {
        pins.promote_pin(promotion(letter)).await.expect("promoted");
    }
    for _ in 0..2 {
        let entry = watch
            .next()
            .await
            .expect("a message")
            .expect("an entry")
            .entry
            .expect("one");
        assert_eq!(
            (entry.action.as_str(), entry.subject.as_str()),
            ("pin.promoted", "codex")
        );
    }
    let (mut actions, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListAuditEntriesRequest {
            page_size: 1,
            page_token: token,
            refused: false,
        };
        let page = audit
            .list_audit_entries(request)
            .await
            .expect("a page")
            .into_inner();
        actions.extend(page.entries.into_iter().map(|entry| entry.action));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(actions[..2], ["pin.promoted", "pin.promoted"]);
    // Before: the operator, and the configuration's one strategy.
    assert_eq!(actions[2..], ["operator.issued", "strategy.put"]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_is_written_after_a_later_decision_is_watched_all_the_same() {
    let server = Server::start().await;
    let admin = server.operator("alice", Role::Admin).await;
    let channel = server.channel(server.running.operators, Some(&admin)).await;
    let mut pins = PinServiceClient::new(channel.clone());
    let watch = AuditServiceClient::new(channel)
        .watch_audit(v1::WatchAuditRequest {})
        .await;
    let mut watch = watch.expect("a watch").into_inner();
    server.ledger.refused(RefusedCall {
        at: server.ledger.clock(),
        actor: None,
        subject: "/a.Method".to_owned(),
        detail: "no token".to_owned(),
        count: 1,
    });
    pins.promote_pin(promotion('1')).await.expect("promoted");
    server.audited(&["/a.Method"]).await;
    pins.promote_pin(promotion('2')).await.expect("promoted");
    let mut subjects: Vec<String> = Vec::new();
    while subjects.iter().filter(|name| *name == "codex").count() < 2 {
        let message = watch.next().await.expect("a message").expect("an entry");
        subjects.push(message.entry.expect("one").subject);
    }
    assert_eq!(subjects, ["codex", "/a.Method", "codex"]);
    server.stop().await;
}
