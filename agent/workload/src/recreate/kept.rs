//! What a user declares to be their own although it is the image's very value.

use std::collections::BTreeSet;

use super::draft::Draft;

/// Label with the settings that stay as they are though the image has the same
/// value, separated by commas: `User`, `WorkingDir`, `StopSignal`,
/// `Entrypoint` (and with it `Cmd`), `Cmd`, `Healthcheck`, `Env.NAME`, `Labels.key`, `Volumes.path`,
/// `ExposedPorts.80/tcp`; a field alone stands for all of its entries.
pub const KEEP_LABEL: &str = "pinion.keep";

/// The settings that are named so.
pub(super) struct Kept(BTreeSet<String>);

impl Kept {
    /// Those of a container.
    pub(super) fn read(draft: &Draft<'_>) -> Self {
        let named = draft.label(KEEP_LABEL).split(',');
        Self(named.map(|name| name.trim().to_owned()).collect())
    }

    /// Whether a field stays, all of it.
    pub(super) fn is(&self, field: &str) -> bool {
        self.0.contains(field)
    }

    /// Whether an entry of a field stays.
    pub(super) fn has(&self, field: &str, entry: &str) -> bool {
        self.is(field) || self.0.contains(&format!("{field}.{entry}"))
    }
}
