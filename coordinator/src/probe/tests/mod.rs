//! Against real servers that say what they are told to.

mod round;
mod server;
mod tls;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use pinion_rollout::{HttpGet, Judgement, Probe, PromQuery, Sample};

use super::{Prober, TokenFiles};
use server::{Server, Then, whole};

const SUCCESS: &str = r#"{"status":"success","data":"#;

fn prober() -> Prober {
    Prober::new(TokenFiles::default()).expect("a prober")
}

fn prometheus(url: String) -> Probe {
    Probe::Prometheus(PromQuery {
        url,
        query: "sum(rate(errors[1m])) / 2".to_owned(),
        success: "< 0.01".parse().expect("a condition"),
        failure: None,
    })
}

fn http(url: String, body: Option<&str>) -> Probe {
    Probe::Http(HttpGet {
        body_contains: body.map(str::to_owned),
        ..HttpGet::of(url)
    })
}

fn vector(rows: &str) -> String {
    format!(r#"{SUCCESS}{{"resultType":"vector","result":[{rows}]}}}}"#)
}

/// What a Prometheus that answers so is worth.
async fn measured(status: u16, body: &str) -> Sample {
    let server = Server::answers(status, body).await;
    prober().ask(&prometheus(server.url(""))).await
}

#[tokio::test]
async fn a_query_is_asked_as_it_stands_and_its_answer_is_judged() {
    let row = r#"{"metric":{"__name__":"up","job":"a \"b\"","az":"1"},"value":[1.5,"0.005"]}"#;
    let server = Server::answers(200, &vector(row)).await;
    let sample = prober().ask(&prometheus(server.url("/prom/"))).await;
    assert_eq!(sample.outcome, Judgement::Success);
    assert_eq!(sample.detail, "0.005 is < 0.01: sum(rate(errors[1m])) / 2");
    let heard = server.heard();
    let first = heard[0].lines().next().unwrap_or_default();
    assert_eq!(
        first,
        "GET /prom/api/v1/query?query=sum%28rate%28errors%5B1m%5D%29%29+%2F+2 HTTP/1.1"
    );
    assert!(
        !heard[0].to_lowercase().contains("authorization"),
        "{heard:?}"
    );

    let two = format!(r#"{row},{{"metric":{{"az":"2"}},"value":[1,"+Inf"]}}"#);
    let sample = measured(200, &vector(&two)).await;
    assert_eq!(sample.outcome, Judgement::Failure);
    assert!(
        sample
            .detail
            .starts_with(r#"inf is not < 0.01 for {az="2"} (the worst of 2 series)"#),
        "{sample:?}"
    );
    let scalar = format!(r#"{SUCCESS}{{"resultType":"scalar","result":[1,"1e-05"]}}}}"#);
    let sample = measured(200, &scalar).await;
    assert_eq!(sample.outcome, Judgement::Success, "{sample:?}");
}

#[tokio::test]
async fn what_prometheus_cannot_say_is_inconclusive_and_told() {
    let good = vector(r#"{"metric":{},"value":[1,"0"]}"#);
    assert_eq!(measured(200, &good).await.outcome, Judgement::Success);
    let partial = good.replace("\"data\"", "\"warnings\":[\"one store is away\"],\"data\"");
    let matrix = format!(r#"{SUCCESS}{{"resultType":"matrix","result":[]}}}}"#);
    let histogram = vector(r#"{"metric":{},"histogram":[1,{"count":"1"}]}"#);
    let refused = r#"{"status":"error","errorType":"bad_data","error":"parse error at char 5"}"#;
    for (status, body, words) in [
        (200, vector("").as_str(), "no series has a value"),
        (
            200,
            &vector(r#"{"metric":{},"value":[1,"NaN"]}"#),
            "not a number",
        ),
        (
            200,
            &vector(r#"{"metric":{},"value":[1,"x"]}"#),
            "\"x\" is no number",
        ),
        (200, &partial, "answered in part only: one store is away"),
        (200, &matrix, "gives a matrix"),
        (200, &histogram, "native histogram"),
        (200, "<html>Sign in</html>", "cannot be used"),
        (200, "", "cannot be used"),
        (200, r#"{"status":"success"}"#, "it has no data"),
        (200, r#"{"status":"odd","data":null}"#, "answered 200"),
        (400, refused, "answered 400: parse error at char 5"),
        (503, refused, "answered 503: parse error"),
        (500, &good, "answered 500"),
        (401, "no", "answered 401"),
        (302, "", "answered 302"),
    ] {
        let sample = measured(status, body).await;
        assert_eq!(
            sample.outcome,
            Judgement::Inconclusive,
            "{body}: {sample:?}"
        );
        assert!(sample.detail.contains(words), "{body}: {sample:?}");
        assert!(
            sample.detail.contains("sum(rate(errors[1m]))"),
            "{sample:?}"
        );
    }
}

#[tokio::test]
async fn a_server_that_is_away_slow_or_breaks_off_is_inconclusive() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("http://{}", listener.local_addr().expect("it is bound"))
    };
    let hung = Server::says("", Then::Hang).await;
    let half = Server::says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", Then::Close).await;
    let slow = Server::says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", Then::Hang).await;
    let noise = Server::says("SSH-2.0-OpenSSH\r\n", Then::Close).await;
    let prober = prober().with_limit(Duration::from_millis(300));
    for (url, words) in [
        (gone, "refused"),
        (hung.url(""), "not within 300ms"),
        (half.url(""), "no answer"),
        (slow.url(""), "not within 300ms"),
        (noise.url(""), "no answer"),
        ("http://nowhere.invalid".to_owned(), "no answer"),
        ("http://[::1".to_owned(), "the address cannot be used"),
    ] {
        for probe in [prometheus(url.clone()), http(url.clone(), Some("x"))] {
            let sample = prober.ask(&probe).await;
            assert_eq!(sample.outcome, Judgement::Inconclusive, "{url}: {sample:?}");
            assert!(sample.detail.contains(words), "{url}: {sample:?}");
        }
    }
}

#[tokio::test]
async fn no_more_than_a_mebibyte_is_read() {
    let long = "x".repeat(1024 * 1024 + 1);
    let sample = measured(200, &long).await;
    assert_eq!(sample.outcome, Judgement::Inconclusive);
    assert!(
        sample.detail.contains("more than 1048576 bytes"),
        "{sample:?}"
    );
    let server = Server::answers(200, &long).await;
    let looked = prober().ask(&http(server.url(""), Some("x"))).await;
    assert_eq!(looked.outcome, Judgement::Inconclusive, "{looked:?}");
    let not_looked = prober().ask(&http(server.url(""), None)).await;
    assert_eq!(not_looked.outcome, Judgement::Success, "{not_looked:?}");
    let fits = Server::answers(200, &long[1..]).await;
    let fits = prober().ask(&http(fits.url(""), Some("x"))).await;
    assert_eq!(fits.outcome, Judgement::Success, "{fits:?}");
}

#[tokio::test]
async fn a_page_is_judged_by_its_code_and_its_body() {
    for (status, body, wanted, outcome) in [
        (200, "", None, Judgement::Success),
        (200, "all is well", Some("well"), Judgement::Success),
        (200, "not yet", Some("well"), Judgement::Failure),
        (503, "well", Some("well"), Judgement::Failure),
        (404, "", None, Judgement::Failure),
    ] {
        let server = Server::answers(status, body).await;
        let sample = prober()
            .ask(&http(server.url("/health?key=k"), wanted))
            .await;
        assert_eq!(sample.outcome, outcome, "{status} {body}: {sample:?}");
        assert!(sample.detail.ends_with("/health"), "{sample:?}");
        let heard = server.heard();
        assert!(
            heard[0].starts_with("GET /health?key=k HTTP/1.1"),
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_host_alone() {
    let elsewhere = Server::answers(200, "well").await;
    // The same machine by another name is another host.
    let away = format!(
        "location: http://localhost:{}/\r\n",
        elsewhere.address.port()
    );
    let script = move |line: &str| {
        Arc::new(match line.split(' ').nth(1).unwrap_or_default() {
            "/near" => whole(302, "location: /here\r\n", ""),
            "/here" => whole(200, "", "well"),
            "/round" => whole(302, "location: /round\r\n", ""),
            _ => whole(302, &away, ""),
        })
    };
    let server = Server::start(script, Then::Close).await;
    for (path, outcome, requests) in [
        ("/near", Judgement::Success, 2),
        ("/away", Judgement::Failure, 1),
        ("/round", Judgement::Failure, 6),
    ] {
        let before = server.heard().len();
        let sample = prober().ask(&http(server.url(path), Some("well"))).await;
        assert_eq!(sample.outcome, outcome, "{path}: {sample:?}");
        assert_eq!(server.heard().len() - before, requests, "{path}");
    }
    let sample = prober().ask(&prometheus(server.url("/away"))).await;
    assert_eq!(sample.outcome, Judgement::Inconclusive, "{sample:?}");
    assert_eq!(elsewhere.heard(), Vec::<String>::new());
}
