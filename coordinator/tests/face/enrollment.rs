use std::collections::BTreeSet;

use pinion_coordinator::identity::Subject;
use pinion_model::Role;
use pinion_proto::token::EnrollmentToken;
use pinion_proto::v1;
use pinion_proto::v1::access_service_client::AccessServiceClient;
use pinion_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType};
use tonic::Code;
use tonic::transport::Channel;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::support::{Server, key};

fn csr(key: &KeyPair) -> Vec<u8> {
    CertificateParams::default()
        .serialize_request(key)
        .expect("a request")
        .der()
        .to_vec()
}

async fn token(server: &Server, request: v1::CreateTokenRequest) -> EnrollmentToken {
    let admin = server.operator("admin", Role::Admin).await;
    let channel = server.channel(server.running.operators, Some(&admin)).await;
    let request = v1::CreateTokenRequest {
        kind: v1::TokenKind::Enrollment.into(),
        ..request
    };
    let answer = AccessServiceClient::new(channel)
        .create_token(request)
        .await
        .expect("a token");
    EnrollmentToken::decode(&answer.into_inner().secret).expect("an enrolment token")
}

fn enroll(token: &EnrollmentToken, key: &KeyPair, name: &str) -> v1::EnrollRequest {
    v1::EnrollRequest {
        token_secret: token.secret.clone(),
        csr: csr(key),
        name: name.to_owned(),
    }
}

