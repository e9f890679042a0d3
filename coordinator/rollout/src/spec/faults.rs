use super::Fault;
use crate::Refusal;

/// What is wrong with a document: everything, each with its path.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    /// `path` is that in the document, such as `strategy.stages[1].percent`.
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Fault::new(path, message));
    }

    /// Adds what another check has found.
    pub(crate) fn extend(&mut self, faults: Vec<Fault>) {
        self.0.extend(faults);
    }

    /// Adds one unless `fits`.
    pub(crate) fn demand(&mut self, fits: bool, path: &str, message: impl FnOnce() -> String) {
        if !fits {
            self.add(path, message());
        }
    }

    /// Refuses the document if anything is wrong with it.
    pub(crate) fn refuse(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Refusal::Invalid { faults: self.0 })
    }
}
