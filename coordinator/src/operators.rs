//! Issuing operators' certificates: for a caller over gRPC, at the first
//! start, and on the coordinator's own machine.

use std::time::Duration;

use pinion_model::{Actor, OperatorName, Role, Timestamp};
use pinion_rollout::{Certificate, commands};
use rcgen::PublicKeyData;

use crate::api::CallError;
use crate::identity::{Authority, Issued, Subject, Validity};
use crate::ledger::Ledger;

/// How long a certificate is good unless asked otherwise.
pub const LIFE: Duration = Duration::from_secs(90 * 86_400);
/// How long it may be good.
pub const LONGEST_LIFE: Duration = Duration::from_secs(365 * 86_400);

/// A certificate that says that the holder of `key` is `name`. It counts once
/// it is [registered](register).
///
/// # Errors
///
/// If it cannot be signed.
pub fn sign(
    authority: &Authority,
    name: &OperatorName,
    key: &impl PublicKeyData,
    from: Timestamp,
    life: Duration,
) -> Result<Issued, CallError> {
    let subject = Subject::Operator(name.clone());
    let valid = Validity { from, life };
    authority
        .issue_client(&subject, key, valid)
        .map_err(CallError::internal)
}

/// Makes a certificate the one of `name`, and stores the role that goes with
/// the name. A former certificate of that name is refused from then on.
///
/// # Errors
///
/// If the decision is refused or cannot be stored.
pub async fn register(
    ledger: &Ledger,
    name: &OperatorName,
    role: Role,
    issued: &Issued,
    by: &Actor,
) -> Result<(), CallError> {
    let request = commands::IssueOperator {
        name: name.clone(),
        role,
        certificate: certificate(issued),
    };
    ledger
        .decide(|world, now| commands::issue_operator(world, request.clone(), by, now))
        .await?;
    Ok(())
}

/// What the store keeps of a certificate.
pub(crate) fn certificate(issued: &Issued) -> Certificate {
    Certificate {
        fingerprint: issued.fingerprint.clone(),
        serial: issued.serial.clone(),
        not_after: issued.not_after,
    }
}
