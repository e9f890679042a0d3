//! What an update cannot take along: what containers wrote outside of their volumes.

use crate::Unit;
use crate::observed::MIB;

/// Less than this is not worth a line in a report: caches and process ids.
const REPORTED: u64 = 16 * MIB;

/// Says which containers wrote how much of it; none if it is little.
pub(super) fn remark(units: &[Unit]) -> Option<String> {
    let much = units.iter().filter_map(|unit| {
        let bytes = unit.written.filter(|bytes| *bytes >= REPORTED)?;
        Some(format!("{:?} ({} MiB)", unit.name, bytes / MIB))
    });
    let much: Vec<_> = much.collect();
    (!much.is_empty()).then(|| {
        format!(
            "what containers wrote outside of their volumes goes with the old ones: {}; put on volumes what has to stay",
            much.join(", ")
        )
    })
}
