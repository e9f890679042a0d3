//! What several of these tests say.

use std::time::Duration;

use anyhow::ensure;
use harness::engine::Container;
use harness::{App, Fleet, World};
use serde_json::Value;

/// Long enough for anything on a busy machine; a condition that holds is seen at once.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// The one configuration with other values in its strategy, each `key = value`.
pub(crate) fn configuration(changes: &[(&str, &str)]) -> String {
    let mut text = harness::fleet::CONFIGURATION.to_owned();
    for (key, value) in changes {
        let mut found = false;
        let lines = text
            .lines()
            .map(|line| match line.starts_with(&format!("{key} = ")) {
                true => {
                    found = true;
                    format!("{key} = {value}")
                }
                false => line.to_owned(),
            });
        let changed = lines.collect::<Vec<_>>().join("\n");
        assert!(found, "the configuration has no {key}");
        text = changed;
    }
    text
}

/// Every machine's container, machine 1 first.
pub(crate) async fn containers(fleet: &Fleet) -> anyhow::Result<Vec<Container>> {
    let asked = fleet
        .machines
        .iter()
        .map(harness::fleet::Machine::container);
    futures_util::future::try_join_all(asked).await
}

/// The very same containers as `before` on every machine, never stopped since.
pub(crate) async fn ensure_all_untouched(
    before: &[Container],
    fleet: &Fleet,
) -> anyhow::Result<()> {
    for (before, now) in before.iter().zip(containers(fleet).await?) {
        ensure_untouched(before, &now)?;
    }
    Ok(())
}

/// The very same container, never stopped since.
pub(crate) fn ensure_untouched(before: &Container, now: &Container) -> anyhow::Result<()> {
    let started = |container: &Container| {
        let state = container.inspect.state.clone().unwrap_or_default();
        state.started_at
    };
    ensure!(
        now.id == before.id,
        "{} was replaced by {}",
        before.id,
        now.id
    );
    ensure!(
        started(now) == started(before),
        "{} was started again",
        before.id
    );
    ensure!(
        now.running && now.health == "healthy",
        "{} is {}",
        now.id,
        now.health
    );
    Ok(())
}

/// Releases `app`, waits until that has halted, and answers what machine 1 has of it.
pub(crate) async fn halts(
    fleet: &Fleet,
    world: &World,
    app: &App,
    deadline: Duration,
) -> anyhow::Result<Value> {
    let (_, rollout) = fleet.release(world, app)?;
    let phase = "ROLLOUT_PHASE_HALTED";
    fleet.rollout_is(&rollout, phase, deadline).await?;
    fleet.member(&rollout, "t1")
}

/// The kind of a member's failure, and what it says.
pub(crate) fn failure(member: &Value) -> (&str, &str) {
    let failure = &member["failure"];
    let text = |key: &str| failure[key].as_str().unwrap_or_default();
    (text("kind"), text("message"))
}
