use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::Timestamp;

use super::*;
use crate::ContainerState;

#[test]
fn a_probe_is_read_as_it_is_written() {
    for (text, written) in [
        ("tcp:8080", "tcp:8080"),
        ("tcp:1", "tcp:1"),
        ("tcp:65535", "tcp:65535"),
        ("http:80", "http:80/"),
        ("http:80/", "http:80/"),
        (
            "http:8080/healthz?deep=1&x=%20",
            "http:8080/healthz?deep=1&x=%20",
        ),
        ("exec:/app health", "exec:/app health"),
        ("exec:[\"/app\",\"health\"]", "exec:/app health"),
        (
            "exec:[\"sh\",\"-c\",\"test -e /ready\"]",
            "exec:[\"sh\",\"-c\",\"test -e /ready\"]",
        ),
        ("exec:[\"a\",\"\"]", "exec:[\"a\",\"\"]"),
    ] {
        let probe: Probe = text.parse().expect(text);
        assert_eq!(probe.to_string(), written);
        assert_eq!(written.parse(), Ok(probe), "{text}");
    }
}

#[test]
fn what_is_not_a_probe_is_refused_with_what_is_allowed() {
    for text in [
        "",
        "tcp",
        "tcp:",
        "tcp:0",
        "tcp:08",
        "tcp:65536",
        "tcp:+1",
        "tcp:-1",
        "tcp: 80",
        "tcp:80 ",
        "tcp:80/",
        " tcp:80",
        "TCP:80",
        "udp:53",
        "https:443/",
        "http://localhost/",
        "http:",
        "http:/x",
        "http:80x",
        "http:80/a b",
        "http:80/a#b",
        "http:80/\u{e9}",
        "http:80/\n",
        "http:80?x",
        "exec:",
        "exec: ",
        "exec:a  b",
        "exec: a",
        "exec:a ",
        "exec:a 'b c'",
        "exec:a | b",
        "exec:a && b",
        "exec:a $B",
        "exec:a > b",
        "exec:a\tb",
        "exec:a *",
        "exec:[]",
        "exec:[\"\"]",
        "exec:[1]",
        "exec:[\"a\"] ,",
        "exec:[\"a\\u0000\"]",
        "exec:a#b",
        "exec:caf\u{e9}",
    ] {
        let error = text.parse::<Probe>().expect_err(text);
        assert!(
            error
                .to_string()
                .contains("tcp:PORT, http:PORT[/PATH], exec:PROGRAM"),
            "{error}"
        );
    }
}

fn web() -> Container {
    Container {
        id: ContainerId("web".to_owned()),
        name: "web".to_owned(),
        image_id: String::new(),
        image_reference: String::new(),
        repo_digests: Vec::new(),
        labels: BTreeMap::new(),
        state: ContainerState::Running,
        health: crate::Health::None,
        health_timing: None,
        restart_count: 0,
        oom_killed: false,
        exit_code: 0,
        started_at: Some(Timestamp(1)),
        restart_policy: String::new(),
        restart_retries: 0,
        auto_remove: false,
        stop_timeout: Duration::ZERO,
        depends_on: Vec::new(),
        claims: Vec::new(),
        podman: None,
    }
}

#[test]
fn a_label_of_the_containers_own_goes_before_the_configuration() {
    let configured = "tcp:1".parse().expect("a probe");
    let pulses = BTreeMap::new();
    let probes = Probes {
        configured: Some(&configured),
        pulses: &pulses,
    };
    let mut web = web();
    assert_eq!(probes.of(&web), Ok(Some(configured.clone())));
    assert_eq!(Probes::NONE.of(&web), Ok(None));
    web.labels
        .insert(PROBE_LABEL.to_owned(), "http:2/x".to_owned());
    assert_eq!(
        probes.of(&web).map(|p| p.map(|p| p.to_string())),
        Ok(Some("http:2/x".to_owned()))
    );
    web.labels
        .insert(PROBE_LABEL.to_owned(), "nonsense".to_owned());
    let failure = probes.check(&web).expect_err("it cannot be read");
    assert_eq!(failure.kind, FailureKind::Policy);
    assert!(failure.message.contains("allowed: tcp:PORT"), "{failure}");
}

/// Answers in order, a second apart: `p` passed, `f` failed, `u` unknown.
fn heard(answers: &str) -> Option<Pulse> {
    let probe = "tcp:1".parse().expect("a probe");
    let at = |n: usize| Timestamp(1000 * n as u64);
    answers
        .chars()
        .enumerate()
        .fold(None, |before, (n, answer)| {
            let answer = match answer {
                'p' => ProbeAnswer::Passed,
                'f' => ProbeAnswer::Failed("no".to_owned()),
                _ => ProbeAnswer::Unknown("silence".to_owned()),
            };
            let when = (at(n), at(n) + Duration::from_millis(10));
            Some(Pulse::heard(before.as_ref(), &web(), &probe, answer, when))
        })
}

#[test]
fn answers_come_to_a_beat() {
    let of = |answers: &str| {
        let pulse = heard(answers);
        let pulses = pulse.map(|pulse| (web().id, pulse)).into_iter().collect();
        let configured = "tcp:1".parse().expect("a probe");
        let probes = Probes {
            configured: Some(&configured),
            pulses: &pulses,
        };
        match probes.beat(&web()) {
            Beat::NoProbe => "none".to_owned(),
            Beat::Unasked(_) => "unasked".to_owned(),
            Beat::Unheard(_) => "unheard".to_owned(),
            Beat::Passes(passes) => format!("passes {}-{}", passes.since.0, passes.asked.0),
            Beat::Fails { times, .. } => format!("fails {times}"),
        }
    };
    for (answers, beat) in [
        ("", "unasked"),
        ("u", "unheard"),
        ("p", "passes 10-0"),
        ("up", "passes 1010-1000"),
        ("ppp", "passes 10-2000"),
        ("pup", "passes 10-2000"),
        ("ppu", "passes 10-1000"),
        ("f", "fails 1"),
        ("fuf", "fails 2"),
        ("fu", "fails 1"),
        ("pff", "fails 2"),
        ("ffp", "passes 2010-2000"),
        ("pfp", "passes 2010-2000"),
    ] {
        assert_eq!(of(answers), beat, "{answers}");
    }
}

#[test]
fn what_another_start_or_another_probe_said_counts_for_nothing() {
    let pulse = heard("ppp").expect("heard");
    let probe: Probe = "tcp:1".parse().expect("a probe");
    let again = Container {
        started_at: Some(Timestamp(2)),
        ..web()
    };
    assert!(pulse.is_of(&web(), &probe));
    assert!(
        !pulse.is_of(&again, &probe) && !pulse.is_of(&web(), &"tcp:2".parse().expect("a probe"))
    );
    let when = (Timestamp(9000), Timestamp(9001));
    let anew = Pulse::heard(Some(&pulse), &again, &probe, ProbeAnswer::Passed, when);
    assert_eq!(
        anew,
        Pulse::heard(None, &again, &probe, ProbeAnswer::Passed, when)
    );
}
