//! A stream that is taken up again when it breaks.

use std::time::Duration;

use tonic::{Response, Status, Streaming};

use crate::connect::{Link, is_final};
use crate::error::Error;
use crate::exit::Exit;

/// How long without a message is quiet.
const QUIET: Duration = Duration::from_secs(1);

/// What a watch sees.
pub(crate) enum Event<T> {
    /// The next message.
    Message(T),
    /// The stream broke; it is taken up again after the wait.
    Broken {
        /// Why.
        why: String,
        /// How long until the next try.
        wait: Duration,
    },
    /// It runs again.
    Back,
    /// Nothing came for a second: ages on a screen have changed.
    Quiet,
}

/// Feeds every message of the stream that `open` opens to `sink`, until that
/// returns an exit code. A stream that broke after its first message is taken
/// up again, after 0.5 s at first and 10 s at most.
///
/// # Errors
///
/// If the first try fails, if the coordinator refuses for good, or if `sink`
/// fails.
pub(crate) async fn follow<T>(
    link: &Link,
    method: &'static str,
    open: impl AsyncFn() -> Result<Response<Streaming<T>>, Status>,
    mut sink: impl FnMut(Event<T>) -> Result<Option<Exit>, Error>,
) -> Result<Exit, Error> {
    let mut backoff = Backoff::default();
    let mut state = Stream::New;
    loop {
        let why = match link.ask(method, open()).await {
            Ok(mut stream) => loop {
                let Ok(next) = tokio::time::timeout(QUIET, stream.message()).await else {
                    sink(Event::Quiet)?;
                    continue;
                };
                match next {
                    Ok(Some(message)) => {
                        if state == Stream::Broken {
                            sink(Event::Back)?;
                        }
                        (state, backoff) = (Stream::Running, Backoff::default());
                        if let Some(exit) = sink(Event::Message(message))? {
                            return Ok(exit);
                        }
                    }
                    Ok(None) => break "the coordinator ended it".to_owned(),
                    Err(status) if is_final(&status) => {
                        return Err(link.refused(method, &status).into());
                    }
                    Err(status) => break link.refused(method, &status).to_string(),
                }
            },
            Err(error) if state == Stream::New || !error.transient => return Err(error.into()),
            Err(error) => error.to_string(),
        };
        if state == Stream::Running {
            state = Stream::Broken;
        }
        let wait = backoff.next();
        sink(Event::Broken { why, wait })?;
        tokio::time::sleep(wait).await;
    }
}

#[derive(PartialEq, Eq)]
enum Stream {
    New,
    Running,
    Broken,
}

/// Waits that double, from 0.5 s to 10 s.
#[derive(Default)]
struct Backoff(u32);

impl Backoff {
    fn next(&mut self) -> Duration {
        let wait = Duration::from_millis(500 << self.0.min(5)).min(Duration::from_secs(10));
        self.0 += 1;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_end_at_ten_seconds() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits[..6], [500, 1_000, 2_000, 4_000, 8_000, 10_000]);
        assert!(waits[6..].iter().all(|wait| *wait == 10_000));
    }
}
