//! What wakes the launcher.

use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The program may have ended.
    Ended,
    /// The launcher is to stop.
    Stop,
    /// Whether the coordinator takes connections.
    Looked(bool),
}

/// Where events come out, in order.
pub(crate) struct Events {
    pub(crate) sender: Sender<Event>,
    receiver: Receiver<Event>,
    /// The launcher was told to stop at some time.
    pub(crate) stop: bool,
}

impl Events {
    pub(crate) fn listen() -> io::Result<Self> {
        let (sender, receiver) = channel();
        let mut signals = Signals::new([SIGCHLD, SIGINT, SIGTERM])?;
        let signalled = sender.clone();
        std::thread::spawn(move || {
            for signal in signals.forever() {
                let event = match signal {
                    SIGCHLD => Event::Ended,
                    _ => Event::Stop,
                };
                if signalled.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            sender,
            receiver,
            stop: false,
        })
    }

    /// The next event; none at that instant.
    pub(crate) fn until(&mut self, instant: Option<Instant>) -> Option<Event> {
        let event = match instant {
            None => self.receiver.recv().ok(),
            Some(instant) => {
                let pause = instant.saturating_duration_since(Instant::now());
                self.receiver.recv_timeout(pause).ok()
            }
        };
        self.stop |= event == Some(Event::Stop);
        event
    }

    /// Waits, but for being told to stop.
    pub(crate) fn pause(&mut self, span: Duration) {
        let end = Instant::now() + span;
        while !self.stop && Instant::now() < end {
            self.until(Some(end));
        }
    }
}
