use std::time::Duration;

use super::*;

fn http(request: v1::HttpRequest) -> v1::Check {
    v1::Check {
        name: "smoke".to_owned(),
        probe: Some(v1::check::Probe::Http(request)),
        ..Default::default()
    }
}

fn request() -> v1::HttpRequest {
    v1::HttpRequest {
        url: "http://app/".to_owned(),
        ..Default::default()
    }
}

#[test]
fn a_check_comes_back_as_it_was_sent() {
    let name = || "a".parse().expect("a name");
    let get = HttpGet {
        status: 204,
        body_contains: Some("well".to_owned()),
        ..HttpGet::of("http://app/")
    };
    let query = PromQuery {
        url: "http://prometheus".to_owned(),
        query: "up".to_owned(),
        success: "> 0".parse().expect("a condition"),
        failure: Some("<= 0".parse().expect("a condition")),
    };
    for probe in [Probe::Http(get), Probe::Prometheus(query)] {
        let check = Check {
            interval: Duration::from_secs(3),
            samples: 4,
            failure_limit: 5,
            timeout: Duration::from_secs(60),
            dry_run: true,
            ..Check::of(name(), probe)
        };
        assert_eq!(from_messages("checks", &[message(&check)]), Ok(vec![check]));
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let check = from_messages("checks", &[http(request())]);
    let usual = Check::of(
        "smoke".parse().expect("a name"),
        Probe::Http(HttpGet::of("http://app/")),
    );
    assert_eq!(check, Ok(vec![usual]));
}

#[test]
fn what_cannot_be_is_told_with_its_path() {
    let unnamed = v1::Check {
        name: String::new(),
        ..http(request())
    };
    let empty = v1::Check {
        probe: None,
        ..http(request())
    };
    let high = v1::HttpRequest {
        status: Some(70_000),
        ..request()
    };
    let vague = v1::Check {
        probe: Some(v1::check::Probe::Prometheus(v1::PrometheusQuery::default())),
        ..http(request())
    };
    for (bad, path) in [
        (unnamed, "checks[1].name"),
        (empty, "checks[1]"),
        (http(high), "checks[1].http.status"),
        (vague, "checks[1].prometheus.success"),
    ] {
        let refused = from_messages("checks", &[http(request()), bad]);
        let InvalidFields(fields) = refused.expect_err(path);
        assert_eq!(fields[0].field, path);
    }
}
