//! The binary against a listener: exit codes, and what a person is told.
#![allow(missing_docs, unreachable_pub)]

mod fake;
#[path = "commands/strategy.rs"]
mod strategy;

use fake::{Script, run, start};
use pinion_proto::v1::{Rollout, RolloutPhase, Stage};
use tonic::Status;

fn rollout(phase: RolloutPhase, settled: u32) -> Rollout {
    let stage = Stage {
        name: "canary".into(),
        open: true,
        agents: 2,
        settled,
        ..Stage::default()
    };
    Rollout {
        id: "codex-1-1".into(),
        workload: "codex".into(),
        phase: phase.into(),
        stages: vec![stage],
        ..Rollout::default()
    }
}

async fn silent() -> fake::Fake {
    start(Script(vec![])).await
}

#[tokio::test]
async fn a_watch_ends_with_the_code_of_what_it_saw() {
    for (phase, code) in [
        (RolloutPhase::Completed, 0),
        (RolloutPhase::Halted, 3),
        (RolloutPhase::RolledBack, 3),
        (RolloutPhase::Aborted, 1),
        (RolloutPhase::Superseded, 1),
    ] {
        let messages = vec![rollout(RolloutPhase::Running, 1), rollout(phase, 2)];
        let fake = start(Script(vec![(messages, None)])).await;
        let ran = fake.pinion(&["rollout", "watch", "codex-1-1"]).await;
        assert_eq!(ran.code, code, "{phase:?}: {}{}", ran.out, ran.err);
        assert!(ran.out.contains("stage canary 1/2 settled"), "{}", ran.out);
    }
}

#[tokio::test]
async fn a_watch_that_breaks_says_so_and_goes_on() {
    let fake = start(Script(vec![
        (
            vec![rollout(RolloutPhase::Running, 1)],
            Some(Status::unavailable("draining")),
        ),
        (vec![rollout(RolloutPhase::Completed, 2)], None),
    ]))
    .await;
    let ran = fake.pinion(&["rollout", "watch", "codex-1-1"]).await;
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(
        ran.err.contains("draining") && ran.err.contains("answers again"),
        "{}",
        ran.err
    );
    assert_eq!(
        ran.out.matches("stage canary open").count(),
        1,
        "{}",
        ran.out
    );
}

#[tokio::test]
async fn a_watch_for_scripts_is_one_object_a_line() {
    let messages = vec![
        rollout(RolloutPhase::Running, 1),
        rollout(RolloutPhase::Halted, 1),
    ];
    let fake = start(Script(vec![(messages, None)])).await;
    let ran = fake
        .pinion(&["rollout", "watch", "codex-1-1", "--output", "json"])
        .await;
    assert_eq!(ran.code, 3);
    let phases: Vec<_> = ran
        .out
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("JSON")["rollout"]["phase"]
                .clone()
        })
        .collect();
    assert_eq!(phases, ["ROLLOUT_PHASE_RUNNING", "ROLLOUT_PHASE_HALTED"]);
}

#[tokio::test]
async fn a_rollout_that_was_rolled_back_is_shown_with_success() {
    let ran = silent()
        .await
        .pinion(&["rollout", "show", "codex-2-1"])
        .await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("rolled back"), "{}", ran.out);
}

#[tokio::test]
async fn refusals_say_what_to_do_next() {
    let fake = silent().await;
    for (args, words) in [
        (["rollout", "show", "codex-404-1"], "pinion rollout list"),
        (["rollout", "show", "codex-500-1"], "the store failed"),
        (["rollout", "pause", "codex-1-1"], "needs the role operator"),
        (["rollout", "explain", "codex-1-1"], "upgrade"),
        (["rollout", "watch", "codex-1-1"], "no rollout codex-1-1"),
    ] {
        let ran = fake.pinion(&args).await;
        assert_eq!(ran.code, 1, "{args:?}: {}", ran.err);
        assert!(ran.err.contains(words), "{args:?}: {}", ran.err);
    }
}

