//! Making a digest the pin of a workload, for gRPC and HTTP alike.

use pinion_model::{Actor, Digest, SourceSha, WorkloadName};
use pinion_proto::convert::{self, InvalidField};
use pinion_rollout::commands::{self, Promoted};

use crate::api::CallError;
use crate::config::Config;
use crate::ledger::Ledger;
use crate::strategies::resolve;

/// A promotion whose fields have been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Which workload.
    pub workload: WorkloadName,
    /// What the caller calls that field.
    pub workload_field: String,
    /// What to run.
    pub digest: Digest,
    /// What it was built from.
    pub source_sha: SourceSha,
    /// May be empty.
    pub notes: String,
}

impl Promotion {
    /// Checks fields that came as text; each with the name that the caller
    /// knows it by.
    ///
    /// # Errors
    ///
    /// If one of them cannot be what it is; it is named.
    pub fn parse(
        workload: (&str, &str),
        digest: (&str, &str),
        source_sha: (&str, &str),
        notes: String,
    ) -> Result<Self, CallError> {
        Ok(Self {
            workload: convert::text(workload.0, workload.1)?,
            workload_field: workload.0.to_owned(),
            digest: convert::text(digest.0, digest.1)?,
            source_sha: convert::text(source_sha.0, source_sha.1)?,
            notes,
        })
    }
}

/// Makes the digest the workload's pin, and starts its rollout if the catalog
/// says so. It is durable once this answers.
///
/// # Errors
///
/// If the catalog does not know the workload, the command refuses, or the
/// store fails.
pub async fn promote(
    ledger: &Ledger,
    config: &Config,
    promotion: &Promotion,
    by: &Actor,
) -> Result<Promoted, CallError> {
    let entry = config.workloads.get(&promotion.workload);
    let entry = entry.ok_or_else(|| not_in_catalog(config, promotion))?;
    let promoted = ledger
        .decide(|world, now| {
            let auto = entry.auto.then(|| resolve(world, &entry.strategy, None));
            let request = commands::Promote {
                workload: promotion.workload.clone(),
                digest: promotion.digest.clone(),
                source_sha: Some(promotion.source_sha.clone()),
                notes: promotion.notes.clone(),
                images: entry.images.clone(),
                local_tag: entry.local_tag.clone(),
                auto: auto.transpose()?,
            };
            commands::promote(world, request, by, now)
        })
        .await?;
    Ok(promoted.value)
}

fn not_in_catalog(config: &Config, promotion: &Promotion) -> CallError {
    let known: Vec<_> = config.workloads.keys().map(WorkloadName::as_str).collect();
    let message = format!(
        "there is no workload {:?} in the catalog; it has {}",
        promotion.workload.as_str(),
        known.join(", ")
    );
    CallError::Absent(InvalidField::new(&promotion.workload_field, message))
}
