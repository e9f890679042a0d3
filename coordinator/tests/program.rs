//! The program itself: its arguments, its first start, its end, and what it
//! says when it cannot start.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_pinion-coordinator");

fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    program()
        .args(args)
        .envs(env.iter().copied())
        .output()
        .expect("the program runs")
}

/// A coordinator that is stopped when the test is over, however it ends.
struct Served {
    child: Child,
    before: Vec<String>,
    ready: String,
}

impl Served {
    fn start(data: &Path, more: &[&str]) -> Self {
        let mut child = program()
            .args([
                "serve",
                "--agents-listen",
                "127.0.0.1:0",
                "--operators-listen",
                "127.0.0.1:0",
            ])
            .args(["--http-listen", "127.0.0.1:0", "--drain", "0", "--data-dir"])
            .arg(data)
            .args(more)
            .env("CP_ADMIN_API_TOKEN", "the-token-of-the-pipeline")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut before = Vec::new();
        for line in lines.by_ref() {
            let line = line.expect("text");
            if line.starts_with("ready ") {
                return Self {
                    child,
                    before,
                    ready: line,
                };
            }
            before.push(line);
        }
        let output = child.wait_with_output().expect("it ended");
        panic!("not ready: {before:?} {}", text(&output.stderr));
    }

    fn address(&self, listener: &str) -> &str {
        let start = format!("{listener}=");
        self.ready
            .split(' ')
            .find_map(|part| part.strip_prefix(start.as_str()))
            .expect("in the ready line")
    }

    fn curl(&self, args: &[&str], path: &str) -> Output {
        let scheme = if args.contains(&"--cacert") {
            "https"
        } else {
            "http"
        };
        let url = format!("{scheme}://{}{path}", self.address("http"));
        let output = Command::new("curl")
            .args(["-fsS", "--max-time", "30"])
            .args(args)
            .arg(url)
            .output();
        output.expect("curl is installed")
    }

    /// Ends it as systemd does, and answers its exit code.
    fn terminate(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_first_start_makes_an_authority_and_an_administrator_and_the_next_keeps_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let pki = data.join("pki");
    let first = Served::start(&data, &[]);
    let said = first.before.join("\n");
    for path in ["ca.pem", "operators/admin.pem", "operators/admin.key"] {
        let path = pki.join(path);
        assert!(
            path.exists() && said.contains(&path.display().to_string()),
            "{said}"
        );
    }
    assert!(
        said.contains("token create") && said.contains(first.address("operators")),
        "{said}"
    );
    let body = format!(
        r#"{{"template_name":"codex","image_digest":"sha256:{}","git_sha":"{}"}}"#,
        "a".repeat(64),
        "b".repeat(40)
    );
    let token = "Authorization: Bearer the-token-of-the-pipeline";
    let promoted = first.curl(
        &["-H", token, "-d", &body],
        "/cp/admin/runtime-image/promote",
    );
    assert!(promoted.status.success(), "{}", text(&promoted.stderr));
    let authority = std::fs::read(pki.join("ca.pem")).expect("the authority");
    assert_eq!(first.terminate(), Some(0));
    let second = Served::start(&data, &[]);
    assert!(second.before.is_empty(), "{:?}", second.before);
    assert_eq!(
        std::fs::read(pki.join("ca.pem")).expect("the authority"),
        authority
    );
    let metrics = text(&second.curl(&[], "/metrics").stdout);
    for line in [
        "pinion_agents{presence=\"online\"} 0",
        "# HELP pinion_plan_seconds",
    ] {
        assert!(metrics.contains(line), "{metrics} lacks {line}");
    }
    let pins = second.curl(&["-H", token], "/cp/admin/runtime-image");
    assert!(
        text(&pins.stdout).contains(&"a".repeat(64)),
        "{}",
        text(&pins.stdout)
    );
    assert_eq!(second.terminate(), Some(0));
}

#[test]
fn curl_is_told_of_a_body_that_is_too_large() {
    let dir = tempfile::tempdir().expect("a directory");
    let served = Served::start(&dir.path().join("data"), &[]);
    let large = dir.path().join("large");
    std::fs::write(&large, vec![b' '; 1 << 20]).expect("written");
    let (token, from) = (
        "Authorization: Bearer the-token-of-the-pipeline",
        format!("@{}", large.display()),
    );
    let answer = served.curl(
        &["-H", token, "--data-binary", &from],
        "/cp/admin/runtime-image/promote",
    );
    let said = text(&answer.stderr);
    assert_eq!(answer.status.code(), Some(22), "{said}");
    assert!(said.contains("413"), "{said}");
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn keys_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let served = Served::start(&data, &[]);
    for (name, wanted) in [
        ("pki/ca.key", 0o600),
        ("pki/server.key", 0o600),
        ("pki/operators/admin.key", 0o600),
        ("pki", 0o700),
        ("pki/ca.pem", 0o644),
    ] {
        let mode = std::fs::metadata(data.join(name))
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, wanted, "{name}");
    }
    assert_eq!(served.terminate(), Some(0));
}

