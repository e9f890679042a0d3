use std::io::Read as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::support::{Served, text};

const PATIENCE: Duration = Duration::from_secs(30);
const TOKEN: &str = "Authorization: Bearer the-token-of-the-pipeline";

/// Lets no file of the process grow any more: every write that needs room
/// fails, as on a broken disk.
fn break_the_disk(served: &Served) {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let pid = Pid::from_child(&served.child);
    prlimit(Some(pid), Resource::Fsize, none).expect("it is ours");
}

/// Promotes a digest of this letter alone; what curl says of a refusal.
fn promote(served: &Served, data: &Path, letter: &str) -> String {
    let (digest, source) = (letter.repeat(64), "b".repeat(40));
    let body = data.with_extension("json");
    let promotion = format!(
        r#"{{"template_name":"codex","image_digest":"sha256:{digest}","git_sha":"{source}"}}"#
    );
    std::fs::write(&body, promotion).expect("written");
    let from = format!("@{}", body.display());
    let args = ["-H", TOKEN, "-d", from.as_str()];
    text(&served.curl(&args, "/cp/admin/runtime-image/promote").stderr)
}

#[test]
fn a_coordinator_whose_disk_fails_ends_so_that_it_is_started_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let mut served = Served::start_immune(&data);
    // Once this is stored, so is all that a start writes.
    let said = promote(&served, &data, "c");
    assert!(said.is_empty(), "{said}");
    break_the_disk(&served);
    let said = promote(&served, &data, "a");
    assert!(said.contains("503"), "{said}");
    let began = Instant::now();
    let ended = loop {
        assert!(began.elapsed() < PATIENCE, "it does not end by itself");
        match served.child.try_wait().expect("a child of ours") {
            Some(ended) => break ended,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(ended.code(), Some(1));
    let mut log = String::new();
    let stderr = served.child.stderr.as_mut().expect("piped");
    stderr.read_to_string(&mut log).expect("text");
    assert!(log.contains("the store has ended"), "{log}");
    drop(served);
    assert_eq!(Served::start(&data, &[]).terminate(), Some(0));
}
