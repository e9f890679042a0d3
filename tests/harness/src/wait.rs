//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::Context as _;

const EVERY: Duration = Duration::from_millis(50);

/// Asks `probe` again and again until it answers `Ok`, and returns that answer.
///
/// An `Err` of the probe means "not yet" and says what was seen instead.
///
/// # Errors
///
/// After `deadline`: what was waited for, and what the probe saw last.
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    let mut last = anyhow::anyhow!("the first look did not end");
    while let Some(left) = deadline.checked_sub(start.elapsed()) {
        match tokio::time::timeout(left, probe()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(not_yet)) => last = not_yet,
            Err(_) => break,
        }
        tokio::time::sleep(EVERY).await;
    }
    Err(last).with_context(|| format!("waited {deadline:?} for: {what}; last seen"))
}

/// Holds that `probe` keeps answering `Ok` for all of `span`.
///
/// # Errors
///
/// As soon as it does not.
pub async fn throughout(
    what: &str,
    span: Duration,
    mut probe: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let start = Instant::now();
    while start.elapsed() < span {
        probe()
            .await
            .with_context(|| format!("no longer true after {:?}: {what}", start.elapsed()))?;
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}
