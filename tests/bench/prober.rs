//! A client that asks a published port every 2 ms and needs an answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_millis(100);

/// Asks until it is ended.
pub(crate) struct Prober {
    end: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Prober {
    pub(crate) fn start(address: SocketAddr) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let thread = spawn({
            let end = end.clone();
            move || longest_gap(address, &end)
        });
        Self { end, thread }
    }

    /// The longest time between two answers that followed each other.
    pub(crate) fn end(self) -> Duration {
        self.end.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

fn longest_gap(address: SocketAddr, end: &AtomicBool) -> Duration {
    let mut last = Instant::now();
    let mut longest = Duration::ZERO;
    while !end.load(Ordering::Relaxed) {
        if answers(address) {
            longest = longest.max(last.elapsed());
            last = Instant::now();
        }
        sleep(PERIOD);
    }
    longest
}

fn answers(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PATIENCE) else {
        return false;
    };
    let mut answer = [0; 12];
    stream.set_read_timeout(Some(PATIENCE)).is_ok()
        && stream
            .write_all(b"GET / HTTP/1.1\r\nhost: app\r\n\r\n")
            .is_ok()
        && stream.read_exact(&mut answer).is_ok()
}
