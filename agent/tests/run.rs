//! `pinion-agent run` where it cannot run: what it says, and its exit code.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

const AGENT: &str = env!("CARGO_BIN_EXE_pinion-agent");

fn run(state_dir: &Path) -> Child {
    Command::new(AGENT)
        .arg("run")
        .arg("--state-dir")
        .arg(state_dir)
        .args([
            "--docker-host",
            "unix:///nonexistent/docker.sock",
            "--log-format",
            "json",
        ])
        .env_clear()
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts")
}

fn ended(state_dir: &Path) -> Output {
    run(state_dir).wait_with_output().expect("ends")
}

fn said(output: &Output) -> String {
    assert!(
        output.stdout.is_empty(),
        "only the ready line stands on standard output"
    );
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_bad_configuration_ends_with_two_and_names_file_key_and_what_is_near() {
    let dir = tempfile::tempdir().expect("directory");
    std::fs::write(dir.path().join("agent.toml"), "[policy]\nalow = []\n").expect("written");
    let output = ended(dir.path());
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    assert!(
        said.contains("agent.toml: there is no key `policy.alow`; did you mean `allow`?"),
        "{said}"
    );
    let first = said.lines().next().expect("a log line");
    let first: serde_json::Value = serde_json::from_str(first).expect("the log is JSON");
    assert_eq!(first["level"], "ERROR");
}

#[test]
fn a_machine_that_is_not_enrolled_says_how_to_enrol() {
    let dir = tempfile::tempdir().expect("directory");
    let output = ended(dir.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("pinion-agent enroll"),
        "{}",
        said(&output)
    );
}

#[test]
fn one_state_directory_serves_one_agent() {
    let dir = tempfile::tempdir().expect("directory");
    let lock = std::fs::File::create(dir.path().join("lock")).expect("lock");
    lock.lock().expect("held");
    let output = ended(dir.path());
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("another agent runs with the state directory"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_status_without_an_agent_says_so() {
    let dir = tempfile::tempdir().expect("directory");
    let output = Command::new(AGENT)
        .args(["status", "--state-dir"])
        .arg(dir.path())
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("no agent answers at"),
        "{}",
        said(&output)
    );
}

#[test]
fn sigterm_ends_an_agent_that_waits_for_its_engine() {
    let dir = tempfile::tempdir().expect("directory");
    let identity = dir.path().join("identity");
    std::fs::create_dir(&identity).expect("directory");
    let key = rcgen::KeyPair::generate().expect("key");
    let certificate = rcgen::CertificateParams::default()
        .self_signed(&key)
        .expect("signed")
        .pem();
    let names = r#"{"agent": "m1", "trust_domain": "t", "addresses": ["127.0.0.1:1"]}"#;
    std::fs::write(identity.join("agent.json"), names).expect("written");
    std::fs::write(identity.join("ca.pem"), &certificate).expect("written");
    std::fs::write(
        identity.join("agent.pem"),
        key.serialize_pem() + &certificate,
    )
    .expect("written");
    let child = run(dir.path());
    // The socket is made before the engine is waited for.
    let socket = dir.path().join("agent.sock");
    for _ in 0..1200 {
        if socket.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(socket.exists(), "it never began to listen");
    let asked = Command::new(AGENT)
        .args(["status", "--state-dir"])
        .arg(dir.path())
        .output()
        .expect("runs");
    assert_eq!(asked.status.code(), Some(1));
    assert!(
        said(&asked).contains("the container engine does not answer"),
        "{}",
        said(&asked)
    );
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("lives");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
}