#[tokio::test]
async fn a_token_that_is_not_known_is_told_without_being_shown() {
    let fake = silent().await;
    std::fs::write(&fake.token, "wrong-s3cret").expect("written");
    let ran = fake.pinion(&["-vv", "rollout", "show", "codex-2-1"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("does not know us"), "{}", ran.err);
    assert!(!ran.err.contains("s3cret"), "{}", ran.err);
}

#[tokio::test]
async fn a_server_of_another_authority_is_not_trusted() {
    let mut fake = silent().await;
    fake.ca = fake.other_ca.clone();
    let ran = fake.pinion(&["rollout", "list"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("not of the authority in"), "{}", ran.err);
}

#[tokio::test]
async fn a_server_under_a_name_it_does_not_have_is_not_trusted() {
    let mut fake = silent().await;
    fake.endpoint = fake.endpoint.replace("127.0.0.1", "localhost");
    let ran = fake.pinion(&["rollout", "list"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("--advertise"), "{}", ran.err);
}

#[tokio::test]
async fn where_nobody_listens_the_address_is_told() {
    let mut fake = silent().await;
    let unused = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    fake.endpoint = format!("https://{}", unused.local_addr().expect("bound"));
    drop(unused);
    let ran = fake.pinion(&["rollout", "list"]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains(&fake.endpoint) && ran.err.contains("is pinion-coordinator running"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up() {
    let mut fake = silent().await;
    // Accepted by the kernel, and never answered.
    let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    fake.endpoint = format!("https://{}", mute.local_addr().expect("bound"));
    let ran = fake.pinion(&["rollout", "list"]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("timed out") && ran.err.contains("firewalls"),
        "{}",
        ran.err
    );
}

#[tokio::test]
async fn what_cannot_be_taken_back_needs_a_yes() {
    for args in [
        &["rollout", "abort", "codex-1-1"][..],
        &["rollout", "rollback", "codex-1-1"],
        &["rollout", "override-windows", "codex-1-1", "--reason", "x"],
        &["agent", "revoke", "t1"],
        &["agent", "remove", "t1"],
        &["token", "revoke", "x"],
        &["operator", "revoke", "alice"],
        &["strategy", "rm", "careful"],
    ] {
        let ran = run(args.iter().copied()).await;
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
        assert!(ran.err.contains("--yes"), "{args:?}: {}", ran.err);
    }
}

#[tokio::test]
async fn wrong_arguments_are_usage_and_an_empty_list_is_not() {
    for args in [
        &["rollout", "show", "codex"][..],
        &["pin", "promote", "codex", "sha256:1", "--sha", "abc"],
        &["nonsense"],
    ] {
        assert_eq!(run(args.iter().copied()).await.code, 2, "{args:?}");
    }
    let ran = silent().await.pinion(&["rollout", "list"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.contains("pinion rollout start"), "{}", ran.out);
}

#[tokio::test]
async fn completions_name_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(["completions", shell].into_iter()).await;
        assert!(ran.code == 0 && ran.out.contains("rollout"), "{shell}");
    }
}

const DIGEST: &str = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945";

#[tokio::test]
async fn what_is_asked_of_quarantine_holds_and_windows_arrives_and_the_answer_is_told() {
    let fake = silent().await;
    for (args, words) in [
        (
            &["quarantine", "add", "codex", DIGEST, "--reason", "bad"][..],
            "of codex is quarantined: no more machines get it\ncodex-2-1 stops",
        ),
        (
            &["quarantine", "add", "codex", DIGEST, "--reason", "again"],
            "was quarantined already",
        ),
        (
            &["quarantine", "lift", DIGEST, "--reason", "good"],
            "pinion rollout resume codex-2-1",
        ),
        (
            &["hold", "place", "--select", "region=eu", "--reason", "x"],
            "hold-4 holds machines with region=eu (2 machines now); it ends with: pinion hold lift hold-4",
        ),
        (
            &[
                "hold",
                "place",
                "--workload",
                "codex",
                "--reason",
                "x",
                "--for",
                "3h",
            ],
            "hold-4 holds codex on every machine (2 machines now); it ends in ",
        ),
        (
            &["hold", "place", "--all", "--reason", "x"],
            "hold-4 holds every machine",
        ),
        (
            &["hold", "place", "--agent", "t1", "--reason", "demo"],
            "by alice: demo",
        ),
        (
            &["hold", "lift", "hold-3"],
            "hold-3 is lifted: it held codex",
        ),
        (&["hold", "lift", "--agent", "t1"], "t1"),
        (
            &[
                "rollout",
                "override-windows",
                "codex-7-1",
                "--reason",
                "x",
                "--yes",
            ],
            "rollout codex-7-1 is running; its windows and freezes do not count any more",
        ),
        (
            &["rollout", "abort", "codex-7-1", "--reason", "why", "--yes"],
            "aborting: keeps, why",
        ),
        (
            &[
                "rollout",
                "abort",
                "codex-7-1",
                "--revert",
                "--reason",
                "why",
                "--yes",
            ],
            "aborting: reverts, why",
        ),
    ] {
        let ran = fake.pinion(args).await;
        assert_eq!(ran.code, 0, "{args:?}: {}", ran.err);
        assert!(ran.out.contains(words), "{args:?}: {}", ran.out);
    }
}

#[tokio::test]
async fn lists_of_what_is_held_and_quarantined_have_every_page_as_text_and_as_json() {
    let fake = silent().await;
    for list in ["list", "ls"] {
        let ran = fake.pinion(&["hold", list]).await;
        for part in ["hold-3", "--agent t1", "customer demo", "the vendor"] {
            assert!(ran.out.contains(part), "{part}: {}{}", ran.out, ran.err);
        }
        let ran = fake.pinion(&["quarantine", list]).await;
        for part in ["aaaa", "bbbb", "it eats data", "1 machine: t1"] {
            assert!(ran.out.contains(part), "{part}: {}{}", ran.out, ran.err);
        }
    }
    let json = async |noun: &str| {
        let ran = fake.pinion(&[noun, "list", "--output", "json"]).await;
        assert_eq!(ran.out.lines().count(), 1, "{}{}", ran.out, ran.err);
        serde_json::from_str::<serde_json::Value>(&ran.out).expect("JSON")
    };
    let holds = json("hold").await;
    assert_eq!(holds["holds"][0]["id"], "hold-3");
    assert_eq!(holds["holds"][1]["agent"], "t1");
    assert_eq!(holds["next_page_token"], "");
    let quarantined = json("quarantine").await;
    assert_eq!(quarantined["quarantined"][0]["agents"], 1);
    assert_eq!(
        quarantined["quarantined"][1]["imposed"]["reason"],
        "it eats data"
    );
}

#[tokio::test]
async fn what_bypasses_or_stops_needs_a_reason_and_a_hold_says_of_what() {
    for args in [
        &["quarantine", "add", "codex", DIGEST][..],
        &["quarantine", "lift", DIGEST],
        &["quarantine", "lift", "sha256:1", "--reason", "x"],
        &["hold", "place", "--all"],
        &["hold", "place", "--reason", "x"],
        &["hold", "lift", "t1"],
        &["rollout", "override-windows", "codex-1-1", "--yes"],
    ] {
        let ran = run(args.iter().copied()).await;
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.err);
    }
    let ran = silent().await.pinion(&["hold", "lift", "hold-9"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("pinion hold list"), "{}", ran.err);
}
