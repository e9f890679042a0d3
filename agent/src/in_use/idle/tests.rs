use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::driver::fake::FakeEngine;

#[test]
fn what_can_be_asked_is_read_and_all_else_is_refused() {
    for (text, shown) in [
        ("8080/idle", "8080/idle"),
        ("8080", "8080/"),
        (
            "http://127.0.0.1:8080/idle?deep=1",
            "http://127.0.0.1:8080/idle",
        ),
        ("http://127.0.0.1/", "http://127.0.0.1:80/"),
        ("http://[::1]:8080", "http://[::1]:8080/"),
    ] {
        let probe = IdleProbe::parse(text);
        assert_eq!(
            probe.map(|probe| probe.to_string()).as_deref(),
            Some(shown),
            "{text}"
        );
    }
    for text in [
        "",
        "idle",
        "/idle",
        "0/idle",
        "99999/idle",
        "https://127.0.0.1/",
        "http://a:b@127.0.0.1/",
        "ftp://127.0.0.1/",
        "8080/a b",
    ] {
        assert_eq!(IdleProbe::parse(text), None, "{text}");
    }
}

/// A server that answers everything with this, and what it was asked.
async fn server(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = listener.local_addr().expect("address").port();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut asked = vec![0; 1024];
        let read = stream.read(&mut asked).await.expect("a request");
        stream.write_all(answer.as_bytes()).await.expect("answered");
        String::from_utf8_lossy(&asked[..read]).into_owned()
    });
    (port, asked)
}

async fn ask(port: u16) -> Verdict {
    let probe = IdleProbe::parse(&format!("http://127.0.0.1:{port}/idle")).expect("a probe");
    let engine = FakeEngine::new();
    probe.ask(&engine, &ContainerId("a".to_owned())).await
}

#[tokio::test]
async fn only_200_is_idle_and_only_503_is_busy() {
    for (answer, is) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "idle"),
        (
            "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            "busy",
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", "unknown"),
        (
            "HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
            "unknown",
        ),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", "unknown"),
        ("nonsense\r\n\r\n", "unknown"),
        ("", "unknown"),
    ] {
        let (port, asked) = server(answer).await;
        let verdict = ask(port).await;
        let word = match &verdict {
            Verdict::Idle => "idle",
            Verdict::Busy(_) => "busy",
            Verdict::Unknown(_) => "unknown",
        };
        assert_eq!(word, is, "{answer:?}: {verdict:?}");
        assert!(
            asked
                .await
                .expect("asked")
                .starts_with("GET /idle HTTP/1.1\r\n")
        );
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = gone.local_addr().expect("address").port();
    drop(gone);
    assert!(matches!(ask(port).await, Verdict::Unknown(why) if why.contains("refused")));
}

#[tokio::test]
async fn one_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let port = silent.local_addr().expect("address").port();
    assert!(matches!(ask(port).await, Verdict::Unknown(why) if why.contains("no answer within")));
}
