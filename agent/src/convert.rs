//! Messages of the coordinator as the agent's words, and the agent's reports
//! as messages.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{
    AgentPhase, Attempt, Failure, FailureKind, Generation, ImageRef, RegistryName, Timestamp,
    WorkloadName,
};
use pinion_proto::convert::{
    InvalidField, from_duration, optional_text, or_empty, text, timestamp,
};
use pinion_proto::v1;
use pinion_workload::{Assignment, CatalogEntry, Desired, Report};

use crate::happenings::Happening;

/// The catalog of a Welcome, by workload.
pub type Catalog = BTreeMap<WorkloadName, CatalogEntry>;

/// A desired state as far as this version can read it.
#[derive(Debug)]
pub struct Received {
    /// What to converge to.
    pub desired: Desired,
    /// Refusals of the assignments that cannot be read: the coordinator must
    /// hear of them, since the machine will never act on them.
    pub refused: Vec<Report>,
}

/// Reads a desired state; `order` puts the images of the registries that this
/// machine prefers first.
#[must_use]
pub fn desired(
    message: v1::DesiredState,
    catalog: &Catalog,
    order: &[RegistryName],
    now: Timestamp,
) -> Received {
    let mut received = Received {
        desired: Desired {
            generation: Generation(message.generation),
            assignments: BTreeMap::new(),
            catalog: catalog.clone(),
        },
        refused: Vec::new(),
    };
    for message in message.assignments {
        match assignment(&message, order) {
            Ok(assignment) => {
                received
                    .desired
                    .assignments
                    .insert(assignment.workload.clone(), assignment);
            }
            Err(error) => {
                tracing::error!(workload = %message.workload, %error, "an assignment cannot be read");
                received.refused.extend(refusal(&message, &error, now));
            }
        }
    }
    received
}

/// The catalog of a Welcome; an entry that cannot be read is left out and logged.
#[must_use]
pub fn catalog(entries: &[v1::CatalogEntry]) -> Catalog {
    let read = |entry: &v1::CatalogEntry| -> Result<(WorkloadName, CatalogEntry), InvalidField> {
        let repository = |image: &v1::Image| text("catalog.images.repository", &image.repository);
        let repositories: Result<Vec<_>, _> = entry.images.iter().map(repository).collect();
        let name = text("catalog.workload", &entry.workload)?;
        Ok((
            name,
            CatalogEntry {
                repositories: repositories?,
                local_tag: entry.local_tag.clone(),
            },
        ))
    };
    entries
        .iter()
        .filter_map(|entry| {
            read(entry)
                .inspect_err(
                    |error| tracing::error!(%error, "an entry of the catalog cannot be read"),
                )
                .ok()
        })
        .collect()
}

fn assignment(
    message: &v1::Assignment,
    order: &[RegistryName],
) -> Result<Assignment, InvalidField> {
    let span = |field, message: &Option<prost_types::Duration>, default| {
        Ok(from_duration(field, message.as_ref())?.unwrap_or(default))
    };
    Ok(Assignment {
        workload: text("workload", &message.workload)?,
        generation: Generation(message.generation),
        attempt: Attempt(message.attempt),
        rollout: optional_text("rollout", &message.rollout)?,
        stage: optional_text("stage", &message.stage)?,
        run: images("run", &message.run, order)?,
        prefetch: images("prefetch", &message.prefetch, order)?,
        received_at: Timestamp::default(),
        start_within: span(
            "start_within",
            &message.start_within,
            Duration::from_secs(600),
        )?,
        healthy_deadline: span(
            "healthy_deadline",
            &message.healthy_deadline,
            Duration::from_secs(300),
        )?,
        min_healthy: span("min_healthy", &message.min_healthy, Duration::from_secs(10))?,
        soak: span("soak", &message.soak, Duration::from_secs(300))?,
        defer_within: span(
            "defer_within",
            &message.defer_within,
            Duration::from_secs(3600),
        )?,
        in_use: v1::InUsePolicy::known(message.in_use).unwrap_or_default(),
        local_tag: message.local_tag.clone(),
    })
}

/// The preferred registries' first, in their order; then the others, in the coordinator's.
fn images(
    field: &str,
    images: &[v1::Image],
    order: &[RegistryName],
) -> Result<Vec<ImageRef>, InvalidField> {
    let rank = |image: &&v1::Image| {
        order
            .iter()
            .position(|name| name.as_str() == image.registry)
            .unwrap_or(order.len())
    };
    let mut sorted: Vec<&v1::Image> = images.iter().collect();
    sorted.sort_by_key(rank);
    let read = |image: &v1::Image| {
        Ok(ImageRef {
            repository: text(&format!("{field}.repository"), &image.repository)?,
            digest: text(&format!("{field}.digest"), &image.digest)?,
        })
    };
    sorted.into_iter().map(read).collect()
}

