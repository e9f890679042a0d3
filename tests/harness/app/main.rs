//! The program in the tests' images: answers its version over HTTP, and fails as it is told to.
//!
//! Called with `health` it asks the one that serves how it is, with `regress` it makes that one
//! unhealthy from now on, with `sleep` it takes a minute.
//!
//! Standard library only and linked statically, because it is all that its image holds.
//!
//! `APP_SAYS` what it says first; `APP_VERSION` what it answers; `APP_PORT` where (8080); `APP_MODE` how it goes wrong:
//! `good`, `crash`, `crash-after=SECONDS`, `unhealthy`, `regress-after=SECONDS`, `slow-start=SECONDS`;
//! `APP_DRAIN_MS` for how long it goes on answering after SIGTERM (0). `app probe NAME PORT` is a client of it.

mod probe;

use std::env;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// SIGTERM is heeded a little later, not at once.
static WAITS: AtomicBool = AtomicBool::new(false);
/// It has drained: the next answer is its last.
static LAST: AtomicBool = AtomicBool::new(false);

/// It was told to be unhealthy.
static REGRESSED: AtomicBool = AtomicBool::new(false);

/// How it goes wrong, and after how long.
enum Mode {
    Good,
    CrashAfter(Duration),
    UnhealthyAfter(Duration),
    HealthyAfter(Duration),
}

fn main() {
    let port = env::var("APP_PORT").unwrap_or_else(|_| "8080".into());
    if env::args().nth(1).as_deref() == Some("health") {
        exit(i32::from(!is_well(&port, "/healthz")));
    }
    if env::args().nth(1).as_deref() == Some("regress") {
        exit(i32::from(!is_well(&port, "/regress")));
    }
    if env::args().nth(1).as_deref() == Some("sleep") {
        std::thread::sleep(Duration::from_secs(60));
        exit(0);
    }
    on_sigterm();
    if env::args().nth(1).as_deref() == Some("probe") {
        let name = env::args().nth(2).expect("a name to ask");
        let port = env::args().nth(3).and_then(|port| port.parse().ok());
        WAITS.store(true, Ordering::Relaxed);
        return probe::probe(&name, port.expect("a port to ask"));
    }
    let drain = env::var("APP_DRAIN_MS").map_or(0, |text| text.parse().expect("APP_DRAIN_MS"));
    if drain > 0 {
        WAITS.store(true, Ordering::Relaxed);
        std::thread::spawn(move || end_after(Duration::from_millis(drain)));
    }
    let version = env::var("APP_VERSION").unwrap_or_else(|_| "unknown".into());
    let mode = mode(&env::var("APP_MODE").unwrap_or_else(|_| "good".into()));
    println!("app {version} starts");
    if let Ok(words) = env::var("APP_SAYS") {
        println!("{words}");
    }
    if let Mode::CrashAfter(after) = mode {
        std::thread::spawn(move || {
            std::thread::sleep(after);
            eprintln!("fatal: cannot load the model catalogue: unexpected end of file");
            exit(1);
        });
    }
    serve(&port, &version, &mode);
}

fn mode(text: &str) -> Mode {
    let (word, seconds) = text.split_once('=').unwrap_or((text, "0"));
    let after = Duration::from_secs_f64(seconds.parse().expect("seconds in APP_MODE"));
    match word {
        "good" => Mode::Good,
        "crash" | "crash-after" => Mode::CrashAfter(after),
        "unhealthy" | "regress-after" => Mode::UnhealthyAfter(after),
        "slow-start" => Mode::HealthyAfter(after),
        other => panic!("APP_MODE={other} is not known"),
    }
}

fn serve(port: &str, version: &str, mode: &Mode) {
    let started = Instant::now();
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).expect("listen");
    println!("app {version} listens on {port}");
    for stream in listener.incoming().flatten() {
        let healthy = match mode {
            Mode::Good | Mode::CrashAfter(_) => true,
            Mode::UnhealthyAfter(after) => started.elapsed() < *after,
            Mode::HealthyAfter(after) => started.elapsed() >= *after,
        };
        // A client that says nothing keeps nobody else waiting.
        let version = version.to_owned();
        let answering = std::thread::spawn(move || answer(stream, &version, healthy));
        if LAST.load(Ordering::Relaxed) {
            drop(answering.join());
            exit(0);
        }
    }
}

fn answer(mut stream: TcpStream, version: &str, healthy: bool) {
    let mut request = [0; 1024];
    let read = stream.read(&mut request).unwrap_or(0);
    let asks = |path: &[u8]| request[..read].strip_prefix(b"GET ").is_some_and(|rest| rest.starts_with(path));
    if asks(b"/regress") {
        REGRESSED.store(true, Ordering::Relaxed);
    }
    let is_sick = !healthy || REGRESSED.load(Ordering::Relaxed);
    let status = if asks(b"/healthz") && is_sick { "503 Service Unavailable" } else { "200 OK" };
    let length = version.len() + 1;
    // A client that went away is no matter of ours.
    drop(write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{version}\n"
    ));
}

fn is_well(port: &str, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(format!("127.0.0.1:{port}")) else {
        println!("nobody listens on {port}");
        return false;
    };
    let mut answer = String::new();
    // In one piece: the server reads once.
    let request = format!("GET {path} HTTP/1.1\r\nhost: app\r\n\r\n");
    let asked = stream.write_all(request.as_bytes());
    let is_well = asked.is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200");
    println!("{}", answer.lines().next().unwrap_or("no answer"));
    is_well
}

/// Ends the program once it was told to, and has gone on answering for that long.
fn end_after(drain: Duration) {
    while !probe::ENDS.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(drain);
    // The next answer is the last one, so that nobody who is being answered is cut off.
    LAST.store(true, Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(100));
    exit(0);
}

/// As process 1 of its container it would ignore SIGTERM, and every stop would take ten seconds.
fn on_sigterm() {
    const SIGTERM: i32 = 15;
    // SAFETY: libc's own signatures; the library is linked into every Rust program for Linux.
    unsafe extern "C" {
        fn signal(number: i32, action: extern "C" fn(i32)) -> usize;
        fn _exit(code: i32) -> !;
    }
    extern "C" fn end(_: i32) {
        if WAITS.load(Ordering::Relaxed) {
            probe::ENDS.store(true, Ordering::Relaxed);
        } else {
            // SAFETY: _exit may be called from a signal's action.
            unsafe { _exit(0) }
        }
    }
    // SAFETY: `end` only loads and stores atomics, and calls _exit.
    unsafe { signal(SIGTERM, end) };
}
