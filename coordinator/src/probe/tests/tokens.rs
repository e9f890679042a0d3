use std::path::Path;

use super::*;
use crate::probe::TokenFileError;

fn answer() -> String {
    vector(r#"{"metric":{},"value":[1,"0"]}"#)
}

fn header(server: &Server) -> Option<String> {
    let heard = server.heard();
    let last = heard.last().map(String::as_str).unwrap_or_default();
    let lines = last.lines().filter_map(|line| line.split_once(": "));
    let mut headers = lines.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    headers.next().map(|(_, value)| value.to_owned())
}

#[tokio::test]
async fn a_token_goes_to_its_own_server_alone_and_can_be_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("token");
    std::fs::write(&file, "first\n").expect("a file");
    let (own, other) = (
        Server::answers(200, &answer()).await,
        Server::answers(200, &answer()).await,
    );
    let mut tokens = TokenFiles::default();
    tokens.add(&own.url(""), &file).expect("a loopback address");
    let prober = Prober::new(tokens).expect("a prober");
    prober.ask(&prometheus(own.url("/prom"))).await;
    assert_eq!(header(&own).as_deref(), Some("Bearer first"));
    prober.ask(&prometheus(other.url(""))).await;
    assert_eq!(header(&other), None);
    prober.ask(&http(own.url("/"), None)).await;
    assert_eq!(header(&own), None, "a token is for queries");
    std::fs::write(&file, "second").expect("a file");
    prober.ask(&prometheus(own.url(""))).await;
    assert_eq!(header(&own).as_deref(), Some("Bearer second"));
}

#[tokio::test]
async fn without_its_token_a_server_is_not_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("token");
    let server = Server::answers(200, &answer()).await;
    let mut tokens = TokenFiles::default();
    tokens
        .add(&server.url("/"), &file)
        .expect("a loopback address");
    let prober = Prober::new(tokens).expect("a prober");
    for content in [None, Some(" \n"), Some("hunter2\nhunter3")] {
        if let Some(content) = content {
            std::fs::write(&file, content).expect("a file");
        }
        let sample = prober.ask(&prometheus(server.url(""))).await;
        assert_eq!(sample.outcome, Judgement::Inconclusive, "{sample:?}");
        assert!(
            sample.detail.contains(&file.display().to_string()),
            "{sample:?}"
        );
        assert!(!sample.detail.contains("hunter"), "{sample:?}");
    }
    assert_eq!(server.heard(), Vec::<String>::new());
}

#[test]
fn a_token_crosses_no_network_in_the_clear() {
    let file = Path::new("/etc/pinion/token");
    for good in [
        "https://prometheus:9090",
        "https://10.0.0.1/",
        "http://localhost:9090",
        "http://127.1.2.3",
        "http://[::1]:9090",
    ] {
        assert!(TokenFiles::default().add(good, file).is_ok(), "{good}");
    }
    for bad in [
        "",
        "prometheus:9090",
        "ftp://a",
        "https://u@a",
        "https://a/b",
        "https://a/?b",
    ] {
        let refused = TokenFiles::default().add(bad, file);
        assert!(
            matches!(refused, Err(TokenFileError::Address(_))),
            "{bad}: {refused:?}"
        );
    }
    for clear in [
        "http://prometheus:9090",
        "http://10.0.0.1",
        "http://localhost.example",
    ] {
        let refused = TokenFiles::default().add(clear, file);
        assert!(
            matches!(refused, Err(TokenFileError::Clear)),
            "{clear}: {refused:?}"
        );
    }
    let relative = TokenFiles::default().add("https://a", Path::new("token"));
    assert!(
        matches!(relative, Err(TokenFileError::Relative(_))),
        "{relative:?}"
    );
}
