use pinion_model::{Digest, Role};
use pinion_proto::v1;
use pinion_proto::v1::pin_service_client::PinServiceClient;
use pinion_proto::v1::quarantine_service_client::QuarantineServiceClient;
use pinion_proto::v1::rollout_service_client::RolloutServiceClient;
use tokio_stream::StreamExt as _;
use tonic::Code;
use tonic::transport::Channel;

use crate::services::promotion;
use crate::support::{Server, code, wanted};

fn digest(letter: char) -> String {
    format!("sha256:{}", letter.to_string().repeat(64))
}

fn add(letter: char, reason: &str) -> v1::QuarantineDigestRequest {
    v1::QuarantineDigestRequest {
        workload: "codex".to_owned(),
        digest: digest(letter),
        reason: reason.to_owned(),
    }
}

fn lift(letter: char, reason: &str) -> v1::LiftQuarantineRequest {
    v1::LiftQuarantineRequest {
        digest: digest(letter),
        reason: reason.to_owned(),
    }
}

/// A coordinator with a first pin of codex, and alice, who is an operator.
async fn pinned(server: &Server) -> Channel {
    let channel = server.channel_of("alice", Role::Operator).await;
    let pin = PinServiceClient::new(channel.clone())
        .promote_pin(promotion('1'))
        .await;
    pin.expect("promoted");
    channel
}