#[test]
fn http_shows_the_own_certificate_or_given_files() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let own = Served::start(&data, &["--http-tls", "own"]);
    let ca = data.join("pki/ca.pem").display().to_string();
    let answer = own.curl(&["--cacert", &ca], "/healthz");
    assert_eq!(text(&answer.stdout), "ok\n", "{}", text(&answer.stderr));
    assert!(
        !own.curl(&["--tls-max", "1.2", "--cacert", &ca], "/healthz")
            .status
            .success()
    );
    assert_eq!(own.terminate(), Some(0));
    let (cert, key) = (data.join("pki/server.pem"), data.join("pki/server.key"));
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let files = Served::start(&data, &["--http-tls-cert", &cert, "--http-tls-key", &key]);
    let answer = files.curl(&["--cacert", &ca], "/readyz");
    assert!(answer.status.success(), "{}", text(&answer.stderr));
    assert_eq!(files.terminate(), Some(0));
}

/// More arguments, variables, and what must be said of them.
type Unusable<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn what_cannot_be_used_ends_with_2_before_anything_is_made() {
    let dir = tempfile::tempdir().expect("a directory");
    let data = dir.path().join("data");
    let (data_text, config) = (data.display().to_string(), dir.path().join("c.toml"));
    std::fs::write(&config, "default_registy = \"ghcr\"\n").expect("written");
    let config = config.display().to_string();
    let ca = env!("CARGO_MANIFEST_DIR").to_owned() + "/Cargo.toml";
    let table: &[Unusable<'_>] = &[
        (
            &["--http-listen", "0.0.0.0:0"],
            &[],
            &["--http-listen", "not loopback", "--http-tls own"],
        ),
        (
            &[],
            &[("PINION_HTTP_LISTEN", "192.0.2.1:0")],
            &["--http-listen", "192.0.2.1"],
        ),
        (
            &["--config", &config],
            &[],
            &[
                &config,
                "default_registy",
                "did you mean \"default_registry\"?",
            ],
        ),
        (
            &[],
            &[("PINION_CONFIG", "/nowhere/c.toml")],
            &["/nowhere/c.toml", "No such file"],
        ),
        (
            &[],
            &[("MOLECULE_IMAGE_REGISTRY", "https://x")],
            &["MOLECULE_IMAGE_REGISTRY", "host[:port]"],
        ),
        (
            &["--advertise", "pinion.example"],
            &[],
            &["--advertise", "HOST:PORT"],
        ),
        (
            &["--heartbeat", "1ms"],
            &[],
            &["--heartbeat", "100ms to 5m"],
        ),
        (&["--http-tls-cert", "/nowhere"], &[], &["--http-tls-key"]),
        (
            &["--http-tls-cert", "/nowhere", "--http-tls-key", "/nowhere"],
            &[],
            &["--http-tls-cert", "/nowhere"],
        ),
        (
            &["--http-tls-cert", &ca, "--http-tls-key", &ca],
            &[],
            &["--http-tls-cert", "no certificate"],
        ),
        (&["--http-tls", "mine"], &[], &["--http-tls", "own"]),
        (
            &["--agents-listen", "everywhere"],
            &[],
            &["--agents-listen"],
        ),
    ];
    for (more, env, words) in table {
        let mut args = vec!["serve", "--data-dir", &data_text];
        args.extend_from_slice(more);
        let output = run(&args, env);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{more:?} {env:?}: {said}");
        for word in *words {
            assert!(said.contains(word), "{more:?}: {said} lacks {word}");
        }
        assert!(!data.exists(), "{more:?} made {data_text}");
    }
}

