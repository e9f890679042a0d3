//! Probes that are being asked: beside the loop, so that one that hangs never
//! delays what another workload does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pinion_model::{HolderKind, Timestamp, WorkloadName, parse_duration};
use pinion_workload::in_use::{Probed, Verdict};
use pinion_workload::{Container, ContainerId};
use tokio::task::JoinSet;

use super::{DRAIN_LABEL, IDLE_LABEL, IdleProbe, connections};
use crate::config::WorkloadSettings;
use crate::driver::Driver;

/// Before what has answered is asked again.
const PAUSE: Duration = Duration::from_millis(1500);

/// One thing to ask of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether it is idle.
    Idle(IdleProbe, ContainerId, String),
    /// Whether it has more connections than this.
    Connections(u32, ContainerId, String),
    /// What is to be asked cannot be read.
    Unreadable(Probed),
}

/// What is to be asked of a workload's containers that run.
pub(super) fn questions<'a>(
    settings: Option<&WorkloadSettings>,
    running: impl Iterator<Item = &'a Container>,
) -> Vec<Question> {
    let mut questions = Vec::new();
    for container in running {
        let (id, name) = (&container.id, &container.name);
        let label = container.labels.get(IDLE_LABEL);
        let idle = match label.map(|text| (text, IdleProbe::parse(text))) {
            Some((_, None)) => {
                let why = format!("it must be {}", IdleProbe::ALLOWED);
                questions.push(unreadable(container, IDLE_LABEL, why));
                None
            }
            Some((_, probe)) => probe,
            None => settings.and_then(|settings| settings.idle.clone()),
        };
        questions.extend(idle.map(|probe| Question::Idle(probe, id.clone(), name.clone())));
        let max = settings.and_then(|settings| settings.max_connections);
        questions.extend(max.map(|max| Question::Connections(max, id.clone(), name.clone())));
        if let Some(text) = container.labels.get(DRAIN_LABEL)
            && let Err(error) = parse_duration(text)
        {
            questions.push(unreadable(container, DRAIN_LABEL, error.to_string()));
        }
    }
    questions
}

fn unreadable(container: &Container, label: &str, why: String) -> Question {
    Question::Unreadable(Probed {
        kind: HolderKind::Probe,
        of: format!("label {label} of {}", container.name),
        verdict: Verdict::Unknown(why),
    })
}

impl Question {
    async fn ask<D: Driver>(self, driver: &D) -> Probed {
        match self {
            Self::Idle(probe, id, name) => Probed {
                kind: HolderKind::Probe,
                of: format!("{probe} of {name}"),
                verdict: probe.ask(driver, &id).await,
            },
            Self::Connections(max, id, name) => Probed {
                kind: HolderKind::Connections,
                of: name,
                verdict: connections::count(driver, &id, max).await,
            },
            Self::Unreadable(probed) => probed,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Probes {
    running: JoinSet<(WorkloadName, Vec<Probed>)>,
    known: BTreeMap<WorkloadName, Known>,
}

#[derive(Debug, Default)]
struct Known {
    is_asking: bool,
    answers: Option<(Vec<Probed>, Timestamp)>,
}

impl Probes {
    /// Asks, unless it is being asked or was a moment ago.
    pub(super) fn ask<D: Driver>(
        &mut self,
        driver: &Arc<D>,
        workload: &WorkloadName,
        questions: Vec<Question>,
        now: Timestamp,
    ) {
        let known = self.known.entry(workload.clone()).or_default();
        let is_fresh = |(_, at): &(Vec<Probed>, Timestamp)| now.since(*at) < PAUSE;
        if questions.is_empty() || known.is_asking || known.answers.as_ref().is_some_and(is_fresh) {
            return;
        }
        // That it was idle a moment ago opens no gate now.
        let is_busy = |probed: &Probed| probed.verdict != Verdict::Idle;
        known.answers = known
            .answers
            .take()
            .filter(|(all, _)| all.iter().any(is_busy));
        known.is_asking = true;
        let (driver, workload) = (Arc::clone(driver), workload.clone());
        self.running.spawn(async move {
            let asked = questions.into_iter().map(|question| question.ask(&*driver));
            let answers = futures_util::future::join_all(asked).await;
            (workload, answers)
        });
    }

    /// The next answer; never, while nothing is asked.
    pub(super) async fn heard(&mut self, now: impl Fn() -> Timestamp) {
        match self.running.join_next().await {
            Some(Ok((workload, answers))) => {
                if let Some(known) = self.known.get_mut(&workload) {
                    known.is_asking = false;
                    known.answers = Some((answers, now()));
                }
            }
            Some(Err(error)) => {
                tracing::error!(%error, "a probe ended in a defect");
                self.known.clear();
            }
            None => std::future::pending().await,
        }
    }

    /// What they answered last; none while they are asked for the first time.
    pub(super) fn answers(&self, workload: &WorkloadName) -> Option<&[Probed]> {
        let known = self.known.get(workload)?;
        known
            .answers
            .as_ref()
            .map(|(answers, _)| answers.as_slice())
    }

    /// Drops what is known of workloads that are not to be asked any more.
    pub(super) fn forget(&mut self, is_wanted: impl Fn(&WorkloadName) -> bool) {
        self.known.retain(|workload, _| is_wanted(workload));
    }
}
