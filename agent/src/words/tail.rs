//! The end of what was said.

use std::collections::VecDeque;

/// The last bytes of a stream, up to a limit.
pub(crate) struct Tail {
    bytes: VecDeque<u8>,
    limit: usize,
}

impl Tail {
    pub(crate) fn of(limit: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            limit,
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let surplus = self.bytes.len().saturating_sub(self.limit);
        self.bytes.drain(..surplus);
    }

    /// What is no text is shown as such.
    pub(crate) fn text(&self) -> String {
        let (head, tail) = self.bytes.as_slices();
        String::from_utf8_lossy(&[head, tail].concat()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_character_at_the_cut_does_no_harm() {
        let mut tail = Tail::of(4);
        tail.push("é".repeat(4).as_bytes());
        tail.push(b"x");
        assert_eq!(tail.text(), "\u{fffd}éx");
    }
}