async fn client(server: &Server) -> EnrollmentServiceClient<Channel> {
    EnrollmentServiceClient::new(server.channel(server.running.agents, None).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_keys_at_once_one_gets_a_certificate() {
    let server = Server::start().await;
    let token = token(&server, v1::CreateTokenRequest::default()).await;
    assert_eq!(token.ca_sha256, server.authority.fingerprint());
    assert_eq!(token.addresses, [server.running.agents.to_string()]);
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..100 {
        let (mut client, request) = (
            client(&server).await,
            enroll(&token, &key(), &format!("m{n}")),
        );
        calls.spawn(async move { client.enroll(request).await });
    }
    let (mut enrolled, mut refused) = (0, 0);
    while let Some(answer) = calls.join_next().await {
        match answer.expect("no panic") {
            Ok(_) => enrolled += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::PermissionDenied, "{status}");
                refused += 1;
            }
        }
    }
    assert_eq!((enrolled, refused), (1, 99));
    assert_eq!(server.ledger.read(|world| world.agents.len()), 1);
    server.audited(&["Enroll", "used up"]).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_gets_the_same_answer_again() {
    let server = Server::start().await;
    let token = token(
        &server,
        v1::CreateTokenRequest {
            name: "web-1".into(),
            ..Default::default()
        },
    )
    .await;
    let (mut client, key) = (client(&server).await, key());
    let first = client
        .enroll(enroll(&token, &key, "ignored"))
        .await
        .expect("enrolled")
        .into_inner();
    let again = client
        .enroll(enroll(&token, &key, "ignored"))
        .await
        .expect("again")
        .into_inner();
    assert_eq!(first, again);
    assert_eq!(first.agent, "web-1");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_token_gives_as_many_names_as_it_has_uses() {
    let server = Server::start().await;
    let token = token(
        &server,
        v1::CreateTokenRequest {
            max_uses: 3,
            ..Default::default()
        },
    )
    .await;
    let mut client = client(&server).await;
    let mut names = BTreeSet::new();
    for n in 0..3 {
        let answer = client
            .enroll(enroll(&token, &key(), &format!("asg-{n}")))
            .await
            .expect("enrolled");
        names.insert(answer.into_inner().agent);
    }
    assert_eq!(names.len(), 3);
    let late = client
        .enroll(enroll(&token, &key(), "asg-3"))
        .await
        .expect_err("used up");
    assert_eq!(late.code(), Code::PermissionDenied);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_and_a_token_that_is_none_are_refused() {
    let server = Server::start().await;
    server.agent("web-1").await;
    let good = token(&server, v1::CreateTokenRequest::default()).await;
    let mut client = client(&server).await;
    let taken = client
        .enroll(enroll(&good, &key(), "web-1"))
        .await
        .expect_err("taken");
    assert_eq!(taken.code(), Code::AlreadyExists);
    let unknown = EnrollmentToken {
        secret: "guess".into(),
        ..good
    };
    let guessed = client
        .enroll(enroll(&unknown, &key(), "web-2"))
        .await
        .expect_err("unknown");
    assert_eq!(guessed.code(), Code::Unauthenticated);
    assert!(!guessed.message().contains("guess"), "{guessed}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_the_key_of_a_hostile_request_is_signed() {
    let server = Server::start().await;
    let token = token(
        &server,
        v1::CreateTokenRequest {
            name: "web-1".into(),
            ..Default::default()
        },
    )
    .await;
    let key = key();
    let mut params = CertificateParams::new(vec!["coordinator.example".to_owned()]).expect("names");
    let admin = "spiffe://pinion/operator/admin".try_into().expect("a URI");
    params.subject_alt_names.push(SanType::URI(admin));
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let csr = params
        .serialize_request(&key)
        .expect("a request")
        .der()
        .to_vec();
    let request = v1::EnrollRequest {
        token_secret: token.secret.clone(),
        csr,
        name: String::new(),
    };
    let answer = client(&server)
        .await
        .enroll(request)
        .await
        .expect("enrolled")
        .into_inner();
    let (_, certificate) = X509Certificate::from_der(&answer.certificate).expect("a certificate");
    let names = certificate
        .subject_alternative_name()
        .expect("readable")
        .expect("present");
    let name = Subject::Agent("web-1".parse().expect("a name")).uri(server.authority.domain());
    assert_eq!(
        names.value.general_names,
        [x509_parser::extensions::GeneralName::URI(&name)]
    );
    assert!(!certificate.is_ca());
    let usage = certificate
        .extended_key_usage()
        .expect("readable")
        .expect("present");
    assert!(usage.value.client_auth && !usage.value.server_auth);
    assert!(
        !certificate
            .subject()
            .to_string()
            .contains("coordinator.example")
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_none_names_its_field() {
    let server = Server::start().await;
    let token = token(&server, v1::CreateTokenRequest::default()).await;
    let mut broken = csr(&key());
    *broken.last_mut().expect("bytes") ^= 1;
    for csr in [Vec::new(), b"-----BEGIN".to_vec(), vec![0x30; 9000], broken] {
        let request = v1::EnrollRequest {
            token_secret: token.secret.clone(),
            csr,
            name: "m".into(),
        };
        let error = client(&server)
            .await
            .enroll(request)
            .await
            .expect_err("no request");
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().starts_with("csr: "), "{error}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_away_renews_with_its_expired_certificate() {
    let server = Server::start().await;
    let away = server.expired_agent("away", 29).await;
    let channel = server.channel(server.running.agents, Some(&away)).await;
    let request = v1::RenewCertificateRequest { csr: csr(&key()) };
    let answer = EnrollmentServiceClient::new(channel)
        .renew_certificate(request)
        .await;
    let answer = answer.expect("renewed").into_inner();
    let known = server.ledger.read(|world| {
        let agent = &world.agents[&"away".parse().expect("a name")];
        agent.certificates.len()
    });
    assert_eq!(known, 2);
    assert_eq!(
        answer.authorities,
        [server.authority.certificate().to_vec()]
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_certificate_is_renewed_only_by_one_that_never_got_it() {
    let server = Server::start().await;
    let agent = server.agent("web-1").await;
    let channel = server.channel(server.running.agents, Some(&agent)).await;
    let mut client = EnrollmentServiceClient::new(channel);
    let mut renew = async || {
        let request = v1::RenewCertificateRequest { csr: csr(&key()) };
        client.renew_certificate(request).await
    };
    let early = renew().await.expect_err("it is new");
    assert_eq!(early.code(), Code::ResourceExhausted, "{early}");
    assert!(early.message().contains("can be renewed in 86"), "{early}");
    let certificates = server.ledger.read(|world| {
        let agent = &world.agents[&"web-1".parse().expect("a name")];
        agent.certificates.len()
    });
    assert_eq!(certificates, 1);

    let away = server.expired_agent("away", 1).await;
    let channel = server.channel(server.running.agents, Some(&away)).await;
    let mut client = EnrollmentServiceClient::new(channel);
    let request = || v1::RenewCertificateRequest { csr: csr(&key()) };
    client.renew_certificate(request()).await.expect("renewed");
    let again = client.renew_certificate(request()).await;
    let again = again.expect_err("the answer was hardly sent");
    assert!(
        again.message().contains("can be renewed in 10 s"),
        "{again}"
    );
    server.stop().await;
}
