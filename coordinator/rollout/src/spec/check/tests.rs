use std::time::Duration;

use super::*;

fn condition(text: &str) -> Condition {
    text.parse().expect("a condition")
}

fn query(success: &str, failure: Option<&str>) -> PromQuery {
    PromQuery {
        url: "http://prometheus:9090".to_owned(),
        query: "sum(rate(errors[1m]))".to_owned(),
        success: condition(success),
        failure: failure.map(condition),
    }
}

fn check(name: &str, probe: Probe) -> Check {
    Check::of(name.parse().expect("a name"), probe)
}

fn vector(values: &[f64]) -> Answer {
    let series = values.iter().enumerate();
    let series = series.map(|(place, value)| Series {
        labels: format!("{{job=\"{place}\"}}"),
        value: *value,
    });
    Answer::Vector(series.collect())
}

#[test]
fn a_condition_is_read_as_it_is_written() {
    for (text, shown, holds, fails) in [
        ("< 0.01", "< 0.01", 0.009, 0.01),
        ("<=0.01", "<= 0.01", 0.01, 0.02),
        (">  1e3 ", "> 1000", 1001.0, 1000.0),
        (">= -1", ">= -1", -1.0, -1.5),
        ("== 0", "== 0", 0.0, 0.1),
        ("== -0", "== 0", -0.0, 0.1),
        ("!= 0", "!= 0", 1.0, f64::NAN),
        ("> 0.99", "> 0.99", f64::INFINITY, f64::NAN),
    ] {
        let parsed = condition(text);
        assert_eq!(parsed.to_string(), shown, "{text}");
        assert_eq!(condition(shown), parsed, "{text}");
        assert!(parsed.holds(holds), "{text} {holds}");
        assert!(!parsed.holds(fails), "{text} {fails}");
    }
    for bad in [
        "", "<", "0.01", "=< 1", "< one", "< NaN", "> inf", "=1", "<> 1",
    ] {
        assert!(bad.parse::<Condition>().is_err(), "{bad}");
    }
}

#[test]
fn a_metric_is_a_success_a_failure_or_inconclusive() {
    use Judgement::{Failure, Inconclusive, Success};
    let one = query("< 0.01", None);
    let both = query("< 0.01", Some("> 0.1"));
    let (nan, infinite) = (f64::NAN, f64::INFINITY);
    for (query, answer, outcome, words) in [
        (&one, Answer::Scalar(0.0), Success, "0 is < 0.01"),
        (&one, Answer::Scalar(0.01), Failure, "0.01 is not < 0.01"),
        (&one, Answer::Scalar(infinite), Failure, "inf is not < 0.01"),
        (&one, Answer::Scalar(nan), Inconclusive, "not a number"),
        (&both, Answer::Scalar(0.0), Success, "0 is < 0.01"),
        (
            &both,
            Answer::Scalar(0.05),
            Inconclusive,
            "0.05 is neither < 0.01 nor > 0.1",
        ),
        (&both, Answer::Scalar(0.2), Failure, "0.2 is > 0.1"),
        (&one, vector(&[]), Inconclusive, "no series has a value"),
        (&one, vector(&[0.001]), Success, "0.001 is < 0.01: sum"),
        (
            &one,
            vector(&[0.0, 0.5, 0.0]),
            Failure,
            "0.5 is not < 0.01 for {job=\"1\"} (the worst of 3 series)",
        ),
        (
            &one,
            vector(&[0.0, nan]),
            Inconclusive,
            "not a number for {job=\"1\"}",
        ),
        (
            &one,
            vector(&[nan, 0.5, 0.0]),
            Failure,
            "0.5 is not < 0.01 for {job=\"1\"}",
        ),
        (&both, vector(&[0.05, 0.0]), Inconclusive, "neither"),
        (&both, vector(&[0.05, 0.2]), Failure, "0.2 is > 0.1"),
    ] {
        let sample = query.judge(&answer);
        assert_eq!(sample.outcome, outcome, "{answer:?}: {sample:?}");
        assert!(sample.detail.contains(words), "{answer:?}: {sample:?}");
        assert!(
            sample.detail.ends_with("sum(rate(errors[1m]))"),
            "{sample:?}"
        );
    }
}

#[test]
fn a_page_is_judged_by_its_code_and_what_stands_in_it() {
    use Judgement::{Failure, Success};
    let plain = HttpGet::of("https://app/health?key=secret");
    let teapot = HttpGet {
        status: 418,
        ..plain.clone()
    };
    let body = HttpGet {
        body_contains: Some("ready".to_owned()),
        ..plain.clone()
    };
    for (get, status, text, outcome) in [
        (&plain, 200, "", Success),
        (&plain, 204, "", Failure),
        (&plain, 302, "", Failure),
        (&plain, 503, "", Failure),
        (&teapot, 418, "", Success),
        (&teapot, 200, "", Failure),
        (&body, 200, "all is ready.", Success),
        (&body, 200, "not yet", Failure),
        (&body, 500, "ready", Failure),
    ] {
        let sample = get.judge(status, text);
        assert_eq!(sample.outcome, outcome, "{get:?} {status}: {sample:?}");
        assert!(
            sample.detail.ends_with(": https://app/health"),
            "{sample:?}"
        );
    }
}