/// The letters of what is quarantined, in pages of that size; calls `between`
/// after each of them.
async fn listed(
    client: &mut QuarantineServiceClient<Channel>,
    page_size: u32,
    between: Option<v1::LiftQuarantineRequest>,
) -> String {
    let (mut letters, mut token, mut between) = (String::new(), String::new(), between);
    loop {
        let request = v1::ListQuarantinedRequest {
            workload: "codex".to_owned(),
            page_size,
            page_token: token,
        };
        let page = client.list_quarantined(request).await.expect("a page");
        let page = page.into_inner();
        let letter = |one: &v1::Quarantine| one.digest.chars().next_back();
        letters.extend(page.quarantined.iter().filter_map(letter));
        token = page.next_page_token;
        if token.is_empty() {
            return letters;
        }
        if let Some(lift) = between.take() {
            client.lift_quarantine(lift).await.expect("lifted");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_quarantine_and_lift_and_nobody_below_them() {
    let server = Server::start().await;
    pinned(&server).await;
    let bad: Digest = digest('2').parse().expect("a digest");
    let is_quarantined = || server.ledger.read(|world| world.is_quarantined(&bad));
    for (who, channel) in server.everybody().await {
        let mut client = QuarantineServiceClient::new(channel);
        let (reads, steers) = (
            wanted(who, v1::Role::Viewer),
            wanted(who, v1::Role::Operator),
        );
        let answer = client
            .list_quarantined(v1::ListQuarantinedRequest::default())
            .await;
        assert_eq!(code(&answer), reads, "{who:?}");
        let answer = client.quarantine_digest(add('2', "it eats data")).await;
        assert_eq!(code(&answer), steers, "{who:?}");
        assert_eq!(is_quarantined(), steers == Code::Ok, "{who:?}");
        let answer = client.lift_quarantine(lift('2', "it does not")).await;
        assert_eq!(code(&answer), steers, "{who:?}");
        assert!(!is_quarantined(), "{who:?}");
    }
    let lifted = server.decided("digest.quarantine_lifted").await;
    assert_eq!(lifted.len(), 2, "an operator and an admin: {lifted:?}");
    for method in ["QuarantineDigest", "LiftQuarantine"] {
        let path = format!("/pinion.v1.QuarantineService/{method}");
        server.audited(&[&path, "takes role operator"]).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_quarantined_or_lifted_names_the_field_and_changes_nothing() {
    let server = Server::start().await;
    let mut client = QuarantineServiceClient::new(pinned(&server).await);
    let long = "x".repeat(4097);
    let good = || add('2', "it eats data");
    let with = |workload: &str, digest: &str| v1::QuarantineDigestRequest {
        workload: workload.to_owned(),
        digest: digest.to_owned(),
        ..good()
    };
    let (invalid, absent) = (Code::InvalidArgument, Code::NotFound);
    for (request, code, words) in [
        (with("", &digest('2')), invalid, "workload: "),
        (with("No!", &digest('2')), invalid, "workload: "),
        (with("codex", "sha256:2"), invalid, "digest: "),
        (with("codex", ""), invalid, "digest: "),
        (add('2', ""), invalid, "reason: must say why"),
        (add('2', " \n"), invalid, "reason: must say why"),
        (add('2', &long), invalid, "reason: must say why"),
        (with("hermes", &digest('2')), absent, "\"hermes\""),
    ] {
        let error = client.quarantine_digest(request).await.expect_err(words);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
    for (request, code, words) in [
        (lift('x', "so"), invalid, "digest: "),
        (lift('2', " "), invalid, "reason: must say why"),
        (
            lift('2', "so"),
            Code::FailedPrecondition,
            "`pinion quarantine list`",
        ),
    ] {
        let error = client.lift_quarantine(request).await.expect_err(words);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
    for (workload, page_size, page_token, words) in [
        ("No!", 0, "", "workload: "),
        ("", 1001, "", "page_size: "),
        ("", 0, "2", "page_token: "),
        ("", 0, "x-sha256:2", "page_token: "),
    ] {
        let request = v1::ListQuarantinedRequest {
            workload: workload.to_owned(),
            page_size,
            page_token: page_token.to_owned(),
        };
        let error = client.list_quarantined(request).await.expect_err(words);
        assert_eq!(error.code(), invalid, "{error}");
        assert!(error.message().starts_with(words), "{error}");
    }
    assert!(server.ledger.read(|world| world.quarantine.is_empty()));
    assert!(server.decided("digest.quarantined").await.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_quarantined_comes_in_pages_newest_first_whatever_is_lifted_meanwhile() {
    let server = Server::start().await;
    let channel = pinned(&server).await;
    let mut client = QuarantineServiceClient::new(channel);
    for letter in ['2', '3', '4', '5', '6'] {
        let answer = client.quarantine_digest(add(letter, "bad")).await;
        assert!(answer.expect("quarantined").into_inner().changed);
    }
    let again = client.quarantine_digest(add('4', "another reason")).await;
    let again = again.expect("as it was").into_inner();
    assert!(!again.changed);
    let known = again.quarantine.expect("what is known");
    assert_eq!(known.imposed.expect("who and why").reason, "bad");
    assert_eq!(listed(&mut client, 0, None).await, "65432");
    // The last of the first page goes; the second page begins where it was.
    assert_eq!(
        listed(&mut client, 2, Some(lift('5', "good"))).await,
        "65432"
    );
    assert_eq!(listed(&mut client, 2, None).await, "6432");
    let others = v1::ListQuarantinedRequest {
        workload: "hermes".to_owned(),
        ..Default::default()
    };
    let others = client.list_quarantined(others).await.expect("a list");
    assert!(others.into_inner().quarantined.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_halts_when_its_digest_is_quarantined_and_says_what_to_type() {
    let server = Server::start().await;
    let channel = pinned(&server).await;
    server.agent("machine").await;
    let mut client = QuarantineServiceClient::new(channel.clone());
    let mut rollouts = RolloutServiceClient::new(channel);
    let start = v1::StartRolloutRequest {
        workload: "codex".to_owned(),
        ..Default::default()
    };
    rollouts.start_rollout(start).await.expect("started");
    let added = client.quarantine_digest(add('1', "it eats data")).await;
    let added = added.expect("quarantined").into_inner();
    assert_eq!(added.quarantine.expect("one").rollout, "codex-1-1");
    let watch = v1::WatchRolloutRequest {
        rollout: "codex-1-1".to_owned(),
    };
    let watch = rollouts.watch_rollout(watch).await;
    let mut watch = watch.expect("a watch").into_inner();
    let halted = i32::from(v1::RolloutPhase::Halted);
    loop {
        let message = watch.next().await.expect("a message").expect("a rollout");
        let rollout = message.rollout.expect("one");
        if rollout.phase == halted {
            assert_eq!(rollout.halted_by(), v1::Gate::Quarantine);
            assert!(rollout.quarantined);
            break;
        }
    }
    let resume = v1::ResumeRolloutRequest {
        rollout: "codex-1-1".to_owned(),
        reason: String::new(),
    };
    let error = rollouts.resume_rollout(resume.clone()).await;
    let error = error.expect_err("its digest is quarantined");
    assert_eq!(error.code(), Code::FailedPrecondition);
    let command = format!("`pinion quarantine lift {} --reason …`", digest('1'));
    assert!(error.message().contains(&command), "{error}");
    let lifted = client.lift_quarantine(lift('1', "it was the disk")).await;
    let lifted = lifted.expect("lifted").into_inner().quarantine;
    let lifted = lifted.expect("what is known");
    assert!(lifted.imposed.is_none(), "{lifted:?}");
    assert_eq!(lifted.lifted.expect("by whom").reason, "it was the disk");
    rollouts.resume_rollout(resume).await.expect("resumed");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_and_who_imposed_and_lifted_it_outlive_the_coordinator() {
    let server = Server::start_on_disk().await;
    let mut client = QuarantineServiceClient::new(pinned(&server).await);
    for letter in ['2', '3'] {
        let answer = client.quarantine_digest(add(letter, "it eats data")).await;
        answer.expect("quarantined");
    }
    let answer = client.lift_quarantine(lift('3', "it does not")).await;
    answer.expect("lifted");
    drop(client);
    let server = server.restart().await;
    let channel = server.channel_of("bob", Role::Viewer).await;
    let mut client = QuarantineServiceClient::new(channel);
    assert_eq!(listed(&mut client, 0, None).await, "2");
    let added = server.decided("digest.quarantined").await;
    assert_eq!(added.len(), 2);
    let [subject, actor, detail] = &added[1];
    assert_eq!((subject, actor.as_str()), (&digest('2'), "alice"));
    assert_eq!(detail, "of codex: it eats data");
    let lifted = server.decided("digest.quarantine_lifted").await;
    let [subject, actor, detail] = &lifted[0];
    assert_eq!(
        (subject, actor.as_str(), detail.as_str()),
        (&digest('3'), "alice", "it does not")
    );
    server.stop().await;
}
