//! `pinion rollout watch`, and `start --watch`.

use pinion_proto::v1::WatchRolloutRequest;

use super::App;
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::text;
use crate::watch::follow::{Event, follow};
use crate::watch::verdict::verdict;
use crate::watch::view::View;

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
                let rollout = answer.rollout.as_ref();
                Ok(rollout.and_then(|rollout| verdict(rollout, until_settled)))
            }
            Event::Broken { why, wait } => {
                let why = text::line(&why);
                view.remark(&format!(
                    "lost sight of the rollout ({why}); it goes on. Looking again in {wait:?}"
                ));
                Ok(None)
            }
            Event::Quiet => {
                view.second()?;
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