#[test]
fn what_a_sample_says_is_cut_at_512_bytes_between_two_characters() {
    for length in 500..520 {
        let text = format!("{}{}", "x".repeat(length), "é".repeat(10));
        let sample = Sample::inconclusive(text.clone());
        assert!(sample.detail.len() <= 512, "{length}");
        assert!(
            sample.detail == text || sample.detail.ends_with('…'),
            "{length}"
        );
    }
    assert_eq!(
        Sample::inconclusive("x".repeat(512)).detail,
        "x".repeat(512)
    );
}

#[test]
fn what_a_sample_says_stands_on_one_line() {
    let sample = Sample::inconclusive("sum(\n\trate(x[1m])\n)\u{1b}[31m");
    assert_eq!(sample.detail, "sum( rate(x[1m]) ) [31m");
}

#[test]
fn a_check_is_kept_as_it_was_asked_for() {
    let asked = Check {
        dry_run: true,
        ..check("errors", Probe::Prometheus(query("< 0.01", Some(">= 0.1"))))
    };
    let text = serde_json::to_string(&asked).expect("a check is plain");
    assert!(text.contains("\"< 0.01\""), "{text}");
    assert_eq!(
        serde_json::from_str::<Check>(&text).expect("it was written so"),
        asked
    );
}

#[test]
fn sound_checks_have_no_fault() {
    let mut get = HttpGet::of("http://[::1]:8080/a?b=c");
    get.status = 599;
    let checks = [
        check("a", Probe::Prometheus(query("< 0.01", Some(">= 0.01")))),
        check("b", Probe::Prometheus(query("== 0", Some("!= 0")))),
        check("c", Probe::Http(get)),
        check("d", Probe::Http(HttpGet::of("https://[::1]"))),
        Check {
            interval: Duration::from_secs(1),
            samples: 300,
            ..check("e", Probe::Http(HttpGet::of("https://example.com:443/x")))
        },
    ];
    assert_eq!(check_all(&checks, "checks"), []);
}

#[test]
fn all_faults_of_all_checks_are_listed_with_their_paths() {
    let bad_query = PromQuery {
        url: "http://user:hunter2@prometheus".to_owned(),
        query: " ".to_owned(),
        ..query("< 1", Some("> 0.5"))
    };
    let bad_get = HttpGet {
        url: "ftp://app".to_owned(),
        status: 99,
        body_contains: Some(String::new()),
    };
    let checks = [
        Check {
            interval: Duration::from_millis(999),
            samples: 0,
            failure_limit: 1001,
            timeout: Duration::ZERO,
            ..check("a", Probe::Prometheus(bad_query))
        },
        Check {
            interval: Duration::from_secs(3601),
            samples: 1001,
            timeout: Duration::from_secs(8 * 86_400),
            ..check("a", Probe::Http(bad_get))
        },
    ];
    let faults = check_all(&checks, "checks");
    let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "checks[0].prometheus.url",
            "checks[0].prometheus.query",
            "checks[0].prometheus.failure",
            "checks[0].interval",
            "checks[0].samples",
            "checks[0].failure_limit",
            "checks[0].timeout",
            "checks[1].name",
            "checks[1].http.url",
            "checks[1].http.status",
            "checks[1].http.body_contains",
            "checks[1].interval",
            "checks[1].samples",
            "checks[1].timeout",
        ]
    );
    assert!(!format!("{faults:?}").contains("hunter2"));
    let many: Vec<_> = (0..21)
        .map(|n| check(&n.to_string(), Probe::Http(HttpGet::of("http://a"))))
        .collect();
    assert_eq!(check_all(&many, "checks")[0].path, "checks");
}

#[test]
fn a_timeout_must_leave_room_for_all_samples() {
    let at = |timeout| {
        let check = Check {
            samples: 30,
            timeout: Duration::from_secs(timeout),
            ..check("a", Probe::Http(HttpGet::of("http://a")))
        };
        check_all(&[check], "checks").len()
    };
    assert_eq!((at(299), at(300)), (1, 0));
}

#[test]
fn an_address_is_http_with_a_host_and_nothing_secret() {
    for good in [
        "http://a",
        "https://a.b-c.d:65535/x/y?z=1&u=@#f",
        "http://127.0.0.1:9090",
        "http://[::1]/",
    ] {
        let check = check("a", Probe::Http(HttpGet::of(good)));
        assert_eq!(check_all(&[check], "checks"), [], "{good}");
    }
    for bad in [
        "",
        "a",
        "HTTP",
        "http://",
        "http:///x",
        "http://:80",
        "http://a:0",
        "http://a:65536",
        "http://a:b",
        "http://a\\b",
        "http://[::1",
        "http://[a]",
        "http://[::1]80",
        "http://u@a",
        "http://a b",
        "http://a/\u{e9}",
        "http://a\n",
        &format!("http://a/{}", "x".repeat(2048)),
    ] {
        let check = check("a", Probe::Http(HttpGet::of(bad)));
        assert_eq!(check_all(&[check], "checks").len(), 1, "{bad:?}");
    }
    let with_path = PromQuery {
        url: "http://p/?query=up".to_owned(),
        ..query("< 1", None)
    };
    let check = check("a", Probe::Prometheus(with_path));
    assert_eq!(check_all(&[check], "checks").len(), 1);
}
