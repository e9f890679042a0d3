use pinion_model::Role;
use pinion_proto::v1;
use pinion_proto::v1::audit_service_client::AuditServiceClient;
use pinion_proto::v1::fleet_service_client::FleetServiceClient;
use pinion_proto::v1::pin_service_client::PinServiceClient;
use pinion_proto::v1::rollout_service_client::RolloutServiceClient;
use tokio_stream::StreamExt as _;
use tonic::Code;

use crate::support::Server;

pub(crate) fn promotion(letter: char) -> v1::PromotePinRequest {
    v1::PromotePinRequest {
        workload: "codex".to_owned(),
        digest: format!("sha256:{}", letter.to_string().repeat(64)),
        source_sha: "b".repeat(40),
        notes: String::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_comes_in_pages_newest_first() {
    let server = Server::start().await;
    let admin = server.operator("alice", Role::Admin).await;
    let mut pins =
        PinServiceClient::new(server.channel(server.running.operators, Some(&admin)).await);
    for letter in ['1', '2', '3', '4', '5'] {
        let answer = pins
            .promote_pin(promotion(letter))
            .await
            .expect("promoted")
            .into_inner();
        assert!(answer.changed);
        assert_eq!(
            answer
                .pin
                .expect("a pin")
                .promoted_by
                .expect("somebody")
                .name,
            "alice"
        );
    }
    let (mut numbers, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListPinHistoryRequest {
            workload: "codex".into(),
            page_size: 2,
            page_token: token,
        };
        let page = pins
            .list_pin_history(request)
            .await
            .expect("a page")
            .into_inner();
        assert!(page.pins.len() <= 2);
        numbers.extend(page.pins.iter().map(|pin| pin.number));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
    let listed = pins
        .list_pins(v1::ListPinsRequest {})
        .await
        .expect("the list")
        .into_inner();
    assert_eq!((listed.pins.len(), listed.unpinned.len()), (1, 10));
    let wrong = v1::ListPinHistoryRequest {
        workload: "codex".into(),
        page_size: 5000,
        page_token: String::new(),
    };
    let error = pins.list_pin_history(wrong).await.expect_err("too large");
    assert!(error.message().starts_with("page_size: "), "{error}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_are_invalid_and_unknown_things_are_not_found() {
    let server = Server::start().await;
    let admin = server.operator("alice", Role::Admin).await;
    let channel = server.channel(server.running.operators, Some(&admin)).await;
    let mut pins = PinServiceClient::new(channel.clone());
    for (request, code, words) in [
        (
            v1::PromotePinRequest {
                digest: "sha256:x".into(),
                ..promotion('1')
            },
            Code::InvalidArgument,
            "digest: ",
        ),
        (
            v1::PromotePinRequest {
                source_sha: "abc".into(),
                ..promotion('1')
            },
            Code::InvalidArgument,
            "source_sha: ",
        ),
        (
            v1::PromotePinRequest {
                workload: "nobody".into(),
                ..promotion('1')
            },
            Code::NotFound,
            "workload: there is no workload \"nobody\"",
        ),
    ] {
        let error = pins.promote_pin(request).await.expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
    let mut rollouts = RolloutServiceClient::new(channel);
    let unknown = v1::GetRolloutRequest {
        rollout: "codex-1-1".into(),
    };
    assert_eq!(
        rollouts
            .get_rollout(unknown)
            .await
            .expect_err("none")
            .code(),
        Code::NotFound
    );
    let strategy = v1::Strategy {
        name: "carefull".into(),
        ..Default::default()
    };
    let start = v1::StartRolloutRequest {
        workload: "codex".into(),
        strategy: Some(strategy),
        ..Default::default()
    };
    let error = rollouts
        .start_rollout(start)
        .await
        .expect_err("no such strategy");
    assert!(
        error
            .message()
            .contains("strategy.name: must be one of default"),
        "{error}"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_a_rollout_until_it_has_ended() {
    let server = Server::start().await;
    let admin = server.operator("alice", Role::Admin).await;
    server.agent("machine").await;
    let channel = server.channel(server.running.operators, Some(&admin)).await;
    let (mut pins, mut rollouts) = (
        PinServiceClient::new(channel.clone()),
        RolloutServiceClient::new(channel),
    );
    pins.promote_pin(promotion('1')).await.expect("promoted");
    let plan = v1::PlanRolloutRequest {
        workload: "codex".into(),
        ..Default::default()
    };
    let plan = rollouts
        .plan_rollout(plan)
        .await
        .expect("a plan")
        .into_inner();
    assert_eq!(plan.pin, 1);
    let start = v1::StartRolloutRequest {
        workload: "codex".into(),
        ..Default::default()
    };
    let started = rollouts
        .start_rollout(start)
        .await
        .expect("started")
        .into_inner()
        .rollout
        .expect("one");
    assert_eq!(started.id, "codex-1-1");
    let watch = v1::WatchRolloutRequest {
        rollout: started.id.clone(),
    };
    let mut watch = rollouts
        .watch_rollout(watch)
        .await
        .expect("a watch")
        .into_inner();
    let first = watch.next().await.expect("a message").expect("a rollout");
    assert_eq!(first.rollout.expect("one").id, started.id);
    let abort = v1::AbortRolloutRequest {
        rollout: started.id.clone(),
        reason: "enough".into(),
        revert: false,
    };
    rollouts.abort_rollout(abort).await.expect("aborted");
    let mut last = None;
    while let Some(message) = watch.next().await {
        last = message.expect("a rollout").rollout;
    }
    assert_eq!(
        last.expect("one").phase,
        i32::from(v1::RolloutPhase::Aborted)
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_fleet_is_watched_in_parts_and_a_change_is_one_line() {
    let server = Server::start().await;
    let admin = server.operator("alice", Role::Admin).await;
    for n in 0..250 {
        server.agent(&format!("m{n:03}")).await;
    }
    let mut fleet =
        FleetServiceClient::new(server.channel(server.running.operators, Some(&admin)).await);
    let mut watch = fleet
        .watch_agents(v1::WatchAgentsRequest::default())
        .await
        .expect("a watch")
        .into_inner();
    let mut seen = 0;
    while seen < 250 {
        seen += watch
            .next()
            .await
            .expect("a message")
            .expect("agents")
            .agents
            .len();
    }
    assert_eq!(seen, 250);
    let labels = [("region".to_owned(), "ord".to_owned())].into();
    fleet
        .set_labels(v1::SetLabelsRequest {
            agent: "m007".into(),
            labels,
        })
        .await
        .expect("set");
    let change = watch.next().await.expect("a message").expect("agents");
    let names: Vec<_> = change
        .agents
        .iter()
        .map(|agent| agent.name.as_str())
        .collect();
    assert_eq!(names, ["m007"]);
    fleet
        .remove_agent(v1::RemoveAgentRequest {
            agent: "m007".into(),
            reason: String::new(),
        })
        .await
        .expect("removed");
    let change = watch.next().await.expect("a message").expect("agents");
    assert_eq!(
        (change.removed, change.agents.len()),
        (vec!["m007".to_owned()], 0)
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_of_every_service_that_it_serves() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;
    let server = Server::start().await;
    let viewer = server.operator("v", Role::Viewer).await;
    let mut health = HealthClient::new(
        server
            .channel(server.running.operators, Some(&viewer))
            .await,
    );
    for service in ["", "pinion.v1.PinService", "pinion.v1.AgentService"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let mut watch = health.watch(request).await.expect("a watch").into_inner();
        while watch
            .message()
            .await
            .expect("no error")
            .expect("a word")
            .status
            != 1
        {}
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_answers_for_every_machine_that_was_asked() {
    let server = Server::start().await;
    let admin = server.operator("alice", Role::Admin).await;
    server.agent("machine").await;
    let mut fleet =
        FleetServiceClient::new(server.channel(server.running.operators, Some(&admin)).await);
    let request = v1::RefreshAgentsRequest {
        agents: vec!["nobody".into()],
        ..Default::default()
    };
    assert_eq!(
        fleet
            .refresh_agents(request)
            .await
            .expect_err("unknown")
            .code(),
        Code::NotFound
    );
    let request = v1::RefreshAgentsRequest {
        agents: vec!["Machine!".into()],
        ..Default::default()
    };
    let error = fleet.refresh_agents(request).await.expect_err("no name");
    assert!(error.message().starts_with("agents[0]: "), "{error}");
    let mut request = tonic::Request::new(v1::RefreshAgentsRequest {
        agents: vec!["machine".into()],
        ..Default::default()
    });
    request.set_timeout(std::time::Duration::from_secs(2));
    let answer = fleet
        .refresh_agents(request)
        .await
        .expect("an answer in time")
        .into_inner();
    assert_eq!(answer.agents.len(), 1);
    assert!(answer.agents[0].recreated.is_empty());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_watches_and_waits_for_nobody() {
    let server = Server::start().await;
    let admin = server.operator("alice", Role::Admin).await;
    let channel = server.channel(server.running.operators, Some(&admin)).await;
    let mut fleet = FleetServiceClient::new(channel.clone());
    let mut audit = AuditServiceClient::new(channel);
    let agents = fleet.watch_agents(v1::WatchAgentsRequest::default()).await;
    let mut agents = agents.expect("a watch").into_inner();
    let entries = audit.watch_audit(v1::WatchAuditRequest {}).await;
    let mut entries = entries.expect("a watch").into_inner();
    agents.next().await.expect("a message").expect("the fleet");
    let address = server.running.operators;
    let began = std::time::Instant::now();
    server.stop().await;
    assert!(
        began.elapsed() < std::time::Duration::from_secs(4),
        "it waited until it cut them"
    );
    assert!(agents.next().await.is_none() && entries.next().await.is_none());
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "it still listens"
    );
}
