//! Calls that are being made: one per workload at a time, or a row of them, so
//! that a slow pull of one never delays going back with another.

use std::collections::BTreeMap;
use std::future::Future;

use pinion_model::{Generation, WorkloadName};
use pinion_workload::{Answer, Call};
use tokio::task::{AbortHandle, JoinSet};

/// Calls that have ended, as far as they were made: none after one that was not done.
pub(super) struct Finished {
    pub(super) workload: WorkloadName,
    pub(super) made: Vec<(Call, Answer)>,
}

#[derive(Default)]
pub(super) struct Calls {
    running: JoinSet<(u64, WorkloadName, Vec<Answer>)>,
    by_workload: BTreeMap<WorkloadName, Running>,
    count: u64,
}

struct Running {
    number: u64,
    calls: Vec<Call>,
    generation: Option<Generation>,
    abort: AbortHandle,
}

impl Running {
    fn is_pull(&self) -> bool {
        matches!(self.calls.as_slice(), [Call::Pull(_)])
    }
}

impl Calls {
    /// Whether a call is being made for a workload.
    pub(super) fn is_busy(&self, workload: &WorkloadName) -> bool {
        self.by_workload.contains_key(workload)
    }

    /// Pulls that are under way.
    pub(super) fn pulls(&self) -> usize {
        let running = self.by_workload.values();
        running.filter(|running| running.is_pull()).count()
    }

    /// A row is being made, in which nobody serves. Events of the engine do not
    /// wake the loop meanwhile, most of them being the row's own: it looks once
    /// a second, as always during a cut-over.
    pub(super) fn is_in_a_row(&self) -> bool {
        let mut running = self.by_workload.values();
        running.any(|running| running.calls.len() > 1)
    }

    /// Makes calls for an assignment's generation.
    pub(super) fn begin(
        &mut self,
        workload: &WorkloadName,
        calls: Vec<Call>,
        generation: Option<Generation>,
        made: impl Future<Output = Vec<Answer>> + Send + 'static,
    ) {
        self.count += 1;
        let (number, name) = (self.count, workload.clone());
        let abort = self
            .running
            .spawn(async move { (number, name, made.await) });
        self.by_workload.insert(
            workload.clone(),
            Running {
                number,
                calls,
                generation,
                abort,
            },
        );
    }

    /// Ends pulls for assignments that `is_wanted` no longer knows: nothing
    /// else may be ended halfway.
    pub(super) fn end_pulls(&mut self, is_wanted: impl Fn(&WorkloadName, Generation) -> bool) {
        self.by_workload.retain(|workload, running| {
            let stale = running.is_pull()
                && running
                    .generation
                    .is_some_and(|generation| !is_wanted(workload, generation));
            if stale {
                running.abort.abort();
            }
            !stale
        });
    }

    /// The next that end; never, while none are made.
    pub(super) async fn finished(&mut self) -> Finished {
        loop {
            match self.running.join_next().await {
                Some(Ok((number, workload, answers))) => match self.by_workload.remove(&workload) {
                    Some(running) if running.number == number => {
                        let made = running.calls.into_iter().zip(answers).collect();
                        return Finished { workload, made };
                    }
                    Some(newer) => drop(self.by_workload.insert(workload, newer)),
                    None => {}
                },
                Some(Err(error)) => {
                    if let Some(workload) = self.forget_ended(&error) {
                        let made = Vec::new();
                        return Finished { workload, made };
                    }
                }
                None => std::future::pending().await,
            }
        }
    }

    /// A call that panicked is over too, and nothing is learned: what it did is
    /// observed. None of one that was ended on purpose.
    fn forget_ended(&mut self, error: &tokio::task::JoinError) -> Option<WorkloadName> {
        if error.is_panic() {
            tracing::error!(%error, "a call to the engine ended in a defect");
        }
        let mut running = self.by_workload.iter();
        let (workload, _) = running.find(|(_, running)| running.abort.id() == error.id())?;
        let workload = workload.clone();
        self.by_workload.remove(&workload);
        Some(workload)
    }
}
