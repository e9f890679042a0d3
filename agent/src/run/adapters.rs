//! The reconciler as the session and the socket see it.

use std::collections::BTreeMap;

use pinion_model::{Generation, WorkloadName};
use pinion_proto::convert::or_empty;
use pinion_proto::v1;
use pinion_workload::{ContainerState, Desired, Report};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::journal::AcceptError;
use crate::reconcile::{Handle, RefreshOutcome};
use crate::session::Converge;
use crate::socket::{Refreshed, WorkloadAnswer, Workloads};
use crate::status::{ObservedContainer, Views, WorkloadView};
use crate::tls;

impl Converge for Handle {
    fn generation(&self) -> Generation {
        self.desired().generation
    }

    fn reports(&self) -> Vec<Report> {
        Handle::reports(self)
    }

    fn session(&self, is_live: bool) {
        Handle::session(self, is_live);
    }

    async fn accept(&self, desired: Desired) -> Result<Generation, String> {
        let handle = self.clone();
        let accepted = tokio::task::spawn_blocking(move || Handle::accept(&handle, desired)).await;
        match accepted.map_err(|error| error.to_string())? {
            Ok(generation) => Ok(generation),
            Err(AcceptError::Stale { held, .. }) => Ok(held),
            Err(error @ AcceptError::Journal(_)) => Err(tls::chain(&error)),
        }
    }
}

/// The reconciler for the local socket. Until the engine has answered for the
/// first time, what runs here is not known, and is not answered.
#[derive(Debug, Clone)]
pub(super) struct Local {
    pub(super) handle: Handle,
    /// Empty until the engine has answered.
    pub(super) engine_version: watch::Receiver<String>,
}

impl Workloads for Local {
    fn ready(&self) -> Result<(), &'static str> {
        match self.engine_version.borrow().is_empty() {
            true => Err(
                "the container engine does not answer: see that it runs and that the agent's user may open its socket",
            ),
            false => Ok(()),
        }
    }

    fn workloads(&self) -> Vec<WorkloadAnswer> {
        self.handle
            .status()
            .borrow()
            .iter()
            .map(|(name, view)| answer(name, view))
            .collect()
    }

    async fn refresh(&self, workloads: Vec<WorkloadName>, recreate: bool) -> Refreshed {
        refreshed(self.handle.refresh(workloads, recreate).await)
    }
}

fn answer(name: &WorkloadName, view: &WorkloadView) -> WorkloadAnswer {
    WorkloadAnswer {
        workload: name.clone(),
        digest: view.digest.clone(),
        image: view.image.as_ref().map(ToString::to_string),
        local_tag_reference: view.local_reference.clone(),
        phase: view.phase,
        waiting_for: view.waiting_for.clone(),
        failure: view.failure.clone(),
    }
}

/// "codex: why" becomes a name in one list and its reason beside it.
fn refreshed(outcome: RefreshOutcome) -> Refreshed {
    let mut failures = BTreeMap::new();
    for failed in &outcome.failed {
        let (name, why) = failed.split_once(": ").unwrap_or((failed, ""));
        if let Ok(name) = name.parse::<WorkloadName>() {
            failures.insert(name, why.to_owned());
        }
    }
    let failed = failures.keys().cloned().collect();
    Refreshed {
        pulled: outcome.pulled,
        recreated: outcome.recreated,
        failed,
        failures,
    }
}

/// What the machine runs, as the coordinator is told: moves only when that
/// changes, not with every look at the engine. None before the first look that
/// saw a workload: what is not known is not told as absent.
pub(super) fn inventory(
    mut views: watch::Receiver<Views>,
    shutdown: CancellationToken,
) -> watch::Receiver<Option<v1::Inventory>> {
    let first = message(&views.borrow_and_update());
    let (sender, receiver) = watch::channel(Some(first).filter(|i| !i.workloads.is_empty()));
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return; },
                () = shutdown.cancelled() => return,
            }
            let next = Some(message(&views.borrow_and_update()));
            sender.send_if_modified(|current| {
                let changed = *current != next;
                *current = next;
                changed
            });
        }
    });
    receiver
}

fn message(views: &Views) -> v1::Inventory {
    let workload = |(name, view): (&WorkloadName, &WorkloadView)| v1::WorkloadInventory {
        workload: name.to_string(),
        containers: view.containers.iter().map(container).collect(),
    };
    v1::Inventory {
        workloads: views.iter().map(workload).collect(),
    }
}

fn container(observed: &ObservedContainer) -> v1::ObservedContainer {
    let container = &observed.container;
    v1::ObservedContainer {
        name: container.name.clone(),
        id: container.id.to_string(),
        digest: or_empty(observed.digest.as_ref()),
        running: container.state == ContainerState::Running,
        health: container.health.word().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_told_of_what_was_never_seen() {
        let (views, seen) = watch::channel(Views::new());
        let mut told = inventory(seen, CancellationToken::new());
        assert_eq!(*told.borrow(), None);
        let codex: WorkloadName = "codex".parse().expect("name");
        views.send_replace(Views::from([(codex, WorkloadView::default())]));
        let told = told.wait_for(Option::is_some).await.expect("told").clone();
        assert_eq!(told.expect("some").workloads[0].workload, "codex");
    }

    #[test]
    fn a_failed_refresh_is_named_with_its_reason_beside_it() {
        let outcome = RefreshOutcome {
            failed: vec!["codex: cannot pull: no".into()],
            ..RefreshOutcome::default()
        };
        let refreshed = refreshed(outcome);
        let codex: WorkloadName = "codex".parse().expect("name");
        assert_eq!(refreshed.failed, std::slice::from_ref(&codex));
        assert_eq!(refreshed.failures[&codex], "cannot pull: no");
    }
}
