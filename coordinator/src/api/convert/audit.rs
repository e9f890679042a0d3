use pinion_proto::convert::timestamp;
use pinion_proto::v1;

use crate::store::AuditEntry;

/// One line of the audit log.
pub(crate) fn entry(entry: &AuditEntry) -> v1::AuditEntry {
    v1::AuditEntry {
        revision: entry.revision.map_or(0, |revision| revision.0),
        at: Some(timestamp(entry.at)),
        actor: entry.actor.as_ref().map(Into::into),
        action: entry.action.clone(),
        subject: entry.subject.clone(),
        detail: entry.detail.clone(),
        count: entry.count,
    }
}
