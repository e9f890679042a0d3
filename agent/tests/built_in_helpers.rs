//! The built-in credential helpers through the real binary.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const AGENT: &str = env!("CARGO_BIN_EXE_pinion-agent");

/// Exit code and standard output of a run of the agent's own helper.
fn speak(
    program: &Path,
    arguments: &[&str],
    question: &str,
    environment: &[(&str, &str)],
) -> (Option<i32>, String) {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PINION_SECRETS_DIR", "/nonexistent")
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    // `list` does not read it.
    let _ = child
        .stdin
        .take()
        .expect("piped")
        .write_all(question.as_bytes());
    let output = child.wait_with_output().expect("ends");
    (
        output.status.code(),
        String::from_utf8(output.stdout)
            .expect("text")
            .trim()
            .to_owned(),
    )
}

#[test]
fn the_binary_speaks_dockers_protocol_under_either_name() {
    let dir = tempfile::tempdir().expect("directory");
    let link = dir.path().join("docker-credential-pinion-fly");
    std::os::unix::fs::symlink(AGENT, &link).expect("link");
    let token = [("FLY_API_TOKEN", "Bearer t")];
    let expected = r#"{"ServerURL":"registry.fly.io","Username":"x","Secret":"t"}"#;
    for (program, arguments) in [
        (Path::new(AGENT), &["credential-helper", "fly", "get"][..]),
        (&link, &["get"]),
    ] {
        assert_eq!(
            speak(program, arguments, "registry.fly.io\n", &token),
            (Some(0), expected.into())
        );
    }
    assert_eq!(speak(&link, &["list"], "", &token), (Some(0), "{}".into()));
    let not_found = "credentials not found in native keychain".to_owned();
    assert_eq!(
        speak(&link, &["get"], "registry.fly.io", &[]),
        (Some(1), not_found)
    );
    assert_eq!(
        speak(&link, &["get"], "", &token),
        (Some(1), "no credentials server URL".into())
    );
    for action in ["store", "erase"] {
        let (code, said) = speak(&link, &[action], "registry.fly.io", &token);
        assert!(code == Some(1) && said.contains("only reads"), "{said}");
    }
    assert_eq!(
        speak(&link, &["steal"], "", &token),
        (Some(2), String::new())
    );
}
