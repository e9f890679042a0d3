//! The last lines of what a candidate writes, which go on to where they went.

use std::collections::VecDeque;
use std::io::{Read, Write};
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
    /// Reads along. What is read is kept before it goes on: where that stands
    /// still, as on a disk that is busy, the last lines would be lost.
    pub(crate) fn follow(
        mut from: impl Read + Send + 'static,
        mut onward: impl Write + Send + 'static,
    ) -> Self {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let held = Arc::clone(&kept);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = from.read(&mut buffer) {
                keep(&held, &buffer[..read]);
                // Where nobody reads any more, its last lines are kept all the same.
                let _ = onward.write_all(&buffer[..read]);
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

fn keep(kept: &Mutex<VecDeque<u8>>, read: &[u8]) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.extend(read);
    let surplus = kept.len().saturating_sub(LIMIT);
    kept.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Takes nothing until it is let go.
    struct Stuck(Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_it_wrote_last_is_known_also_where_it_cannot_go_on() {
        let (let_go, stuck) = channel();
        let tail = Tail::follow(&b"it has ended"[..], Stuck(stuck));
        assert_eq!(tail.words(), "it has ended");
        drop(let_go);
    }
}
