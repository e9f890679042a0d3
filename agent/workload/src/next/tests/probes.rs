//! Health check, probe and time: when a container is proven, waits, or goes back.

use proptest::prelude::*;

use super::*;
use crate::probe::{Probe, ProbeAnswer, Probes, Pulse};
use crate::{HealthTiming, Lookup};

const IMAGES: BTreeMap<String, Lookup> = BTreeMap::new();

fn probe() -> Probe {
    "http:8080/healthz".parse().expect("a probe")
}

fn next_one(health: Health) -> Container {
    let timing = HealthTiming {
        interval: SECOND,
        timeout: SECOND,
        start_period: Duration::ZERO,
        start_interval: 5 * SECOND,
        retries: 3,
    };
    Container {
        health,
        health_timing: (health != Health::None).then_some(timing),
        started_at: Some(NOW),
        ..made("web", ContainerState::Running, "always")
    }
}

/// A cut-over whose next one was started now.
fn cutting() -> Operation {
    let mut operation = operation(Stage::Cut);
    operation.units[0].began = Some(NOW);
    operation
}

/// One agent that hears an answer each second, and takes all steps there are.
struct Watch {
    operation: Operation,
    pulse: Option<Pulse>,
    second: u32,
}

impl Watch {
    fn new(operation: Operation) -> Self {
        Self {
            operation,
            pulse: None,
            second: 0,
        }
    }

    fn now(&self) -> Timestamp {
        NOW + self.second * SECOND
    }

    fn second(&mut self, health: Health, answer: Option<ProbeAnswer>) {
        self.second += 1;
        let (next, now) = (next_one(health), self.now());
        if let Some(answer) = answer {
            let when = (now, now);
            self.pulse = Some(Pulse::heard(
                self.pulse.as_ref(),
                &next,
                &probe(),
                answer,
                when,
            ));
        }
        let containers = [
            old("web.prev.g1a1", ContainerState::Exited, "no"),
            next.clone(),
        ];
        let pulses = self
            .pulse
            .clone()
            .map(|pulse| (next.id.clone(), pulse))
            .into_iter()
            .collect();
        let (configured, before) = (probe(), self.operation.stage.clone());
        let probes = Probes {
            configured: Some(&configured),
            pulses: &pulses,
        };
        let mut written = 0;
        loop {
            let held = record(Some(self.operation.clone()));
            let Step::Write(record) = step_knowing(&IMAGES, probes, &held, &containers, now) else {
                break;
            };
            self.operation = record.operation.expect("it goes on");
            written += 1;
            assert!(written < 8, "the plan comes to an end");
            if self.operation.stage != before {
                break;
            }
        }
    }
}

fn answer(word: char) -> Option<ProbeAnswer> {
    match word {
        'p' => Some(ProbeAnswer::Passed),
        'f' => Some(ProbeAnswer::Failed("503".to_owned())),
        'u' => Some(ProbeAnswer::Unknown("no engine".to_owned())),
        _ => None,
    }
}

/// After which second it is proven, or taken back, of a minute that ends as
/// the text does. Five seconds of health prove it; the deadline is a minute.
fn fate(health: impl Fn(u32) -> Health, answers: &str) -> String {
    let mut watch = Watch::new(cutting());
    let last = answers.chars().last().expect("an answer");
    let mut answers = answers.chars();
    for second in 1..=70 {
        watch.second(health(second), answer(answers.next().unwrap_or(last)));
        match watch.operation.stage {
            Stage::Soak => return format!("proven {second}"),
            Stage::RollBack => return format!("back {second}"),
            _ => {}
        }
    }
    "undecided".to_owned()
}

