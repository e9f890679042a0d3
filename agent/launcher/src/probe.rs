//! Whether the coordinator takes connections, seen by somebody else than the
//! candidate: that alone tells a candidate that cannot from a coordinator that
//! is away.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::events::Event;

/// For one connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// Looks in the second half of the time that a candidate has.
const LOOKS: u32 = 5;

/// The looks of one candidate.
pub(crate) struct Probe {
    addresses: Vec<String>,
    every: Duration,
    next: Instant,
    seen: Option<bool>,
}

impl Probe {
    pub(crate) fn new(addresses: Vec<String>, deadline: Duration, now: Instant) -> Self {
        Self {
            addresses,
            every: deadline / (2 * LOOKS),
            next: now + deadline / 2,
            seen: None,
        }
    }

    /// When to look next.
    pub(crate) fn due(&self) -> Instant {
        self.next
    }

    /// Looks, if it is time; the answer comes as an event.
    pub(crate) fn look(&mut self, now: Instant, events: &Sender<Event>) {
        if now < self.next {
            return;
        }
        self.next = now + self.every;
        let (addresses, events) = (self.addresses.clone(), events.clone());
        std::thread::spawn(move || {
            // Nobody waits for it any more: the candidate has ended.
            let _ = events.send(Event::Looked(addresses.iter().any(|a| answers(a))));
        });
    }

    pub(crate) fn looked(&mut self, answers: bool) {
        self.seen = Some(self.seen.unwrap_or(true) && answers);
    }

    /// It took connections, every time.
    pub(crate) fn is_reachable(&self) -> bool {
        self.seen.unwrap_or(false)
    }
}

fn answers(address: &str) -> bool {
    let found = address.to_socket_addrs().into_iter().flatten();
    found
        .into_iter()
        .any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn one_look_that_failed_is_enough_to_excuse_a_candidate() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("bound").to_string();
        let now = Instant::now();
        let (events, answers) = channel();
        let mut probe = Probe::new(vec![address], Duration::ZERO, now);
        assert!(!probe.is_reachable(), "nobody has looked");
        let look = |probe: &mut Probe| {
            probe.look(Instant::now(), &events);
            match answers.recv() {
                Ok(Event::Looked(seen)) => probe.looked(seen),
                other => panic!("{other:?}"),
            }
            probe.is_reachable()
        };
        assert!(look(&mut probe));
        drop(listener);
        assert!(!look(&mut probe));
        probe.looked(true);
        assert!(!probe.is_reachable());
    }
}
