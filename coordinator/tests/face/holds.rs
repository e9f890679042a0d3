use std::time::Duration;

use pinion_model::Role;
use pinion_proto::convert::timestamp;
use pinion_proto::v1;
use pinion_proto::v1::fleet_service_client::FleetServiceClient;
use pinion_proto::v1::pin_service_client::PinServiceClient;
use pinion_proto::v1::rollout_service_client::RolloutServiceClient;
use tonic::Code;
use tonic::transport::Channel;

use crate::services::promotion;
use crate::support::{Server, code, wanted};

fn place(labels: &[(&str, &str)], reason: &str) -> v1::PlaceHoldRequest {
    let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    v1::PlaceHoldRequest {
        agents: Some(v1::LabelSelector {
            match_labels: labels.collect(),
        }),
        reason: reason.to_owned(),
        ..Default::default()
    }
}

fn lift(hold: &str, reason: &str) -> v1::LiftHoldRequest {
    v1::LiftHoldRequest {
        hold: hold.to_owned(),
        reason: reason.to_owned(),
    }
}

/// What the list names each hold, in pages of that size.
async fn listed(client: &mut FleetServiceClient<Channel>, page_size: u32) -> Vec<String> {
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListHoldsRequest {
            page_size,
            page_token: token,
        };
        let page = client.list_holds(request).await.expect("a page");
        let page = page.into_inner();
        names.extend(page.holds.into_iter().map(|hold| hold.id + &hold.agent));
        token = page.next_page_token;
        if token.is_empty() {
            return names;
        }
    }
}

