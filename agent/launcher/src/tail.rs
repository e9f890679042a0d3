//! The last lines of what a candidate writes, which go on to where they went.

use std::collections::VecDeque;
use std::io::{Read, Write as _};
use std::process::ChildStderr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes that are kept.
const LIMIT: usize = 32 * 1024;
/// Whoever a candidate started may keep its output open after it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a candidate writes.
pub(crate) struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    reader: JoinHandle<()>,
}

impl Tail {
    /// Reads along.
    pub(crate) fn follow(mut from: ChildStderr) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let held = Arc::clone(&kept);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                // Where nobody reads any more, its last lines are kept all the same.
                let _ = std::io::stderr().write_all(&buffer[..read]);
                let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
                held.extend(&buffer[..read]);
                let surplus = held.len().saturating_sub(LIMIT);
                held.drain(..surplus);
            }
        });
        Self { kept, reader }
    }

    /// What it wrote last; asked once it has ended.
    pub(crate) fn words(self) -> String {
        let end = Instant::now() + PATIENCE;
        while !self.reader.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: Vec<u8> = kept.iter().copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
