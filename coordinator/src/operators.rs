//! Issuing operators' certificates: for a caller over gRPC, at the first
//! start, and on the coordinator's own machine.

use std::time::Duration;

use pinion_model::{Actor, OperatorName, Role};
use pinion_rollout::{Certificate, commands};
use rcgen::PublicKeyData;

use crate::api::CallError;
use crate::identity::{Authority, Issued, Subject, Validity};
use crate::ledger::Ledger;

/// How long a certificate is good unless asked otherwise.
pub const LIFE: Duration = Duration::from_secs(90 * 86_400);
/// How long it may be good.
pub const LONGEST_LIFE: Duration = Duration::from_secs(365 * 86_400);

/// Issues a certificate that says that the holder of `key` is `name`, and
/// stores the role that goes with the name. An older certificate of that name
/// is refused from then on.
///
/// # Errors
///
/// If the decision is refused, or nothing could be signed or stored.
pub async fn issue(
    ledger: &Ledger,
    authority: &Authority,
    name: &OperatorName,
    role: Role,
    key: &impl PublicKeyData,
    life: Duration,
    by: &Actor,
) -> Result<Issued, CallError> {
    let valid = Validity {
        from: ledger.clock(),
        life,
    };
    let subject = Subject::Operator(name.clone());
    let issued = authority
        .issue_client(&subject, key, valid)
        .map_err(CallError::internal)?;
    ledger
        .decide(|world, now| {
            let request = commands::IssueOperator {
                name: name.clone(),
                role,
                certificate: certificate(&issued),
            };
            commands::issue_operator(world, request, by, now)
        })
        .await?;
    Ok(issued)
}

/// What the store keeps of a certificate.
pub(crate) fn certificate(issued: &Issued) -> Certificate {
    Certificate {
        fingerprint: issued.fingerprint.clone(),
        serial: issued.serial.clone(),
        not_after: issued.not_after,
    }
}
