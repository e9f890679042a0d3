//! One step at a time, as the engine's answer calls for it.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{AgentPhase, Attempt, Digest, Failure, FailureKind, Generation, ImageRef};
use proptest::prelude::*;

use super::*;
use crate::{
    Accepted, Assignment, CatalogEntry, Container, ContainerId, ContainerState, Health, Streak,
    Unit,
};

const NOW: Timestamp = Timestamp(1_000_000);
const SECOND: Duration = Duration::from_secs(1);

fn digest(n: u8) -> Digest {
    format!("sha256:{}", format!("{n:02x}").repeat(32))
        .parse()
        .expect("a digest")
}

fn image(n: u8) -> ImageRef {
    ImageRef {
        repository: "ghcr.io/acme/web".parse().expect("a repository"),
        digest: digest(n),
    }
}

fn assignment() -> Assignment {
    Assignment {
        workload: "web".parse().expect("a name"),
        generation: Generation(1),
        attempt: Attempt(1),
        rollout: None,
        stage: None,
        run: vec![image(2)],
        prefetch: Vec::new(),
        start_within: 600 * SECOND,
        healthy_deadline: 60 * SECOND,
        min_healthy: 5 * SECOND,
        soak: 20 * SECOND,
        local_tag: String::new(),
    }
}

fn container(id: &str, name: &str, n: u8, state: ContainerState, policy: &str) -> Container {
    Container {
        id: ContainerId(id.to_owned()),
        name: name.to_owned(),
        image_id: format!("image-{n}"),
        image_reference: image(n).to_string(),
        repo_digests: vec![image(n)],
        labels: BTreeMap::new(),
        state,
        health: Health::None,
        health_timing: None,
        restart_count: 0,
        oom_killed: false,
        exit_code: 0,
        started_at: None,
        restart_policy: policy.to_owned(),
        restart_retries: 0,
        auto_remove: false,
        stop_timeout: 10 * SECOND,
        depends_on: Vec::new(),
    }
}

fn old(name: &str, state: ContainerState, policy: &str) -> Container {
    container("old", name, 1, state, policy)
}

fn made(name: &str, state: ContainerState, policy: &str) -> Container {
    let mut made = container("next", name, 2, state, policy);
    let labels = [
        ("pinion.op", "g1a1"),
        ("pinion.replaces", "old"),
        ("pinion.workload", "web"),
    ];
    made.labels = labels.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    made
}

/// An operation that replaces one running container, at some stage.
fn operation(stage: Stage) -> Operation {
    let before = old("web", ContainerState::Running, "always");
    let mut operation = Operation::new(&assignment(), NOW, 0, NOW).at(stage, NOW);
    operation.image = Some(image(2));
    operation.units = vec![Unit::new(&before, Some(digest(1)))];
    operation
}

fn record(operation: Option<Operation>) -> Record {
    let accepted = Some(Accepted {
        generation: Generation(1),
        at: NOW,
    });
    Record {
        accepted,
        operation,
        ..Record::default()
    }
}

fn step(record: &Record, containers: &[Container], now: Timestamp) -> Step {
    let workload = "web".parse().expect("a name");
    let entry = CatalogEntry {
        repositories: vec![image(1).repository],
        local_tag: "current".to_owned(),
    };
    let desired = Desired {
        generation: Generation(1),
        assignments: BTreeMap::from([(assignment().workload, assignment())]),
        catalog: BTreeMap::from([(assignment().workload, entry)]),
    };
    let observed = Observed {
        workload: &workload,
        containers: Ok(containers),
        record,
        images: &BTreeMap::new(),
        permitted: &Ok(vec![image(2)]),
        platform: Some(("linux", "amd64")),
        jitter: 1.0,
    };
    next(&desired, &observed, now)
}

fn call(stage: Stage, containers: &[Container]) -> String {
    match step(&record(Some(operation(stage))), containers, NOW) {
        Step::Call(call) => call.key(),
        Step::Write(record) => format!("write {:?}", record.operation.map(|o| o.phase())),
        Step::Rest { .. } => "rest".to_owned(),
    }
}

