use pinion_coordinator::authentication::role_of;
use pinion_coordinator::identity::Peer;
use pinion_model::{Actor, Role};
use pinion_proto::{roles, v1};
use pinion_rollout::commands;

use crate::support::{ADMIN_TOKEN, Server};

const UNAUTHENTICATED: i32 = 16;
const PERMISSION_DENIED: i32 = 7;

fn refused(code: Option<i32>) -> bool {
    matches!(code, Some(UNAUTHENTICATED | PERMISSION_DENIED))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_lets_in_exactly_the_roles_that_it_declares() {
    let server = Server::start().await;
    let mut callers = vec![(v1::Role::Anyone, None)];
    for (name, role) in [
        ("a", Role::Admin),
        ("o", Role::Operator),
        ("p", Role::Promoter),
        ("v", Role::Viewer),
    ] {
        callers.push((role.into(), Some(server.operator(name, role).await)));
    }
    callers.push((v1::Role::Agent, Some(server.agent("machine").await)));
    callers.push((
        v1::Role::ExpiredAgent,
        Some(server.expired_agent("away", 3).await),
    ));
    for address in [server.running.agents, server.running.operators] {
        for (role, identity) in &callers {
            let channel = server.channel(address, identity.as_ref()).await;
            for path in roles::METHODS {
                let code = server.code(&channel, None, path).await;
                let may = roles::may_call(*role, path).expect("a method of ours");
                let wanted = match (may, role) {
                    (true, _) => None,
                    (false, v1::Role::Anyone) => Some(UNAUTHENTICATED),
                    (false, _) => Some(PERMISSION_DENIED),
                };
                assert_eq!(
                    code.filter(|code| refused(Some(*code))),
                    wanted,
                    "{role:?} {path}"
                );
                assert_ne!(code, Some(12), "{path} is unimplemented");
            }
        }
    }
    server
        .audited(&["/pinion.v1.AccessService/CreateToken", "takes role admin"])
        .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_counts_on_the_operators_listener_alone_and_for_its_role_alone() {
    let server = Server::start().await;
    let (promote, list) = (
        "/pinion.v1.PinService/PromotePin",
        "/pinion.v1.PinService/ListPins",
    );
    let start = "/pinion.v1.RolloutService/StartRollout";
    let operators = server.channel(server.running.operators, None).await;
    for path in [promote, list] {
        assert!(
            !refused(server.code(&operators, Some(ADMIN_TOKEN), path).await),
            "{path}"
        );
    }
    assert_eq!(
        server.code(&operators, Some(ADMIN_TOKEN), start).await,
        Some(PERMISSION_DENIED)
    );
    for wrong in [
        "",
        "x",
        "the-token-of-the-pipelinf",
        "the-token-of-the-pipeline-",
    ] {
        assert_eq!(
            server.code(&operators, Some(wrong), list).await,
            Some(UNAUTHENTICATED),
            "{wrong}"
        );
    }
    let agents = server.channel(server.running.agents, None).await;
    assert_eq!(
        server.code(&agents, Some(ADMIN_TOKEN), list).await,
        Some(UNAUTHENTICATED)
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_for_everybody_whom_we_know() {
    let server = Server::start().await;
    let paths = [
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ];
    let (viewer, agent) = (
        server.operator("v", Role::Viewer).await,
        server.agent("machine").await,
    );
    let away = server.expired_agent("away", 1).await;
    for address in [server.running.agents, server.running.operators] {
        for (identity, wanted) in [
            (None, Some(UNAUTHENTICATED)),
            (Some(&away), Some(PERMISSION_DENIED)),
            (Some(&viewer), None),
            (Some(&agent), None),
        ] {
            let channel = server.channel(address, identity).await;
            for path in paths {
                assert_eq!(server.code(&channel, None, path).await, wanted, "{path}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_counts_at_once_on_open_connections() {
    let server = Server::start().await;
    let (list, renew) = (
        "/pinion.v1.PinService/ListPins",
        "/pinion.v1.EnrollmentService/RenewCertificate",
    );
    let viewer = server.operator("v", Role::Viewer).await;
    let agent = server.agent("machine").await;
    let viewer = server
        .channel(server.running.operators, Some(&viewer))
        .await;
    let agent = server.channel(server.running.agents, Some(&agent)).await;
    assert!(!refused(server.code(&viewer, None, list).await));
    assert!(!refused(server.code(&agent, None, renew).await));
    let by = Actor::System;
    let name = "v".parse().expect("a name");
    let revoke = server
        .ledger
        .decide(|world, now| commands::revoke_operator(world, &name, "left", &by, now));
    revoke.await.expect("revoked");
    let name: pinion_model::AgentId = "machine".parse().expect("a name");
    let revoke = server
        .ledger
        .decide(|world, now| commands::revoke_agent(world, name.clone(), "sold", &by, now));
    revoke.await.expect("revoked");
    assert_eq!(
        server.code(&viewer, None, list).await,
        Some(UNAUTHENTICATED)
    );
    assert_eq!(
        server.code(&agent, None, renew).await,
        Some(UNAUTHENTICATED)
    );
    assert!(!refused(
        server
            .code(&agent, None, "/pinion.v1.EnrollmentService/Enroll")
            .await
    ));
    server.audited(&[list, "revoked"]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_certificate_of_an_operator_takes_the_place_of_the_older() {
    let server = Server::start().await;
    let list = "/pinion.v1.PinService/ListPins";
    let old = server.operator("v", Role::Viewer).await;
    let old = server.channel(server.running.operators, Some(&old)).await;
    let new = server.operator("v", Role::Viewer).await;
    let new = server.channel(server.running.operators, Some(&new)).await;
    assert_eq!(server.code(&old, None, list).await, Some(UNAUTHENTICATED));
    assert!(!refused(server.code(&new, None, list).await));
    server.stop().await;
}

#[test]
fn a_caller_has_the_role_that_the_store_gave() {
    let name = "v".parse().expect("a name");
    assert_eq!(
        role_of(&Peer::Operator(name, Role::Promoter)),
        v1::Role::Promoter
    );
    assert_eq!(role_of(&Peer::Anonymous), v1::Role::Anyone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_when_its_caller_is_revoked() {
    use pinion_proto::v1::fleet_service_client::FleetServiceClient;
    let server = Server::start().await;
    let viewer = server.operator("v", Role::Viewer).await;
    let channel = server
        .channel(server.running.operators, Some(&viewer))
        .await;
    let watch = FleetServiceClient::new(channel)
        .watch_agents(v1::WatchAgentsRequest::default())
        .await;
    let mut watch = watch.expect("a watch").into_inner();
    watch.message().await.expect("no error").expect("the fleet");
    let name = "v".parse().expect("a name");
    let revoke = server
        .ledger
        .decide(|world, now| commands::revoke_operator(world, &name, "left", &Actor::System, now));
    revoke.await.expect("revoked");
    assert_eq!(
        watch.message().await.expect_err("ended").code(),
        tonic::Code::Unauthenticated
    );
    server.stop().await;
}
