//! Draws a rollout on a terminal: lines that stay, above bars that move.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use pinion_proto::v1::Rollout;

use super::bars::{bars, rows};
use super::lines::{About, Line};
use crate::output::age::{self, Now};

/// Rows of machines at most; a terminal is not much higher.
const ROWS: usize = 12;

/// The terminal.
pub(crate) struct Screen {
    all: MultiProgress,
    stages: Vec<ProgressBar>,
    rows: Vec<ProgressBar>,
}

impl Screen {
    /// An empty one, on standard output.
    pub(crate) fn new() -> Self {
        Self {
            all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()),
            stages: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Draws `rollout`; of its new lines those that no bar or row shows stay above.
    pub(crate) fn draw(&mut self, rollout: &Rollout, lines: &[Line]) {
        for line in lines
            .iter()
            .filter(|line| matches!(line.about, About::Rollout | About::Stage | About::Failure))
        {
            self.say(&line.text);
        }
        self.draw_stages(rollout);
        self.refresh(rollout);
    }

    /// Draws the rows again, with the ages of now.
    pub(crate) fn refresh(&mut self, rollout: &Rollout) {
        self.draw_rows(&rows(rollout, ROWS, Now::read()));
    }

    /// A line that stays, with the time.
    pub(crate) fn say(&self, text: &str) {
        // A terminal that went away is noticed by whoever looked at it.
        let _ = self.all.println(format!("{} {text}", age::clock()));
    }

    /// Leaves the bars as they are, and takes the rows away.
    pub(crate) fn end(&mut self) {
        self.draw_rows(&[]);
        for bar in &self.stages {
            bar.abandon();
        }
    }

    fn draw_stages(&mut self, rollout: &Rollout) {
        for (index, stage) in bars(rollout).into_iter().enumerate() {
            if index == self.stages.len() {
                let bar = self.all.insert(
                    index,
                    ProgressBar::new(stage.total).with_style(stage_style()),
                );
                self.stages.push(bar);
            }
            if let Some(bar) = self.stages.get(index) {
                bar.set_prefix(stage.name);
                bar.set_length(stage.total);
                bar.set_position(stage.done);
                bar.set_message(stage.note);
            }
        }
    }

    fn draw_rows(&mut self, rows: &[String]) {
        while self.rows.len() > rows.len() {
            if let Some(row) = self.rows.pop() {
                row.finish_and_clear();
                self.all.remove(&row);
            }
        }
        while self.rows.len() < rows.len() {
            self.rows.push(
                self.all
                    .add(ProgressBar::new_spinner().with_style(row_style())),
            );
        }
        for (bar, text) in self.rows.iter().zip(rows) {
            bar.set_message(text.clone());
            bar.tick();
        }
    }
}

fn stage_style() -> ProgressStyle {
    ProgressStyle::with_template("  {prefix} [{bar:24}] {wide_msg}")
        .expect("the template is a constant")
        .progress_chars("=> ")
}

fn row_style() -> ProgressStyle {
    ProgressStyle::with_template("{wide_msg}").expect("the template is a constant")
}