#[test]
fn proven_is_what_passes_both_without_a_break_for_long_enough() {
    use Health::{Healthy, None, Starting, Unhealthy};
    let always = |health| move |_: u32| health;
    let from = |at: u32, before, after| move |second: u32| if second < at { before } else { after };
    for (fate, expected, case) in [
        (
            fate(always(None), "p"),
            "proven 6",
            "without a check, from the first pass on",
        ),
        (
            fate(always(None), "fffp"),
            "proven 9",
            "from the first pass on",
        ),
        (
            fate(always(None), "ppppfp"),
            "proven 11",
            "a failure breaks it",
        ),
        (
            fate(always(None), "pppup"),
            "proven 6",
            "what is not known breaks nothing",
        ),
        (
            fate(always(None), "pppuuuuup"),
            "proven 9",
            "and proves nothing",
        ),
        (
            fate(always(None), "pppppu"),
            "back 60",
            "its end must be seen",
        ),
        (fate(always(None), "f"), "back 60", "never"),
        (fate(always(None), "u"), "back 60", "nobody knows"),
        (
            fate(always(None), "-"),
            "undecided",
            "who was not asked yet is asked first",
        ),
        (
            fate(always(None), &format!("{}f", "-".repeat(61))),
            "back 62",
            "and judged by that",
        ),
        (fate(always(None), "pf"), "back 60", "once is not enough"),
        (
            fate(always(None), &format!("f{}p", "-".repeat(61))),
            "proven 68",
            "what it said before nobody could ask is asked again",
        ),
        (
            fate(always(None), &format!("f{}f", "-".repeat(61))),
            "back 63",
            "and holds if it is said again",
        ),
        (
            fate(always(None), &format!("ppp{}p", "-".repeat(59))),
            "proven 63",
            "so is one that passed",
        ),
        (
            fate(always(Healthy), "p"),
            "proven 6",
            "both from the beginning",
        ),
        (
            fate(always(Healthy), "f"),
            "back 60",
            "the check alone is not enough",
        ),
        (fate(always(Starting), "p"), "back 60", "nor is the probe"),
        (
            fate(from(4, Starting, Healthy), "p"),
            "proven 9",
            "from the check's first pass on",
        ),
        (
            fate(from(3, Starting, Healthy), "fffffp"),
            "proven 11",
            "from the later one on",
        ),
        (
            fate(from(4, Healthy, Unhealthy), "p"),
            "back 4",
            "the check says no",
        ),
    ] {
        assert_eq!(fate, expected, "{case}");
    }
}

/// A soak of 20 s that began now, of what was proven.
fn soaking() -> Watch {
    let mut operation = operation(Stage::Soak);
    operation.units[0].proven = true;
    operation.units[0].began = Some(NOW);
    operation.units[0].healthy = Some(Streak {
        since: NOW,
        starts: vec![next_one(Health::None).start_mark()],
    });
    Watch::new(operation)
}

#[test]
fn a_probe_that_fails_within_the_soak_takes_it_back_and_one_that_recovers_does_not() {
    let fate = |answers: &str| {
        let mut watch = soaking();
        let last = answers.chars().last().expect("an answer");
        let mut answers = answers.chars();
        for second in 1..=200 {
            watch.second(Health::None, answer(answers.next().unwrap_or(last)));
            match watch.operation.stage {
                Stage::Settle => return format!("settled {second}"),
                Stage::RollBack => {
                    return format!(
                        "back {second}: {}",
                        watch.operation.failure.expect("why").message
                    );
                }
                _ => {}
            }
        }
        "undecided".to_owned()
    };
    assert_eq!(fate("p"), "settled 20");
    assert_eq!(fate("ppffp"), "settled 20", "proven anew within the soak");
    assert_eq!(
        fate(&format!("{}fp", "p".repeat(18))),
        "settled 25",
        "and after it, if that takes so long"
    );
    assert_eq!(
        fate("pppu"),
        "settled 20",
        "what is not known is no failure"
    );
    assert_eq!(
        fate("-"),
        "settled 50",
        "not asked yet: the end waits for it a while"
    );
    let back = fate("pppfff");
    assert!(
        back.starts_with("back 6: ") && back.contains("503") && back.contains("3 times in a row"),
        "{back}"
    );
    assert!(fate("pppfufuf").starts_with("back 8: "));
}

#[test]
fn a_soak_whose_end_was_missed_ends_with_what_the_probe_says_now() {
    let back_late = || {
        let mut watch = soaking();
        watch.second(Health::None, answer('p'));
        watch.second = 80;
        watch.second(Health::None, None);
        assert_eq!(watch.operation.stage, Stage::Soak, "it is asked first");
        watch
    };
    let mut good = back_late();
    good.second(Health::None, answer('p'));
    assert_eq!(good.operation.stage, Stage::Settle);
    let mut bad = back_late();
    (0..3).for_each(|_| bad.second(Health::None, answer('f')));
    assert_eq!(bad.operation.stage, Stage::RollBack);
}