#[test]
fn the_cut_fences_stops_and_renames_before_it_starts() {
    use ContainerState::{Created, Exited, Running};
    let next = |name| made(name, Created, "always");
    let (aside, waiting) = ("web.prev.g1a1", "web.next.g1a1");
    let table = [
        (
            old("web", Running, "always"),
            next(waiting),
            "set restart policy no of old",
        ),
        (old("web", Running, "no"), next(waiting), "stop old"),
        (
            old("web", Exited, "no"),
            next(waiting),
            "rename old to web.prev.g1a1",
        ),
        (
            old(aside, Exited, "no"),
            next(waiting),
            "rename next to web",
        ),
        (old(aside, Exited, "no"), next("web"), "start next"),
        // Somebody, or an engine's restart, started the old one again.
        (old(aside, Running, "no"), next("web"), "stop old"),
        (
            old(aside, Exited, "always"),
            next("web"),
            "set restart policy no of old",
        ),
    ];
    for (old, next, expected) in table {
        assert_eq!(call(Stage::Cut, &[old, next]), expected);
    }
}

#[test]
fn going_back_takes_the_failed_one_away_before_it_starts_the_old_one() {
    use ContainerState::{Created, Exited, Running};
    let (aside, failed) = ("web.prev.g1a1", "web.failed.g1a1");
    let was = |name, policy| old(name, Exited, policy);
    let table = [
        (
            was(aside, "no"),
            made("web", Running, "always"),
            "set restart policy no of next",
        ),
        (was(aside, "no"), made("web", Running, "no"), "stop next"),
        (
            was(aside, "no"),
            made("web", Exited, "no"),
            "rename next to web.failed.g1a1",
        ),
        (
            was(aside, "no"),
            made("web", Created, "always"),
            "rename next to web.failed.g1a1",
        ),
        (
            was(aside, "no"),
            made(failed, Exited, "no"),
            "rename old to web",
        ),
        (
            was("web", "no"),
            made(failed, Exited, "no"),
            "set restart policy always of old",
        ),
        (
            was("web", "always"),
            made(failed, Exited, "no"),
            "start old",
        ),
        (
            old("web", Running, "always"),
            made(failed, Exited, "no"),
            "write Some(RollingBack)",
        ),
    ];
    for (old, next, expected) in table {
        assert_eq!(call(Stage::RollBack, &[old, next]), expected);
    }
}

#[test]
fn a_container_that_fails_while_it_is_watched_is_taken_back_at_once() {
    let mut operation = operation(Stage::Cut);
    operation.units[0].began = Some(NOW);
    let good = made("web", ContainerState::Running, "always");
    let aside = old("web.prev.g1a1", ContainerState::Exited, "no");
    let failing = [
        Container {
            state: ContainerState::Exited,
            ..good.clone()
        },
        Container {
            state: ContainerState::Restarting,
            ..good.clone()
        },
        Container {
            restart_count: 1,
            ..good.clone()
        },
        Container {
            health: Health::Unhealthy,
            ..good.clone()
        },
    ];
    for next in failing {
        let Step::Write(written) = step(
            &record(Some(operation.clone())),
            &[aside.clone(), next],
            NOW,
        ) else {
            panic!("a decision is written down before anything is done");
        };
        let back = written.operation.expect("it goes on");
        assert_eq!(
            (back.phase(), back.failure.map(|f| f.kind)),
            (AgentPhase::RollingBack, Some(FailureKind::Health))
        );
    }
}

#[test]
fn health_must_last_without_a_break_and_another_start_is_one() {
    let mut operation = operation(Stage::Cut);
    let next = made("web", ContainerState::Running, "always");
    let containers = [
        old("web.prev.g1a1", ContainerState::Exited, "no"),
        next.clone(),
    ];
    operation.units[0].began = Some(NOW);
    operation.units[0].healthy = Some(Streak {
        since: NOW,
        starts: vec![next.start_mark()],
    });
    let record = record(Some(operation));
    assert_eq!(
        step(&record, &containers, NOW + 4 * SECOND),
        Step::Rest {
            wake_at: Some(NOW + 5 * SECOND)
        }
    );
    let Step::Write(proven) = step(&record, &containers, NOW + 5 * SECOND) else {
        panic!("proven");
    };
    assert!(proven.operation.expect("it goes on").units[0].proven);

    let restarted = Container {
        started_at: Some(Timestamp(7)),
        ..next
    };
    let Step::Write(again) = step(
        &record,
        &[containers[0].clone(), restarted],
        NOW + 5 * SECOND,
    ) else {
        panic!("a new streak");
    };
    let unit = again.operation.expect("it goes on").units.remove(0);
    assert_eq!(
        (unit.proven, unit.healthy.map(|s| s.since)),
        (false, Some(NOW + 5 * SECOND))
    );
}

