//! `pinion rollout watch`, and `start --watch`.

use std::io::IsTerminal as _;

use pinion_proto::v1::{Rollout, WatchRolloutRequest, WatchRolloutResponse};

use super::App;
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::age::clock;
use crate::output::{Printer, text};
use crate::watch::follow::{Event, follow};
use crate::watch::lines::Lines;
use crate::watch::screen::Screen;
use crate::watch::verdict::verdict;

/// Shows the rollout called `id` until it ends or halts.
///
/// # Errors
///
/// If there is no such rollout, or the coordinator refuses.
pub(super) async fn watch(
    app: &App,
    link: &Link,
    id: &str,
    until_settled: bool,
) -> Result<Exit, Error> {
    let request = WatchRolloutRequest {
        rollout: id.to_owned(),
    };
    let mut view = View::new(app.out);
    let exit = follow(
        link,
        "RolloutService/WatchRollout",
        async || link.rollouts().watch_rollout(request.clone()).await,
        |event| match event {
            Event::Message(answer) => {
                view.show(&answer)?;
                Ok(answer
                    .rollout
                    .as_ref()
                    .and_then(|rollout| verdict(rollout, until_settled)))
            }
            Event::Broken { why, wait } => {
                let why = text::line(&why);
                view.remark(&format!(
                    "lost sight of the rollout ({why}); it goes on. Looking again in {wait:?}"
                ));
                Ok(None)
            }
            Event::Quiet => {
                view.refresh();
                Ok(None)
            }
            Event::Back => {
                view.remark("the coordinator answers again");
                Ok(None)
            }
        },
    )
    .await;
    view.end();
    exit
}

/// Where it is shown.
enum View {
    /// For scripts: a message a line.
    Json(Printer),
    /// For logs: a line a change.
    Lines(Printer, Lines),
    /// For people.
    Screen(Box<Screen>, Lines),
}

impl View {
    fn new(out: Printer) -> Self {
        match () {
            () if out.is_json() => Self::Json(out),
            () if std::io::stdout().is_terminal() => {
                Self::Screen(Box::new(Screen::new()), Lines::default())
            }
            () => Self::Lines(out, Lines::default()),
        }
    }

    fn show(&mut self, answer: &WatchRolloutResponse) -> Result<(), Error> {
        let empty = Rollout::default();
        let rollout = answer.rollout.as_ref().unwrap_or(&empty);
        match self {
            Self::Json(out) => out.show("WatchRolloutResponse", answer, |_| String::new()),
            Self::Lines(out, lines) => {
                for line in lines.observe(rollout) {
                    out.line(&format!("{} {}", clock(), line.text))?;
                }
                Ok(())
            }
            Self::Screen(screen, lines) => {
                let new = lines.observe(rollout);
                screen.draw(rollout, &new);
                Ok(())
            }
        }
    }

    /// Draws the ages anew.
    fn refresh(&mut self) {
        if let Self::Screen(screen, _) = self {
            screen.refresh();
        }
    }

    /// Something about the watch itself: on standard error, where scripts do not read it.
    fn remark(&self, text: &str) {
        match self {
            Self::Json(_) | Self::Lines(..) => eprintln!("{} {text}", clock()),
            Self::Screen(screen, _) => screen.say(text),
        }
    }

    fn end(&mut self) {
        if let Self::Screen(screen, _) = self {
            screen.end();
        }
    }
}