#[test]
fn a_label_that_cannot_be_read_is_refused_before_anything_is_touched() {
    use ContainerState::{Created, Running};
    let labelled = |mut container: Container| {
        container
            .labels
            .insert("pinion.probe".to_owned(), "http:8080 /healthz".to_owned());
        container
    };
    let mut at_gate = operation(Stage::Create);
    at_gate.units[0].made = true;
    let before = old("web", Running, "always");
    let next = made("web.next.g1a1", Created, "always");
    for (operation, containers) in [
        (operation(Stage::Preflight), vec![labelled(before.clone())]),
        (at_gate, vec![before, labelled(next)]),
    ] {
        let Step::Write(refused) = step(&record(Some(operation)), &containers, NOW) else {
            panic!("a decision is written down");
        };
        let refused = refused.operation.expect("it goes on");
        assert_eq!(refused.stage, Stage::Abandon { withdrawn: false });
        let why = refused.failure.expect("why").message;
        assert!(
            why.contains("pinion.probe") && why.contains("allowed: tcp:PORT"),
            "{why}"
        );
    }
}

#[test]
fn one_that_has_a_check_of_which_nothing_is_said_is_not_healthy_yet() {
    let mut next = next_one(Health::Starting);
    next.health = Health::None;
    assert!(!crate::health::is_good(&next));
    next.health_timing = None;
    assert!(crate::health::is_good(&next));
}

#[test]
fn a_start_interval_that_is_longer_than_the_interval_has_its_time_too() {
    let timing = |start_period, start_interval| HealthTiming {
        interval: SECOND,
        timeout: 2 * SECOND,
        start_period,
        start_interval,
        retries: 2,
    };
    let deadline = |timing| {
        let mut next = next_one(Health::Starting);
        next.health_timing = Some(timing);
        let asked = Assignment {
            healthy_deadline: SECOND,
            ..assignment()
        };
        crate::health::Terms::of(&asked, Some(&next), true)
            .deadline
            .as_secs()
    };
    assert_eq!(deadline(timing(Duration::ZERO, 5 * SECOND)), 3 * 3 + 30);
    assert_eq!(
        deadline(timing(60 * SECOND, 5 * SECOND)),
        60 + 4 + 3 * 3 + 30
    );
    assert_eq!(
        deadline(timing(60 * SECOND, Duration::from_millis(100))),
        60 + 3 * 3 + 30
    );
    assert_eq!(
        deadline(timing(Duration::MAX, Duration::MAX)),
        Duration::MAX.as_secs()
    );
}

fn any_second() -> impl Strategy<Value = (Health, char)> {
    let health = prop::sample::select(vec![
        Health::None,
        Health::None,
        Health::Healthy,
        Health::Starting,
    ]);
    let word = prop::sample::select(vec!['p', 'p', 'p', 'p', 'p', 'f', 'u', '-']);
    (health, word)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    /// Whatever is heard, and in whichever order.
    #[test]
    fn never_proven_while_a_probe_fails(
        health in prop::sample::select(vec![Health::None, Health::Healthy]),
        seconds in prop::collection::vec(any_second(), 1..60),
    ) {
        let mut watch = Watch::new(cutting());
        let mut heard: Vec<(u32, char)> = Vec::new();
        for (other, word) in seconds {
            let shown = if other == Health::Starting && health == Health::Healthy { other } else { health };
            watch.second(shown, answer(word));
            heard.push((watch.second, word));
            if watch.operation.stage != Stage::Cut {
                break;
            }
        }
        if watch.operation.stage == Stage::Soak {
            let min_healthy = 5;
            let told = |(_, word): &&(u32, char)| matches!(word, 'p' | 'f');
            let last = heard.iter().rev().find(told);
            prop_assert_eq!(last.map(|(_, word)| *word), Some('p'), "{:?}", heard);
            let within = heard.iter().filter(|(at, _)| *at + min_healthy >= watch.second);
            prop_assert!(within.clone().all(|(_, word)| *word != 'f'), "{:?}", heard);
            let first = heard.iter().find(|(at, word)| *word == 'p' && *at + min_healthy <= watch.second);
            prop_assert!(first.is_some(), "it passed for so long: {:?}", heard);
        }
    }
}
