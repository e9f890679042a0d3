//! Connections between agents and coordinators, and what becomes of messages on them.
//!
//! A message comes late, twice, or after one that was sent later; when one is
//! lost, its connection is lost with it, as it is with TCP: neither end hears
//! anything more, and each finds out in its own time.

use std::time::Duration;

use pinion_model::{SessionEpoch, Timestamp};

use crate::event::{Event, Said, Told};
use crate::sim::Sim;
use crate::totals::Fault;

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) machine: usize,
    pub(crate) coordinator: usize,
    /// Of the session, once the coordinator has given it one.
    pub(crate) epoch: Option<SessionEpoch>,
    /// Nothing arrives any more.
    pub(crate) is_cut: bool,
    up: Way,
    down: Way,
}

/// One direction.
#[derive(Debug, Default)]
struct Way {
    /// Nothing arrives before the first message did.
    floor: Timestamp,
    /// When the last message that was sent arrives.
    last: Timestamp,
}

/// Three heartbeats that are missed.
const SILENCE: Duration = Duration::from_secs(30);
/// A stream that ended, and did not come back.
const LEFT: Duration = Duration::from_secs(10);

impl Sim {
    pub(crate) fn new_link(&mut self, machine: usize, coordinator: usize) -> usize {
        self.links.push(Link {
            machine,
            coordinator,
            epoch: None,
            is_cut: false,
            up: Way::default(),
            down: Way::default(),
        });
        self.links.len() - 1
    }

    pub(crate) fn send_up(&mut self, link: usize, said: Said) {
        let is_first = matches!(said, Said::Hello(_));
        let is_orderly = is_first || matches!(said, Said::Inventory(_));
        let Some(times) = self.carry(link, true, is_first, is_orderly) else {
            return;
        };
        if let Some(at) = times.1 {
            self.queue.put(at, Event::Up(link, said.clone()));
        }
        self.queue.put(times.0, Event::Up(link, said));
    }

    pub(crate) fn send_down(&mut self, link: usize, told: Told) {
        let is_first = matches!(told, Told::Welcome);
        let Some(times) = self.carry(link, false, is_first, is_first) else {
            return;
        };
        if let Some(at) = times.1 {
            self.queue.put(at, Event::Down(link, told.clone()));
        }
        self.queue.put(times.0, Event::Down(link, told));
    }

    /// When a message arrives, and when it does so again; none: never.
    fn carry(
        &mut self,
        link: usize,
        is_up: bool,
        is_first: bool,
        is_orderly: bool,
    ) -> Option<(Timestamp, Option<Timestamp>)> {
        let machine = self.links[link].machine;
        if self.links[link].is_cut {
            return None;
        }
        let is_calm = self.now >= self.scenario.calm_at;
        let rough = |per_mille: u64| if is_calm { 0 } else { per_mille };
        if self.machines[machine].is_cut_off || self.random.chance(rough(self.scenario.lost)) {
            self.totals.count(Fault::MessageLost);
            self.cut(link);
            return None;
        }
        let mut takes = self.random.millis(2, 60);
        if self.random.chance(rough(self.scenario.delayed)) {
            self.totals.count(Fault::MessageDelayed);
            takes += self.random.millis(500, 25_000);
        }
        let known = &mut self.links[link];
        let way = if is_up {
            &mut known.up
        } else {
            &mut known.down
        };
        let mut at = (self.now + takes).max(way.floor + Duration::from_millis(1));
        if at < way.last {
            if is_orderly {
                at = way.last;
            } else {
                self.totals.count(Fault::MessageOvertaken);
            }
        }
        way.last = way.last.max(at);
        if is_first {
            way.floor = at;
        }
        let is_twice =
            !is_first && !is_orderly && self.random.chance(rough(self.scenario.duplicated));
        let again = is_twice.then(|| {
            self.totals.count(Fault::MessageDuplicated);
            at + self.random.millis(1, 20_000)
        });
        Some((at, again))
    }

    /// The network loses a connection: each end notices in its own time.
    pub(crate) fn cut(&mut self, link: usize) {
        let is_reset = self.random.chance(500);
        let known = &mut self.links[link];
        if std::mem::replace(&mut known.is_cut, true) {
            return;
        }
        let (machine, coordinator, epoch) = (known.machine, known.coordinator, known.epoch);
        self.say(|| {
            format!(
                "network           m{machine} loses its connection to coordinator {coordinator}"
            )
        });
        let notices = if is_reset {
            self.random.millis(1, 500)
        } else {
            self.random.millis(1_000, 30_000)
        };
        self.put_in(notices, Event::Broken(link));
        let Some(epoch) = epoch else { return };
        let turn = self.random.millis(0, 2_500);
        let after = if is_reset { LEFT } else { SILENCE } + turn;
        self.put_in(
            after,
            Event::Gone {
                coordinator,
                machine,
                epoch,
            },
        );
    }

    /// An agent's process has ended, and with it its connection.
    pub(crate) fn hang_up(&mut self, machine: usize) {
        if let Some(link) = self.machines[machine].session.link.take() {
            self.cut(link);
        }
    }

    /// A coordinator has ended, and with it its connections.
    pub(crate) fn cut_all(&mut self, coordinator: usize) {
        let links: Vec<_> = self.coordinators[coordinator].links().collect();
        for link in links {
            self.cut(link);
        }
    }
}