/// None if not even its name can be read: then nobody could match it.
fn refusal(message: &v1::Assignment, error: &InvalidField, now: Timestamp) -> Option<Report> {
    let why = format!(
        "the coordinator sent an assignment that this agent ({}) cannot read: {error}. Nothing was touched; \
         bring the agent and the coordinator to the same version",
        env!("CARGO_PKG_VERSION")
    );
    Some(Report {
        workload: message.workload.parse().ok()?,
        generation: Generation(message.generation),
        attempt: Attempt(message.attempt),
        phase: AgentPhase::Refused,
        waiting_for: String::new(),
        failure: Some(Failure::new(FailureKind::Internal, why)),
        deferral: None,
        running: None,
        at: now,
    })
}

/// What happened, as a message.
#[must_use]
pub fn happening(happening: &Happening) -> v1::Happening {
    v1::Happening {
        at: Some(timestamp(happening.at)),
        workload: or_empty(happening.workload.as_ref()),
        what: happening.what.clone(),
        times: happening.times,
        away: happening.away,
    }
}

/// A report as the message that is acknowledged as `sequence`.
#[must_use]
pub fn report(
    report: &Report,
    sequence: u64,
    containers: Vec<v1::ObservedContainer>,
) -> v1::Report {
    v1::Report {
        workload: report.workload.to_string(),
        generation: report.generation.0,
        attempt: report.attempt.0,
        phase: v1::AgentPhase::from(report.phase).into(),
        waiting_for: report.waiting_for.clone(),
        failure: report.failure.as_ref().map(v1::Failure::from),
        containers,
        sequence,
        running: or_empty(report.running.as_ref()),
        at: Some(timestamp(report.at)),
        deferral: report.deferral.as_ref().map(v1::Deferral::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_model::InUse;

    fn image(registry: &str, repository: &str) -> v1::Image {
        v1::Image {
            registry: registry.into(),
            repository: repository.into(),
            digest: format!("sha256:{}", "a".repeat(64)),
        }
    }

    fn message(run: Vec<v1::Image>) -> v1::DesiredState {
        let assignment = v1::Assignment {
            workload: "codex".into(),
            generation: 3,
            attempt: 1,
            run,
            ..Default::default()
        };
        v1::DesiredState {
            generation: 7,
            assignments: vec![assignment],
        }
    }

    fn order(names: &[&str]) -> Vec<RegistryName> {
        names
            .iter()
            .map(|name| name.parse().expect("name"))
            .collect()
    }

    #[test]
    fn the_machines_order_of_registries_comes_first() {
        let run = vec![
            image("ghcr", "ghcr.io/a/b"),
            image("ecr", "e.example/b"),
            image("fly", "registry.fly.io/b"),
        ];
        for (names, first) in [
            (&[][..], ["ghcr.io", "e.example", "registry.fly.io"]),
            (&["fly"], ["registry.fly.io", "ghcr.io", "e.example"]),
            (&["fly", "ecr"], ["registry.fly.io", "e.example", "ghcr.io"]),
            (&["unknown"], ["ghcr.io", "e.example", "registry.fly.io"]),
        ] {
            let received = desired(
                message(run.clone()),
                &Catalog::new(),
                &order(names),
                Timestamp(0),
            );
            let assignment = received.desired.assignments.values().next().expect("one");
            let hosts: Vec<_> = assignment
                .run
                .iter()
                .map(|image| image.repository.host())
                .collect();
            assert_eq!(hosts, first, "{names:?}");
        }
    }

    #[test]
    fn an_assignment_that_cannot_be_read_is_refused_and_the_others_are_kept() {
        let mut message = message(vec![image("ghcr", "ghcr.io/a/b")]);
        let mut bad = message.assignments[0].clone();
        bad.workload = "hermes".into();
        bad.run[0].digest = "latest".into();
        message.assignments.push(bad);
        let received = desired(message, &Catalog::new(), &[], Timestamp(9));
        assert_eq!(received.desired.assignments.len(), 1);
        let [refused] = received.refused.as_slice() else {
            panic!("{:?}", received.refused)
        };
        assert_eq!(
            (refused.workload.as_str(), refused.generation),
            ("hermes", Generation(3))
        );
        assert_eq!(refused.phase, AgentPhase::Refused);
        assert!(
            refused
                .failure
                .as_ref()
                .expect("why")
                .message
                .contains("run.digest")
        );
    }

    #[test]
    fn values_of_a_newer_version_change_nothing_for_the_worse() {
        let mut message = message(vec![]);
        message.assignments[0].in_use = 99;
        let received = desired(message, &Catalog::new(), &[], Timestamp(0));
        let assignment = received.desired.assignments.values().next().expect("one");
        assert_eq!(assignment.soak, Duration::from_secs(300));
        assert_eq!(assignment.in_use, InUse::Fail);
        assert_eq!(assignment.defer_within, Duration::from_secs(3600));
    }
}
