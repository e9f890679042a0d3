use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{Generation, Role, SessionEpoch};
use pinion_proto::convert::timestamp;
use pinion_proto::v1;
use pinion_proto::v1::pin_service_client::PinServiceClient;
use pinion_proto::v1::rollout_service_client::RolloutServiceClient;
use pinion_rollout::{Observation, Versions};
use tonic::Code;
use tonic::transport::Channel;

use crate::services::promotion;
use crate::support::{Server, code, wanted};

const HOUR: Duration = Duration::from_secs(3600);

/// A rollout of codex to one machine, which is online and frozen.
async fn frozen(server: &Server) -> RolloutServiceClient<Channel> {
    let channel = server.channel_of("alice", Role::Operator).await;
    let mut rollouts = RolloutServiceClient::new(channel.clone());
    server.agent("m1").await;
    let hello = Observation::Hello {
        agent: "m1".parse().expect("a name"),
        epoch: SessionEpoch(1),
        generation: Generation(0),
        process_id: "one".to_owned(),
        facts: BTreeMap::new(),
        versions: Versions::default(),
        at: server.ledger.clock(),
    };
    server.ledger.observe(vec![hello]).await.expect("online");
    let pin = PinServiceClient::new(channel)
        .promote_pin(promotion('1'))
        .await;
    pin.expect("promoted");
    let now = server.ledger.clock();
    let freeze = v1::Freeze {
        from: Some(timestamp(now)),
        until: Some(timestamp(now + HOUR)),
        reason: "holidays".to_owned(),
        agents: None,
    };
    let start = v1::StartRolloutRequest {
        workload: "codex".to_owned(),
        strategy: Some(v1::Strategy {
            freezes: vec![freeze],
            ..Default::default()
        }),
        ..Default::default()
    };
    rollouts.start_rollout(start).await.expect("started");
    rollouts
}

/// Why the machine is not done.
async fn why(rollouts: &mut RolloutServiceClient<Channel>) -> Option<v1::Explanation> {
    let request = v1::ExplainRolloutRequest {
        rollout: "codex-1-1".to_owned(),
        agent: "m1".to_owned(),
    };
    let answer = rollouts.explain_rollout(request).await.expect("why");
    answer.into_inner().agents.pop()
}

fn override_windows(rollout: &str, reason: &str) -> v1::OverrideWindowsRequest {
    v1::OverrideWindowsRequest {
        rollout: rollout.to_owned(),
        reason: reason.to_owned(),
    }
}

fn get() -> v1::GetRolloutRequest {
    v1::GetRolloutRequest {
        rollout: "codex-1-1".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_override_windows_and_nobody_below_them() {
    let server = Server::start().await;
    let mut rollouts = frozen(&server).await;
    for (who, channel) in server.everybody().await {
        let mut client = RolloutServiceClient::new(channel);
        let steers = wanted(who, v1::Role::Operator);
        let request = override_windows("codex-1-1", "the hole is exploited");
        let answer = client.override_windows(request).await;
        assert_eq!(code(&answer), steers, "{who:?}");
        let rollout = rollouts.get_rollout(get()).await.expect("one");
        let rollout = rollout.into_inner().rollout.expect("one");
        let overridden = rollout.windows_overridden.is_some();
        assert_eq!(overridden, steers == Code::Ok, "{who:?}");
    }
    let logged = server.decided("rollout.windows_overridden").await;
    let first = ["codex-1-1", "olga", "the hole is exploited"];
    assert_eq!(logged, [first], "the second changed nothing");
    let path = "/pinion.v1.RolloutService/OverrideWindows";
    server.audited(&[path, "takes role operator"]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_needs_a_reason_and_something_to_override() {
    let server = Server::start().await;
    let mut rollouts = frozen(&server).await;
    let open = v1::StartRolloutRequest {
        workload: "hermes".to_owned(),
        ..Default::default()
    };
    let pin = v1::PromotePinRequest {
        workload: "hermes".to_owned(),
        ..promotion('2')
    };
    let mut pins = PinServiceClient::new(server.channel_of("paul", Role::Promoter).await);
    pins.promote_pin(pin).await.expect("promoted");
    rollouts.start_rollout(open).await.expect("started");
    let long = "x".repeat(4097);
    let (invalid, absent) = (Code::InvalidArgument, Code::NotFound);
    for (rollout, reason, code, words) in [
        ("", "so", invalid, "rollout: "),
        ("codex", "so", invalid, "rollout: "),
        ("codex-1-1", "", invalid, "reason: say why"),
        ("codex-1-1", " \t", invalid, "reason: say why"),
        ("codex-1-1", &long, invalid, "reason: must be at most"),
        ("codex-9-1", "so", absent, "there is no rollout"),
        (
            "hermes-1-1",
            "so",
            Code::FailedPrecondition,
            "no maintenance windows and no freezes",
        ),
    ] {
        let request = override_windows(rollout, reason);
        let error = rollouts.override_windows(request).await.expect_err(words);
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(words), "{words}: {error}");
    }
    assert!(
        server
            .decided("rollout.windows_overridden")
            .await
            .is_empty()
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_machine_names_the_override_which_outlives_the_coordinator() {
    let server = Server::start_on_disk().await;
    let mut rollouts = frozen(&server).await;
    let held_up = loop {
        match why(&mut rollouts).await {
            Some(why) if why.reason == "freeze" => break why.detail,
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let command = "`pinion rollout override-windows codex-1-1 --reason …`";
    assert!(held_up.contains(command), "{held_up}");
    let request = override_windows("codex-1-1", "the hole is exploited");
    let answer = rollouts.override_windows(request).await.expect("done");
    let rollout = answer.into_inner().rollout.expect("one");
    let told = rollout.windows_overridden.clone().expect("who and why");
    assert_eq!(told.actor.expect("somebody").name, "alice");
    assert_eq!(told.reason, "the hole is exploited");
    drop(rollouts);
    let server = server.restart().await;
    let mut rollouts = RolloutServiceClient::new(server.channel_of("bob", Role::Viewer).await);
    let after = rollouts.get_rollout(get()).await.expect("one");
    let after = after.into_inner().rollout.expect("one");
    assert_eq!(after.windows_overridden, rollout.windows_overridden);
    let why = why(&mut rollouts).await;
    assert!(why.is_none_or(|why| why.reason != "freeze"));
    server.stop().await;
}