#[test]
fn a_configuration_is_checked_without_starting() {
    let good = run(
        &["check-config"],
        &[("MOLECULE_IMAGE_REGISTRY", "10.0.0.1:5000")],
    );
    let said = text(&good.stdout);
    assert!(
        good.status.success() && said.contains("10.0.0.1:5000/workspace-template-codex"),
        "{said}"
    );
    let bad = run(&["check-config", "--config", "/nowhere"], &[]);
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn an_operator_is_made_where_nobody_can_log_in_but_not_beside_a_coordinator() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let (data_text, out_text) = (data.display().to_string(), out.display().to_string());
    let create = || {
        run(
            &[
                "operator",
                "create",
                "alice",
                "--role",
                "viewer",
                "--data-dir",
                &data_text,
                "--out",
                &out_text,
            ],
            &[],
        )
    };
    let nothing = create();
    assert_eq!(nothing.status.code(), Some(1));
    assert!(
        text(&nothing.stderr).contains("serve --data-dir"),
        "{}",
        text(&nothing.stderr)
    );
    let served = Served::start(&data, &[]);
    let beside = create();
    assert_eq!(beside.status.code(), Some(1));
    assert!(
        text(&beside.stderr).contains("in use by another process"),
        "{}",
        text(&beside.stderr)
    );
    let second = run(
        &[
            "serve",
            "--data-dir",
            &data_text,
            "--http-listen",
            "127.0.0.1:0",
        ],
        &[],
    );
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(served.terminate(), Some(0));
    let made = create();
    assert!(made.status.success(), "{}", text(&made.stderr));
    for name in ["alice.pem", "alice.key", "ca.pem"] {
        assert!(out.join(name).exists(), "{name}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").to_string();
    let data = dir.path().join("data").display().to_string();
    let output = run(
        &[
            "serve",
            "--data-dir",
            &data,
            "--agents-listen",
            "127.0.0.1:0",
            "--operators-listen",
            &taken,
        ],
        &[],
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains(&taken) && said.contains("--operators-listen"),
        "{said}"
    );
}

#[test]
fn a_trust_domain_that_contradicts_the_authority_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let (data, config) = (dir.path().join("data"), dir.path().join("c.toml"));
    assert_eq!(Served::start(&data, &[]).terminate(), Some(0));
    let text_of = "trust_domain = \"other\"\n[registry.r]\nprefix = \"r.example\"\n[workload.w]\nimages = { r = \"w\" }\n";
    std::fs::write(&config, text_of).expect("written");
    let (data, config) = (data.display().to_string(), config.display().to_string());
    let output = run(&["serve", "--data-dir", &data, "--config", &config], &[]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("trust_domain") && said.contains("\"pinion\""),
        "{said}"
    );
}

#[test]
fn help_shows_examples_and_hides_secrets() {
    let output = program()
        .args(["serve", "--help"])
        .env("CP_ADMIN_API_TOKEN", "very-secret-token")
        .output();
    let said = text(&output.expect("help").stdout);
    for flag in [
        "--data-dir",
        "--config",
        "--agents-listen",
        "--operators-listen",
        "--http-listen",
        "--advertise",
    ] {
        let variable = format!(
            "PINION_{}",
            flag.trim_start_matches('-')
                .replace('-', "_")
                .to_uppercase()
        );
        assert!(
            said.contains(flag) && said.contains(&variable),
            "{flag}: {said}"
        );
    }
    assert!(!said.contains("very-secret-token"), "{said}");
    assert!(text(&run(&["--help"], &[]).stdout).contains("Examples:"));
    assert!(text(&run(&["--version"], &[]).stdout).starts_with("pinion-coordinator 0."));
}
