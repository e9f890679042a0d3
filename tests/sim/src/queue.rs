//! What is to happen, by time; at one instant in the order in which it was put there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pinion_model::Timestamp;

use crate::event::Event;

#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Due>>,
    count: u64,
}

#[derive(Debug)]
struct Due {
    at: Timestamp,
    number: u64,
    event: Event,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl Queue {
    pub(crate) fn put(&mut self, at: Timestamp, event: Event) {
        self.count += 1;
        self.heap.push(Reverse(Due {
            at,
            number: self.count,
            event,
        }));
    }

    pub(crate) fn take(&mut self) -> Option<(Timestamp, Event)> {
        let Reverse(due) = self.heap.pop()?;
        Some((due.at, due.event))
    }

    /// Whether all that is to happen is like this.
    pub(crate) fn all(&self, like: impl Fn(&Event) -> bool) -> bool {
        self.heap.iter().all(|Reverse(due)| like(&due.event))
    }

    /// How many events were ever put there.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_in_which_they_were_put() {
        let mut queue = Queue::default();
        for (at, machine) in [(5, 0), (3, 1), (5, 2), (3, 3)] {
            queue.put(Timestamp(at), Event::Turn(machine));
        }
        let mut order = Vec::new();
        while let Some((at, Event::Turn(machine))) = queue.take() {
            order.push((at.0, machine));
        }
        assert_eq!(order, [(3, 1), (3, 3), (5, 0), (5, 2)]);
    }
}