async fn label(client: &mut FleetServiceClient<Channel>, agent: &str, region: &str) {
    let set = v1::SetLabelsRequest {
        agent: agent.to_owned(),
        labels: [("region".to_owned(), region.to_owned())].into(),
    };
    client.set_labels(set).await.expect("set");
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_place_and_lift_holds_and_nobody_below_them() {
    let server = Server::start().await;
    let mut placed = 0;
    for (who, channel) in server.everybody().await {
        let mut client = FleetServiceClient::new(channel);
        let (reads, steers) = (
            wanted(who, v1::Role::Viewer),
            wanted(who, v1::Role::Operator),
        );
        let answer = client.list_holds(v1::ListHoldsRequest::default()).await;
        assert_eq!(code(&answer), reads, "{who:?}");
        let answer = client.place_hold(place(&[], "an incident")).await;
        assert_eq!(code(&answer), steers, "{who:?}");
        placed += u64::from(steers == Code::Ok);
        let known = server
            .ledger
            .read(|world| (world.holds_placed, world.holds.len()));
        assert_eq!(known, (placed, usize::from(steers == Code::Ok)), "{who:?}");
        let answer = client.lift_hold(lift(&format!("hold-{placed}"), "")).await;
        assert_eq!(code(&answer), steers, "{who:?}");
    }
    assert_eq!(server.decided("hold.lifted").await.len(), 2);
    for method in ["PlaceHold", "LiftHold"] {
        let path = format!("/pinion.v1.FleetService/{method}");
        server.audited(&[&path, "takes role operator"]).await;
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_cannot_be_names_all_its_faults_and_is_not_placed() {
    let server = Server::start().await;
    let mut client = FleetServiceClient::new(server.channel_of("alice", Role::Operator).await);
    let now = timestamp(server.ledger.clock());
    let worst = v1::PlaceHoldRequest {
        expires_at: Some(now),
        ..place(&[("Region", "eu")], " ")
    };
    let of = |workload: &str| v1::PlaceHoldRequest {
        workload: workload.to_owned(),
        ..place(&[], "an incident")
    };
    let (invalid, absent) = (Code::InvalidArgument, Code::NotFound);
    let long = "x".repeat(4097);
    for (request, code, words) in [
        (
            worst,
            invalid,
            &[
                "reason: must say why",
                "expires_at: must be later",
                "agents: ",
            ][..],
        ),
        (place(&[], &long), invalid, &["reason: must say why"]),
        (of("No!"), invalid, &["workload: "]),
        (of("nobodys"), absent, &["there is no workload \"nobodys\""]),
    ] {
        let error = client.place_hold(request).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        for part in words {
            assert!(error.message().contains(part), "{part}: {error}");
        }
    }
    for (request, code, words) in [
        (lift("", ""), invalid, "hold: "),
        (lift("tenant-3", ""), invalid, "ReleaseAgent"),
        (lift("hold-1", &long), invalid, "reason: "),
        (lift("hold-1", ""), absent, "there is no hold \"hold-1\""),
    ] {
        let error = client.lift_hold(request).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(words), "{words}: {error}");
    }
    for (page_size, page_token, words) in [
        (1001, "", "page_size: "),
        (0, "tenant-3", "page_token: "),
        (0, "hold-", "page_token: "),
        (0, "agent:No!", "page_token: "),
    ] {
        let request = v1::ListHoldsRequest {
            page_size,
            page_token: page_token.to_owned(),
        };
        let error = client.list_holds(request).await.expect_err("refused");
        assert_eq!(error.code(), invalid, "{error}");
        assert!(error.message().starts_with(words), "{error}");
    }
    assert_eq!(server.ledger.read(|world| world.holds_placed), 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_list_has_all_that_is_held_and_whoever_asks_twice_holds_once() {
    let server = Server::start().await;
    let mut client = FleetServiceClient::new(server.channel_of("alice", Role::Operator).await);
    for (name, region) in [("m1", "eu"), ("m2", "eu"), ("m3", "us")] {
        server.agent(name).await;
        label(&mut client, name, region).await;
    }
    let europe = place(&[("region", "eu")], "the uplink is being moved");
    let first = client.place_hold(europe.clone()).await.expect("placed");
    let first = first.into_inner();
    assert_eq!(first.agents, 2, "machines of that region");
    let once_more = client.place_hold(europe).await.expect("as it was");
    assert_eq!(once_more.into_inner(), first);
    // Ten and more, so that the order is that of numbers and not of letters.
    for n in 2..=11 {
        let hold = v1::PlaceHoldRequest {
            workload: "codex".to_owned(),
            ..place(&[], &format!("reason {n}"))
        };
        let placed = client.place_hold(hold).await.expect("placed").into_inner();
        assert_eq!(placed.agents, 3, "every machine");
        let hold = placed.hold.expect("a hold");
        assert_eq!(
            (hold.id, hold.workload),
            (format!("hold-{n}"), "codex".into())
        );
    }
    for name in ["m3", "m1"] {
        let hold = v1::HoldAgentRequest {
            agent: name.to_owned(),
            reason: "customer demo".to_owned(),
            expires_at: None,
        };
        client.hold_agent(hold).await.expect("held");
    }
    let lifted = client.lift_hold(lift("hold-7", "")).await.expect("lifted");
    let lifted = lifted.into_inner().hold.expect("as it was");
    assert_eq!(lifted.placed.expect("by whom").reason, "reason 7");
    let fleet = [11, 10, 9, 8, 6, 5, 4, 3, 2, 1].map(|n| format!("hold-{n}"));
    let all = [&fleet[..], &["m1".to_owned(), "m3".to_owned()]].concat();
    for page_size in [0, 1, 3, 10, 11] {
        assert_eq!(listed(&mut client, page_size).await, all, "{page_size}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_goes_round_what_is_held_and_names_the_hold_until_it_is_lifted() {
    let server = Server::start().await;
    let channel = server.channel_of("alice", Role::Operator).await;
    let mut client = FleetServiceClient::new(channel.clone());
    let mut rollouts = RolloutServiceClient::new(channel.clone());
    server.agent("m1").await;
    label(&mut client, "m1", "eu").await;
    let pin = PinServiceClient::new(channel)
        .promote_pin(promotion('1'))
        .await;
    pin.expect("promoted");
    let placed = client
        .place_hold(place(&[("region", "eu")], "a storm"))
        .await;
    placed.expect("placed");
    let start = v1::StartRolloutRequest {
        workload: "codex".to_owned(),
        ..Default::default()
    };
    rollouts.start_rollout(start).await.expect("started");
    let why = v1::ExplainRolloutRequest {
        rollout: "codex-1-1".to_owned(),
        agent: "m1".to_owned(),
    };
    let held = rollouts.explain_rollout(why.clone()).await.expect("why");
    let held = held.into_inner().agents.remove(0);
    assert_eq!(held.reason, "held", "{held:?}");
    for part in [
        "machines with region=eu are held by alice until lifted: a storm",
        "`pinion hold lift hold-1` ends it",
    ] {
        assert!(held.detail.contains(part), "{}", held.detail);
    }
    client.lift_hold(lift("hold-1", "")).await.expect("lifted");
    let free = rollouts.explain_rollout(why).await.expect("why");
    let reasons = free.into_inner().agents;
    assert!(
        reasons.iter().all(|why| why.reason != "held"),
        "{reasons:?}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_outlives_the_coordinator_and_the_log_says_whom_it_keeps_and_why() {
    let server = Server::start_on_disk().await;
    let mut client = FleetServiceClient::new(server.channel_of("alice", Role::Operator).await);
    let end = server.ledger.clock() + Duration::from_secs(3600);
    let hold = v1::PlaceHoldRequest {
        workload: "codex".to_owned(),
        expires_at: Some(timestamp(end)),
        ..place(&[("region", "eu")], "the uplink is being moved")
    };
    let placed = client.place_hold(hold).await.expect("placed").into_inner();
    let gone = client.place_hold(place(&[], "an incident")).await;
    gone.expect("placed");
    let lifted = client.lift_hold(lift("hold-2", "it is over")).await;
    lifted.expect("lifted");
    drop(client);
    let server = server.restart().await;
    let mut client = FleetServiceClient::new(server.channel_of("bob", Role::Viewer).await);
    let holds = client.list_holds(v1::ListHoldsRequest::default()).await;
    let holds = holds.expect("the list").into_inner().holds;
    assert_eq!(holds, [placed.hold.expect("a hold")]);
    let logged = server.decided("hold.placed").await;
    let words =
        format!("workload codex on machines with region=eu until {end}: the uplink is being moved");
    assert_eq!(logged[1], ["hold-1".to_owned(), "alice".to_owned(), words]);
    let logged = server.decided("hold.lifted").await;
    assert_eq!(logged[0], ["hold-2", "alice", "it is over"]);
    server.stop().await;
}
