//! What happened, in lines that people read.

use std::collections::VecDeque;

use pinion_model::Timestamp;

use crate::scenario::BEGIN;

/// Where lines go.
#[derive(Debug)]
pub(crate) enum Log {
    /// Nowhere: what failed is run again.
    Off,
    /// The last of them are kept.
    Last(usize, VecDeque<String>),
    /// To standard output, as they come.
    Print,
}

impl Log {
    pub(crate) fn last(limit: usize) -> Self {
        Self::Last(limit, VecDeque::new())
    }

    pub(crate) fn is_on(&self) -> bool {
        !matches!(self, Self::Off)
    }

    pub(crate) fn add(&mut self, at: Timestamp, line: &str) {
        let line = format!("{} {line}", clock(at));
        match self {
            Self::Off => {}
            Self::Last(limit, lines) => {
                if lines.len() == *limit {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
            Self::Print => println!("{line}"),
        }
    }

    /// What was kept.
    pub(crate) fn into_lines(self) -> Vec<String> {
        match self {
            Self::Last(_, lines) => lines.into(),
            Self::Off | Self::Print => Vec::new(),
        }
    }
}

/// Time since the run began.
pub(crate) fn clock(at: Timestamp) -> String {
    let millis = at.since(BEGIN).as_millis();
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!(
        "{:>3}:{:02}:{:02}.{millis:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