#[test]
fn a_health_check_gets_the_time_that_it_needs_to_decide() {
    let mut operation = operation(Stage::Cut);
    operation.units[0].began = Some(NOW);
    let next = Container {
        health: Health::Starting,
        health_timing: Some(crate::HealthTiming {
            interval: 30 * SECOND,
            timeout: 30 * SECOND,
            start_period: 60 * SECOND,
            retries: 3,
        }),
        ..made("web", ContainerState::Running, "always")
    };
    let containers = [old("web.prev.g1a1", ContainerState::Exited, "no"), next];
    let needed = (60 + 60 * 4 + 30) * SECOND;
    assert_eq!(
        step(
            &record(Some(operation.clone())),
            &containers,
            NOW + 60 * SECOND
        ),
        Step::Rest {
            wake_at: Some(NOW + needed)
        }
    );
    assert!(matches!(
        step(&record(Some(operation)), &containers, NOW + needed),
        Step::Write(_)
    ));
}

#[test]
fn what_is_not_known_is_not_taken_for_absent() {
    let record = record(Some(operation(Stage::Prepare)));
    // The image was not asked about, so nobody knows whether it is there.
    assert!(matches!(
        step(&record, &[], NOW),
        Step::Rest { wake_at: Some(_) }
    ));
}

#[test]
fn a_container_that_stopped_running_during_the_pull_is_waited_for_at_the_gate() {
    use ContainerState::{Created, Exited, Paused, Running};
    let mut operation = operation(Stage::Create);
    operation.units[0].made = true;
    let next = made("web.next.g1a1", Created, "always");
    let at_gate = |state, record: &Record, now| {
        step(record, &[old("web", state, "always"), next.clone()], now)
    };
    for state in [Paused, Exited] {
        let Step::Write(waiting) = at_gate(state, &record(Some(operation.clone())), NOW) else {
            panic!("it says what it waits for");
        };
        let waits = waiting.operation.as_ref().expect("it goes on");
        assert_eq!(
            (waits.phase(), &waits.stage, waits.units[0].old.running),
            (AgentPhase::Waiting, &Stage::Create, true)
        );
        assert!(matches!(
            at_gate(state, &waiting, NOW),
            Step::Rest { wake_at: Some(_) }
        ));
        let Step::Write(cut) = at_gate(Running, &waiting, NOW + SECOND) else {
            panic!("it runs again");
        };
        let cut = cut.operation.expect("it goes on");
        assert_eq!((cut.stage, cut.units[0].old.running), (Stage::Cut, true));
        let Step::Write(late) = at_gate(state, &waiting, NOW + 601 * SECOND) else {
            panic!("it is too late");
        };
        let failure = late.operation.and_then(|o| o.failure).expect("why");
        assert_eq!(failure.kind, FailureKind::Timeout);
        assert!(failure.message.contains("to run again"), "{failure}");
    }
}

#[test]
fn what_forbids_a_replacement_is_asked_again_at_the_gate() {
    use ContainerState::{Created, Running};
    let mut operation = operation(Stage::Create);
    operation.units[0].made = true;
    let mut before = vec![
        old("web", Running, "always"),
        made("web.next.g1a1", Created, "always"),
        container("side", "side", 3, Running, "no"),
    ];
    before[2].depends_on.push("web".to_owned());
    let Step::Write(refused) = step(&record(Some(operation)), &before, NOW) else {
        panic!("a decision is written down");
    };
    let refused = refused.operation.expect("it goes on");
    assert_eq!(refused.stage, Stage::Abandon { withdrawn: false });
}

/// One whose soak is over, proven at its first start.
fn soaked() -> (Record, Container, Container) {
    let next = made("web", ContainerState::Running, "always");
    let mut operation = operation(Stage::Soak);
    operation.units[0].proven = true;
    operation.units[0].began = Some(NOW);
    operation.units[0].healthy = Some(Streak {
        since: NOW,
        starts: vec![next.start_mark()],
    });
    let aside = old("web.prev.g1a1", ContainerState::Exited, "no");
    (record(Some(operation)), aside, next)
}

/// Writes what is to be written, and says where the operation then is.
fn settle_down(record: &mut Record, containers: &[Container], now: Timestamp) -> Operation {
    while let Step::Write(written) = step(record, containers, now) {
        *record = *written;
        let goes_on = record.operation.as_ref().expect("it goes on");
        if goes_on.stage != Stage::Soak {
            break;
        }
    }
    record.operation.clone().expect("it goes on")
}

