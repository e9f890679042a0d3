use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{Actor, Timestamp};
use tokio::sync::mpsc;

use crate::store::{RefusedCall, Store};

/// Calls that may wait to be summed.
const QUEUE: usize = 1024;
/// How long calls are summed before they are written.
const PERIOD: Duration = Duration::from_secs(1);
/// Different calls written in a period; all others become one line.
const DISTINCT: usize = 256;
/// Bytes kept of a subject and of a detail.
const TEXT: usize = 512;

/// Sums refused calls and writes them, so that nobody outside can grow the
/// log faster than it is read.
#[derive(Debug)]
pub(super) struct Refusals(mpsc::Sender<RefusedCall>);

impl Refusals {
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let (calls, queue) = mpsc::channel(QUEUE);
        tokio::spawn(write(store, queue));
        Self(calls)
    }

    pub(super) fn add(&self, call: RefusedCall) {
        metrics::counter!("pinion_calls_refused_total").increment(call.count);
        if self.0.try_send(call).is_err() {
            metrics::counter!("pinion_calls_refused_unaudited_total").increment(1);
        }
    }
}

async fn write(store: Arc<dyn Store>, mut queue: mpsc::Receiver<RefusedCall>) {
    let mut written = Timestamp::default();
    while let Some(first) = queue.recv().await {
        let mut sum = Sum::default();
        sum.add(first);
        let end = tokio::time::sleep(PERIOD);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => break,
                call = queue.recv() => match call {
                    Some(call) => sum.add(call),
                    None => break,
                },
            }
        }
        let calls = sum.into_calls_after(&mut written);
        if let Err(error) = store.add_refused(calls).await {
            tracing::error!(%error, "refused calls could not be written to the audit log");
        }
    }
}

#[derive(Debug, Default)]
struct Sum(BTreeMap<(Option<Actor>, String, String), RefusedCall>);

impl Sum {
    fn add(&mut self, mut call: RefusedCall) {
        cut(&mut call.subject);
        cut(&mut call.detail);
        let mut key = (
            call.actor.clone(),
            call.subject.clone(),
            call.detail.clone(),
        );
        if self.0.len() >= DISTINCT && !self.0.contains_key(&key) {
            call = RefusedCall {
                actor: None,
                subject: "other calls".into(),
                detail: "too many different ones to tell apart".into(),
                ..call
            };
            key = (None, call.subject.clone(), call.detail.clone());
        }
        let sum = self.0.entry(key).or_insert_with(|| RefusedCall {
            count: 0,
            ..call.clone()
        });
        sum.count += call.count;
        sum.at = sum.at.max(call.at);
    }

    /// Each later than all that were written before: whoever follows the log
    /// goes on after the last that it saw.
    fn into_calls_after(self, written: &mut Timestamp) -> Vec<RefusedCall> {
        let first = *written + Duration::from_millis(1);
        let late = |call: RefusedCall| RefusedCall {
            at: first.max(call.at),
            ..call
        };
        let calls: Vec<_> = self.0.into_values().map(late).collect();
        *written = calls.iter().map(|call| call.at).max().unwrap_or(*written);
        calls
    }
}

fn cut(text: &mut String) {
    text.truncate(text.floor_char_boundary(TEXT));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(detail: String) -> RefusedCall {
        RefusedCall {
            at: Timestamp(1),
            actor: None,
            subject: "/m".into(),
            detail,
            count: 1,
        }
    }

    #[test]
    fn what_is_written_is_later_than_all_that_was_written_before() {
        let mut written = Timestamp::default();
        let mut write = |at| {
            let mut sum = Sum::default();
            sum.add(RefusedCall {
                at: Timestamp(at),
                ..call("no token".into())
            });
            sum.into_calls_after(&mut written)[0].at.0
        };
        assert_eq!(
            [write(70), write(70), write(60), write(90)],
            [70, 71, 72, 90]
        );
    }

    #[test]
    fn the_same_call_is_one_line_and_a_flood_of_different_ones_is_one_more() {
        let mut sum = Sum::default();
        for _ in 0..3 {
            sum.add(call("no token".into()));
        }
        for n in 0..10_000 {
            sum.add(call(format!("{n} {}", "é".repeat(TEXT))));
        }
        let calls = sum.into_calls_after(&mut Timestamp::default());
        assert_eq!(calls.len(), DISTINCT + 1);
        assert_eq!(calls.iter().map(|call| call.count).sum::<u64>(), 10_003);
        assert!(
            calls
                .iter()
                .any(|call| call.detail == "no token" && call.count == 3)
        );
        assert!(calls.iter().all(|call| call.detail.len() <= TEXT));
    }
}
