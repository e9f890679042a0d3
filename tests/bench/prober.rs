//! A client that asks a published port every 2 ms and needs an answer.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

const PERIOD: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_millis(100);

/// Asks until it is ended.
pub(crate) struct Prober {
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<()>,
}

/// What it saw.
#[derive(Debug, Clone, Default)]
struct Seen {
    is_over: bool,
    /// When each version first answered.
    first: BTreeMap<String, Instant>,
    last: Option<Instant>,
    /// The longest time between two answers that followed each other.
    gap: Duration,
}

impl Prober {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let thread = spawn({
            let seen = Arc::clone(&seen);
            move || {
                while !lock(&seen).is_over {
                    ask(address, &seen);
                    sleep(PERIOD);
                }
            }
        });
        Self { seen, thread }
    }

    /// Waits until a version answers for the first time, and says when that was.
    pub(crate) fn sees(&self, version: &str, deadline: Duration) -> anyhow::Result<Instant> {
        let begun = Instant::now();
        loop {
            if let Some(first) = lock(&self.seen).first.get(version) {
                return Ok(*first);
            }
            ensure!(begun.elapsed() < deadline, "{version} does not answer");
            sleep(PERIOD);
        }
    }

    /// The longest time between two answers that followed each other.
    pub(crate) fn end(self) -> anyhow::Result<Duration> {
        lock(&self.seen).is_over = true;
        drop(self.thread.join());
        let seen = lock(&self.seen);
        seen.last.context("nobody ever answered the prober")?;
        Ok(seen.gap)
    }
}

fn ask(address: SocketAddr, seen: &Mutex<Seen>) {
    let Some(version) = answer(address) else {
        return;
    };
    let (now, mut seen) = (Instant::now(), lock(seen));
    if let Some(last) = seen.last {
        seen.gap = seen.gap.max(now - last);
    }
    seen.last = Some(now);
    seen.first.entry(version).or_insert(now);
}

/// The version in the body of an answer with status 200.
fn answer(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: app\r\n\r\n")
        .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200")
        .then(|| body.trim().to_owned())
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