#[test]
fn a_soak_ends_well_only_with_what_was_proven() {
    let (soaking, aside, next) = soaked();
    let end = NOW + 20 * SECOND;
    let good = [aside.clone(), next.clone()];
    assert_eq!(
        settle_down(&mut soaking.clone(), &good, end).stage,
        Stage::Settle
    );
    let doubtful = [
        Container {
            health: Health::Starting,
            ..next.clone()
        },
        Container {
            state: ContainerState::Paused,
            ..next.clone()
        },
        Container {
            started_at: Some(Timestamp(7)),
            ..next.clone()
        },
    ];
    for next in doubtful {
        let is_well = next.started_at.is_some();
        let mut record = soaking.clone();
        let seen = [aside.clone(), next];
        let doubted = settle_down(&mut record, &seen, end);
        assert_eq!(
            (doubted.stage, doubted.units[0].proven),
            (Stage::Soak, false),
            "{seen:?}"
        );
        let later = settle_down(&mut record, &seen, end + 60 * SECOND);
        let expected = if is_well {
            Stage::Settle
        } else {
            Stage::RollBack
        };
        assert_eq!(later.stage, expected, "{seen:?}");
    }
}

#[test]
fn a_container_of_compose_is_not_soaked_and_that_is_said() {
    let (soaking, aside, mut next) = soaked();
    let label = ("com.docker.compose.project".to_owned(), "shop".to_owned());
    next.labels.extend([label]);
    let seen = [aside, next];
    let settling = settle_down(&mut soaking.clone(), &seen, NOW);
    assert_eq!(settling.stage, Stage::Settle);
    let mut cutting = soaking.operation.expect("it soaks");
    cutting.stage = Stage::Cut;
    let Step::Write(soaking) = step(&record(Some(cutting)), &seen, NOW) else {
        panic!("a stage is written down");
    };
    let said = soaking.operation.expect("it soaks").waiting_for;
    assert!(said.contains("soak 0"), "{said}");
}

fn any_state() -> impl Strategy<Value = ContainerState> {
    use ContainerState::{Created, Dead, Exited, Paused, Restarting, Running};
    prop::sample::select(vec![Created, Running, Paused, Restarting, Exited, Dead])
}

fn any_stage() -> impl Strategy<Value = Stage> {
    prop::sample::select(vec![
        Stage::Preflight,
        Stage::Prepare,
        Stage::Create,
        Stage::Cut,
        Stage::Adopt,
        Stage::Soak,
        Stage::Settle,
        Stage::RollBack,
        Stage::Abandon { withdrawn: true },
    ])
}

fn any_policy() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["no", "always", "unless-stopped"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    /// Whatever stage the journal names and whatever the engine shows.
    #[test]
    fn no_step_starts_a_second_one_or_removes_the_last(
        stage in any_stage(),
        (old_there, old_state, old_policy) in (any::<bool>(), any_state(), any_policy()),
        (next_there, next_state, next_policy) in (any::<bool>(), any_state(), any_policy()),
        old_name in prop::sample::select(vec!["web", "web.prev.g1a1"]),
        next_name in prop::sample::select(vec!["web", "web.next.g1a1", "web.failed.g1a1"]),
        made_whole in any::<bool>(),
    ) {
        prop_assume!(!(old_there && next_there && old_name == next_name));
        let old = old(old_name, old_state, old_policy);
        let next = made(next_name, next_state, next_policy);
        let mut operation = operation(stage.clone());
        operation.units[0].made = made_whole;
        operation.units[0].words = true;
        operation.failure = Some(Failure::new(FailureKind::Health, "it failed"));
        let there = [(old_there, &old), (next_there, &next)];
        let containers: Vec<_> = there.into_iter().filter(|(there, _)| *there).map(|(_, c)| c.clone()).collect();
        match step(&record(Some(operation)), &containers, NOW) {
            Step::Call(Call::Start(id)) => {
                let other = if id == old.id { (next_there, &next) } else { (old_there, &old) };
                let starts_by_itself = other.1.restart_policy != "no" && other.1.state != ContainerState::Created;
                prop_assert!(!other.0 || !(other.1.is_up() || starts_by_itself), "{stage:?}: starts beside {other:?}");
            }
            Step::Call(Call::Remove(id)) if id == old.id => {
                prop_assert!(stage == Stage::Settle && next_there, "{stage:?}: removes the old one");
            }
            Step::Call(Call::Remove(id)) if id == next.id => {
                prop_assert!(next_name != "web", "{stage:?}: removes the one in its place");
            }
            _ => {}
        }
    }
}
