//! With real processes.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use pinion_model::{Attempt, Digest, Generation};
use pinion_workload::{ContainerId, OpId};

use super::*;

fn digest(letter: &str) -> Digest {
    format!("sha256:{}", letter.repeat(64))
        .parse()
        .expect("a digest")
}

fn hook(point: HookPoint) -> Hook {
    Hook {
        point,
        container: ContainerId("c0ffee".to_owned()),
        from: (point == HookPoint::Switch).then(|| ContainerId("beef".to_owned())),
        name: "web".to_owned(),
        old: Some(digest("a")),
        new: Some(digest("b")),
        operation: OpId::new(Generation(7), Attempt(1), 0),
    }
}

fn script(body: &str, timeout: Duration) -> HookCommand {
    let command = ["/bin/sh", "-c", body].map(str::to_owned).to_vec();
    HookCommand { command, timeout }
}

async fn run(point: HookPoint, body: &str, timeout: Duration) -> Answer {
    let workload = "codex".parse().expect("a name");
    script(body, timeout).run(&workload, &hook(point)).await
}

const LONG: Duration = Duration::from_secs(30);

fn message(answer: &Answer) -> (FailureKind, &str) {
    match answer {
        Answer::Refused(failure) => (failure.kind, &failure.message),
        other => panic!("it forbids: {other:?}"),
    }
}

#[tokio::test]
async fn an_exit_code_lets_go_puts_off_or_forbids() {
    assert_eq!(run(HookPoint::PreCut, "exit 0", LONG).await, Answer::Done);
    let put_off = run(HookPoint::PreCut, "echo two builds run; exit 75", LONG).await;
    let Answer::Deferred(holder) = put_off else {
        panic!("{put_off:?}");
    };
    assert_eq!(
        (holder.kind, holder.reason.as_str()),
        (HolderKind::Hook, "two builds run")
    );
    assert_eq!(holder.owner, "/bin/sh");
    for (point, kind) in [
        (HookPoint::PreCut, FailureKind::Policy),
        (HookPoint::PostStart, FailureKind::Start),
        (HookPoint::Switch, FailureKind::Start),
    ] {
        for body in [
            "echo not so >&2; exit 1",
            "echo not so; exit 74",
            "echo not so; kill -9 $$",
        ] {
            let answer = run(point, body, LONG).await;
            let (found, message) = message(&answer);
            assert_eq!(found, kind, "{body}");
            assert!(
                message.contains("not so") && message.contains("\"web\""),
                "{message}"
            );
        }
    }
    let missing = HookCommand {
        command: vec!["/nowhere/hook".to_owned()],
        timeout: LONG,
    };
    let answer = missing
        .run(&"codex".parse().expect("a name"), &hook(HookPoint::PreCut))
        .await;
    assert!(message(&answer).1.contains("cannot be run"));
}

#[tokio::test]
async fn a_hook_is_told_what_it_is_run_for_and_nothing_of_the_agents() {
    let dir = tempfile::tempdir().expect("directory");
    let told = dir.path().join("told");
    let body = format!("env > {}; cat; echo cwd=$PWD >> {0}", told.display());
    assert_eq!(run(HookPoint::PreCut, &body, LONG).await, Answer::Done);
    let told = std::fs::read_to_string(told).expect("told");
    for line in [
        "PINION_HOOK=pre-cut",
        "PINION_WORKLOAD=codex",
        "PINION_CONTAINER=web",
        "PINION_CONTAINER_ID=c0ffee",
        &format!("PINION_OLD_DIGEST={}", digest("a")),
        &format!("PINION_NEW_DIGEST={}", digest("b")),
        "PINION_OPERATION=g7a1",
        "cwd=/",
    ] {
        assert!(told.lines().any(|is| is == line), "{line} in {told}");
    }
    // The shell itself sets PWD, SHLVL and _.
    let own = [
        "PINION_", "PATH=", "PWD=", "SHLVL=", "_=", "OLDPWD=", "cwd=",
    ];
    let others = told
        .lines()
        .filter(|line| !own.iter().any(|own| line.starts_with(own)));
    assert_eq!(others.count(), 0, "{told}");
}

fn lives(pid_file: &Path) -> bool {
    let pid = std::fs::read_to_string(pid_file).expect("its number");
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim()));
    status.is_ok_and(|status| !status.contains("State:\tZ"))
}

#[tokio::test]
async fn one_that_hangs_is_killed_with_all_that_it_has_started() {
    let dir = tempfile::tempdir().expect("directory");
    let (leader, child) = (dir.path().join("leader"), dir.path().join("child"));
    // Neither listens to a polite signal, and both hold its output open.
    let body = format!(
        "trap '' TERM; echo said so far; echo $$ > {}; (trap '' TERM; sleep 600) & echo $! > {}; wait",
        leader.display(),
        child.display()
    );
    let began = Instant::now();
    let answer = run(HookPoint::PreCut, &body, Duration::from_secs(1)).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    let (kind, message) = message(&answer);
    assert_eq!(kind, FailureKind::Timeout);
    assert!(
        message.contains("said so far") && message.contains("1s"),
        "{message}"
    );
    for process in [leader, child] {
        let deadline = Instant::now() + Duration::from_secs(10);
        while lives(&process) {
            assert!(
                Instant::now() < deadline,
                "{} still runs",
                process.display()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn one_that_ends_is_not_waited_for_because_of_what_it_leaves_behind() {
    let began = Instant::now();
    let answer = run(HookPoint::PreCut, "sleep 20 & exit 0", LONG).await;
    assert_eq!(answer, Answer::Done);
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn much_output_neither_fills_the_memory_nor_stops_the_hook() {
    let body = "head -c 20000000 /dev/zero | tr '\\0' 'x'; printf '\\033[31mred\\n'; \
                echo last words; exit 3";
    let answer = run(HookPoint::PreCut, body, LONG).await;
    let (_, message) = message(&answer);
    assert!(message.contains("last words") && message.len() <= Failure::MESSAGE_LIMIT + 64);
    assert!(!message.contains('\u{1b}'), "no control characters");
}

#[tokio::test]
async fn a_file_that_is_no_program_forbids_with_the_reason() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("hook");
    std::fs::write(&path, "#!/bin/sh\nexit 0\n").expect("file");
    let command = HookCommand {
        command: vec![path.display().to_string()],
        timeout: LONG,
    };
    let workload = "codex".parse().expect("a name");
    let answer = command.run(&workload, &hook(HookPoint::PostStart)).await;
    assert!(message(&answer).1.contains("ermission denied"));
    let executable = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(&path, executable).expect("executable");
    let answer = command.run(&workload, &hook(HookPoint::PostStart)).await;
    assert_eq!(answer, Answer::Done);
}
