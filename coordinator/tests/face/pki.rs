use std::sync::Arc;
use std::time::Duration;

use pinion_coordinator::identity::{Authority, Subject, TrustDomain, Validity};
use pinion_model::Timestamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Identity, Server, client_tls, key};

const DAY: Duration = Duration::from_secs(86_400);

/// Whether the server still talks after the handshake: in TLS 1.3 a refused
/// client certificate shows on the first read.
async fn let_in(server: &Server, identity: Option<&Identity>) -> bool {
    let tls = client_tls(server.authority.certificate().clone(), identity);
    let stream = TcpStream::connect(server.running.agents)
        .await
        .expect("a connection");
    let name = "localhost".try_into().expect("a name");
    let Ok(mut stream) = tokio_rustls::TlsConnector::from(tls)
        .connect(name, stream)
        .await
    else {
        return false;
    };
    let _ = stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    let mut byte = [0];
    matches!(stream.read(&mut byte).await, Ok(1))
}

fn identity(authority: &Authority, subject: &Subject, from: Timestamp) -> Identity {
    let key = key();
    let valid = Validity { from, life: DAY };
    let issued = authority
        .issue_client(subject, &key, valid)
        .expect("a certificate");
    Identity {
        chain: vec![issued.der],
        key: Arc::new(key),
    }
}

fn ago(server: &Server, days: u32) -> Timestamp {
    Timestamp(server.ledger.clock().0 - u64::try_from((DAY * days).as_millis()).expect("fits"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_authority_ends_in_the_handshake_and_is_audited() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().expect("a directory");
    let now = server.ledger.clock();
    let foreign = Authority::open(dir.path(), TrustDomain::default(), now).expect("an authority");
    let subject = Subject::Operator("admin".parse().expect("a name"));
    assert!(let_in(&server, None).await, "the listener itself works");
    assert!(!let_in(&server, Some(&identity(&foreign, &subject, now))).await);
    server
        .audited(&["agents' listener", "TLS handshake failed"])
        .await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_agents_have_a_grace_of_thirty_days_and_not_a_day_more() {
    let server = Server::start().await;
    let agent = Subject::Agent("away".parse().expect("a name"));
    let operator = Subject::Operator("admin".parse().expect("a name"));
    let authority = &server.authority;
    assert!(let_in(&server, Some(&identity(authority, &agent, ago(&server, 2)))).await);
    assert!(
        let_in(
            &server,
            Some(&identity(authority, &agent, ago(&server, 30)))
        )
        .await
    );
    assert!(
        !let_in(
            &server,
            Some(&identity(authority, &agent, ago(&server, 32)))
        )
        .await
    );
    assert!(
        !let_in(
            &server,
            Some(&identity(authority, &operator, ago(&server, 2)))
        )
        .await
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_for_clients_is_refused() {
    let server = Server::start().await;
    let tls = client_tls(server.authority.certificate().clone(), None);
    assert_eq!(tls.alpn_protocols, [b"h2".to_vec()]);
    let dir = tempfile::tempdir().expect("a directory");
    let names = pinion_coordinator::serve::server_names(&[], &[server.running.agents]);
    let made = pinion_coordinator::identity::server_certificate(
        dir.path(),
        &server.authority,
        &names,
        server.ledger.clock(),
    )
    .expect("a server certificate");
    let key = std::fs::read_to_string(dir.path().join("server.key")).expect("its key");
    let key = rcgen::KeyPair::from_pem(&key).expect("a key");
    let stolen = Identity {
        chain: vec![made.chain[0].clone()],
        key: Arc::new(key),
    };
    assert!(!let_in(&server, Some(&stolen)).await);
    server.stop().await;
}

#[test]
fn the_authority_is_made_once_and_its_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let open = || {
        Authority::open(
            dir.path(),
            TrustDomain::default(),
            Timestamp(1_800_000_000_000),
        )
    };
    let made = open().expect("made").fingerprint();
    assert_eq!(open().expect("opened").fingerprint(), made);
    let mode = |name: &str| {
        std::fs::metadata(dir.path().join(name))
            .expect("a file")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!((mode("ca.key"), mode("ca.pem")), (0o600, 0o644));
    std::fs::remove_file(dir.path().join("ca.key")).expect("removed");
    let error = open().expect_err("half of it is gone").to_string();
    assert!(
        error.contains("ca.key is not") && error.contains("backup"),
        "{error}"
    );
}

#[test]
fn a_first_start_that_was_cut_short_goes_on_with_the_key_unless_it_has_signed() {
    let dir = tempfile::tempdir().expect("a directory");
    let now = Timestamp(1_800_000_000_000);
    let open = || Authority::open(dir.path(), TrustDomain::default(), now);
    open().expect("made");
    let key = std::fs::read(dir.path().join("ca.key")).expect("the key");
    std::fs::remove_file(dir.path().join("ca.pem")).expect("removed");
    std::fs::write(dir.path().join("ca.tmp"), b"-----BEG").expect("half written");
    let made = open().expect("goes on").fingerprint();
    assert_eq!(open().expect("opened").fingerprint(), made);
    let kept = std::fs::read(dir.path().join("ca.key")).expect("the key");
    assert!(kept == key, "the key is another one");
    std::fs::remove_file(dir.path().join("ca.pem")).expect("removed");
    std::fs::write(dir.path().join("server.pem"), b"signed").expect("written");
    let error = open().expect_err("it has signed").to_string();
    assert!(error.contains("ca.pem is not"), "{error}");
}

#[test]
fn the_server_certificate_follows_its_names_and_its_age() {
    use pinion_coordinator::identity::{ServerName, server_certificate};
    let dir = tempfile::tempdir().expect("a directory");
    let now = Timestamp(1_800_000_000_000);
    let authority = Authority::open(dir.path(), TrustDomain::default(), now).expect("an authority");
    let names = |hosts: &[&str]| {
        hosts
            .iter()
            .map(|host| ServerName::from_host(host))
            .collect()
    };
    let at = |hosts: &[&str], now: Timestamp| {
        server_certificate(dir.path(), &authority, &names(hosts), now)
            .expect("a certificate")
            .chain[0]
            .clone()
    };
    let first = at(&["a.example", "10.0.0.1"], now);
    assert_eq!(at(&["10.0.0.1", "a.example"], now + DAY), first);
    let moved = at(&["b.example", "10.0.0.1"], now);
    assert_ne!(moved, first);
    assert_eq!(at(&["b.example", "10.0.0.1"], now + 59 * DAY), moved);
    assert_ne!(at(&["b.example", "10.0.0.1"], now + 61 * DAY), moved);
}
