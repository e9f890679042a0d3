use super::*;

const NOW: Timestamp = Timestamp(10_000_000);

/// Files with what stands in them, and how many seconds ago they were touched.
fn read_all(files: &[(&str, &str, u64)]) -> Vec<Lease> {
    let dir = tempfile::tempdir().expect("directory");
    for (name, content, age) in files {
        let path = dir.path().join(name);
        std::fs::write(&path, content).expect("file");
        touch(&path, *age);
    }
    read(dir.path(), NOW)
}

fn touch(path: &Path, age: u64) {
    let at = SystemTime::now() - Duration::from_secs(age);
    let file = OpenOptions::new().write(true).open(path).expect("file");
    file.set_modified(at).expect("touched");
}

fn left(lease: &Lease) -> u64 {
    let end = lease.expires_at.expect("an end");
    (end.since(NOW).as_millis() as u64).div_ceil(1000)
}

#[test]
fn a_file_is_a_lock_for_as_long_as_it_says_from_when_it_was_touched() {
    let backup = r#"{"owner": "backup", "reason": "dump", "workload": "codex", "ttl": "60s"}"#;
    let leases = read_all(&[("a", backup, 20), ("b", backup, 60), (".next", backup, 0)]);
    let [young] = &leases[..] else {
        panic!("{leases:?}");
    };
    assert_eq!(
        (young.owner.as_str(), young.reason.as_str()),
        ("backup", "dump")
    );
    assert_eq!(
        young.workload.as_ref().map(|name| name.as_str()),
        Some("codex")
    );
    assert!((39..=40).contains(&left(young)), "{young:?}");
    let codex = "codex".parse().expect("name");
    assert!(young.holds(&codex, NOW));
}

#[test]
fn an_empty_file_locks_the_machine_for_ten_minutes_and_so_does_one_that_says_nonsense() {
    for content in [
        "",
        "\n",
        "{torn",
        "[]",
        r#"{"who": "a"}"#,
        r#"{"ttl": "soon"}"#,
    ] {
        let leases = read_all(&[("backup.lock", content, 0)]);
        let [lease] = &leases[..] else {
            panic!("{content}: {leases:?}");
        };
        assert_eq!(
            (lease.owner.as_str(), &lease.workload),
            ("backup.lock", &None)
        );
        assert!((599..=600).contains(&left(lease)), "{content}: {lease:?}");
        let is_plain = content.trim().is_empty();
        assert_ne!(lease.reason.contains("is no lock"), is_plain, "{content}");
    }
}

#[test]
fn a_time_that_lies_ahead_and_a_long_one_make_no_lock_for_ever() {
    let dir = tempfile::tempdir().expect("directory");
    let path = dir.path().join("a");
    let ahead = SystemTime::now() + Duration::from_secs(999_999);
    let write = |ttl: &str| {
        std::fs::write(&path, format!(r#"{{"ttl": "{ttl}"}}"#)).expect("file");
        let file = OpenOptions::new().write(true).open(&path).expect("file");
        file.set_modified(ahead).expect("touched");
    };
    write("300h");
    let leases = read(dir.path(), NOW);
    assert_eq!(left(&leases[0]), 24 * 3600);
    write("1s");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !read(dir.path(), NOW).is_empty() {
        assert!(std::time::Instant::now() < deadline, "it never ends");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn no_directory_is_no_lock_and_what_is_no_file_is_not_known() {
    let dir = tempfile::tempdir().expect("directory");
    assert!(read(&dir.path().join("gone"), NOW).is_empty());
    std::fs::write(dir.path().join("file"), "").expect("file");
    let unread = read(&dir.path().join("file"), NOW);
    assert_eq!((unread.len(), unread[0].expires_at), (1, None));

    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).expect("link");
    std::fs::create_dir(dir.path().join("sub")).expect("directory");
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    let leases = read(dir.path(), NOW);
    let unknown = leases.iter().filter(|lease| lease.expires_at.is_none());
    assert_eq!((leases.len(), unknown.count()), (4, 3), "{leases:?}");
}

#[test]
fn too_many_files_count_as_a_lock() {
    let names: Vec<String> = (0..=FILE_LIMIT).map(|n| n.to_string()).collect();
    let files: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), "", 9_999))
        .collect();
    let leases = read_all(&files);
    assert_eq!((leases.len(), leases[0].expires_at), (1, None));
}
