use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_pinion-coordinator");

pub(crate) fn program() -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    program()
        .args(args)
        .envs(env.iter().copied())
        .output()
        .expect("the program runs")
}

/// A coordinator that is stopped when the test is over, however it ends.
pub(crate) struct Served {
    pub(crate) child: Child,
    /// What it said before it was ready.
    pub(crate) before: Vec<String>,
    ready: String,
}

impl Served {
    pub(crate) fn start(data: &Path, more: &[&str]) -> Self {
        Self::start_by(program(), data, more)
    }

    /// One that a write beyond the limit of a file's size does not kill.
    pub(crate) fn start_immune(data: &Path) -> Self {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh", PROGRAM])
            .env_remove("RUST_LOG");
        Self::start_by(shell, data, &[])
    }

    fn start_by(mut program: Command, data: &Path, more: &[&str]) -> Self {
        let mut child = program
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
            .env("CP_ADMIN_API_TOKEN", " the-token-of-the-pipeline\n")
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

    pub(crate) fn address(&self, listener: &str) -> &str {
        let start = format!("{listener}=");
        self.ready
            .split(' ')
            .find_map(|part| part.strip_prefix(start.as_str()))
            .expect("in the ready line")
    }

    pub(crate) fn curl(&self, args: &[&str], path: &str) -> Output {
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

    /// What is measured, once `line` is part of it.
    pub(crate) fn metrics_with(&self, line: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let metrics = text(&self.curl(&[], "/metrics").stdout);
            if metrics.contains(line) {
                return metrics;
            }
            assert!(Instant::now() < deadline, "{metrics} lacks {line}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends it as systemd does, and answers its exit code.
    pub(crate) fn terminate(mut self) -> Option<i32> {
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
