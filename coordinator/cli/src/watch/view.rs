//! Where a watched rollout is shown: for scripts, for logs, or for people.

use std::io::IsTerminal as _;

use pinion_proto::v1::{Rollout, WatchRolloutResponse};

use super::lines::{Line, Lines};
use super::screen::Screen;
use crate::error::Error;
use crate::output::Printer;
use crate::output::age::clock;

/// Seconds without news after which it is said what is waited for.
const SILENCE: u32 = 15;

/// What is shown, and what was.
pub(crate) struct View {
    out: Printer,
    surface: Surface,
    said: Lines,
    last: Rollout,
    /// Seconds since the last news.
    quiet: u32,
}

enum Surface {
    /// For scripts: a message a line.
    Json,
    /// For logs: a line a change.
    Lines,
    /// For people.
    Screen(Screen),
}

impl View {
    /// A view for whatever standard output is.
    pub(crate) fn new(out: Printer) -> Self {
        let surface = match () {
            () if out.is_json() => Surface::Json,
            () if std::io::stdout().is_terminal() => Surface::Screen(Screen::new()),
            () => Surface::Lines,
        };
        Self {
            out,
            surface,
            said: Lines::default(),
            last: Rollout::default(),
            quiet: 0,
        }
    }

    /// Shows what is new.
    ///
    /// # Errors
    ///
    /// If standard output is gone.
    pub(crate) fn show(&mut self, answer: &WatchRolloutResponse) -> Result<(), Error> {
        self.last = answer.rollout.clone().unwrap_or_default();
        let new = self.said.observe(&self.last);
        if !new.is_empty() {
            self.quiet = 0;
        }
        match &mut self.surface {
            Surface::Json => self
                .out
                .show("WatchRolloutResponse", answer, |_| String::new()),
            Surface::Lines => new.iter().try_for_each(|line| write(self.out, line)),
            Surface::Screen(screen) => {
                screen.draw(&self.last, &new);
                Ok(())
            }
        }
    }

    /// A second went by without a message.
    ///
    /// # Errors
    ///
    /// If standard output is gone.
    pub(crate) fn second(&mut self) -> Result<(), Error> {
        self.quiet = self.quiet.saturating_add(1);
        let silence = if self.quiet == SILENCE {
            Lines::silence(&self.last)
        } else {
            None
        };
        match (&mut self.surface, silence) {
            (Surface::Lines, Some(line)) => write(self.out, &line),
            (Surface::Screen(screen), silence) => {
                if let Some(line) = silence {
                    screen.say(&line.text);
                }
                screen.refresh(&self.last);
                Ok(())
            }
            (Surface::Json | Surface::Lines, _) => Ok(()),
        }
    }

    /// Something about the watch itself: on standard error, where scripts do not read it.
    pub(crate) fn remark(&self, text: &str) {
        match &self.surface {
            Surface::Json | Surface::Lines => eprintln!("{} {text}", clock()),
            Surface::Screen(screen) => screen.say(text),
        }
    }

    /// Leaves what is shown as it is.
    pub(crate) fn end(&mut self) {
        if let Surface::Screen(screen) = &mut self.surface {
            screen.end();
        }
    }
}

fn write(out: Printer, line: &Line) -> Result<(), Error> {
    out.line(&format!("{} {}", clock(), line.text))
}
