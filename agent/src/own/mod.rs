//! The agent's own program: how it was started, and the calls that replace it.
//!
//! Owns the edges of what `pinion_workload` decides about the workload
//! `pinion-agent`: the program is taken out of its image and laid beside the
//! one that runs, or a container of the new image replaces this one's.
//!
//! ```text
//!   launcher ─▶ slot a ─▶ lay b ─▶ hand over ─▶ leave ─▶ launcher ─▶ slot b
//!   container ─▶ start replacer ─▶ replacer stops it, starts the next, or puts it back
//! ```

mod home;
mod lay;
pub mod replace;
mod replacer_spec;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pinion_launcher::slot_dir::SlotDir;
use pinion_model::{Failure, FailureKind, Timestamp};
use pinion_workload::{Answer, Candidate, Home, Itself, OpId, Operation, OwnCall, Slot, Slots};
use tokio_util::sync::CancellationToken;

use crate::driver::Driver;
use crate::tls;

pub use home::{NotAlone, detect, end_with_launcher};

/// Where an image of the agent has its program.
pub const PROGRAM: &str = "/pinion-agent";
/// How long a program may take to say its version.
const TRIAL_LIMIT: Duration = Duration::from_secs(10);

/// The agent's own program.
#[derive(Debug)]
pub struct Own {
    home: Home,
    slots: SlotDir,
    state_dir: PathBuf,
    engine_host: String,
    since: Timestamp,
    session: Mutex<Option<Timestamp>>,
    addresses: Vec<String>,
    leave: CancellationToken,
}

impl Own {
    /// A program that was started so.
    #[must_use]
    pub fn new(home: Home, state_dir: &Path, engine_host: &str, since: Timestamp) -> Self {
        Self {
            home,
            slots: SlotDir::below(state_dir),
            state_dir: state_dir.to_owned(),
            engine_host: engine_host.to_owned(),
            since,
            session: Mutex::new(None),
            addresses: Vec::new(),
            leave: CancellationToken::new(),
        }
    }

    /// One that nobody replaces.
    #[must_use]
    pub fn bare() -> Self {
        Self::new(Home::Bare, Path::new(""), "", Timestamp(0))
    }

    /// The same, with its coordinator at these addresses, `host:port` each.
    #[must_use]
    pub fn with_addresses(mut self, addresses: &[String]) -> Self {
        self.addresses = addresses.to_vec();
        self
    }

    /// Cancelled once it was handed over to another program.
    #[must_use]
    pub fn leave(&self) -> &CancellationToken {
        &self.leave
    }

    /// A session began at that instant, or ended.
    pub fn session(&self, since: Option<Timestamp>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// What is known of it now.
    #[must_use]
    pub fn itself(&self) -> Itself {
        let slots = match self.home {
            Home::Bare => None,
            _ => self.slots.load().unwrap_or_else(|error| {
                tracing::error!(%error, "cannot read what is known of the agent's own programs");
                None
            }),
        };
        Itself {
            home: self.home.clone(),
            slots,
            session: *self.session.lock().unwrap_or_else(PoisonError::into_inner),
            since: self.since,
        }
    }

    /// What people are told of it.
    #[must_use]
    pub fn facts(&self) -> Vec<(String, String)> {
        let itself = self.itself();
        let place = match &itself.home {
            Home::Slot(slot) => format!("slot {}", slot.word()),
            Home::Container(id) => format!("container {}", id.0.get(..12).unwrap_or(&id.0)),
            Home::Bare | Home::Replacer => "started by hand".to_owned(),
        };
        let image = itself.as_container().and_then(|(_, digest)| digest);
        let place = ("agent_program".to_owned(), place);
        let image = image.map(|digest| ("agent_image".to_owned(), digest.to_string()));
        std::iter::once(place).chain(image).collect()
    }

    /// Makes a call about it.
    pub(crate) async fn perform<D: Driver>(&self, driver: &D, call: &OwnCall) -> Answer {
        let done = match call {
            OwnCall::Lay { op, image, slot } => self.lay(driver, op, image, *slot).await,
            OwnCall::HandOver(candidate) => {
                let done = self.hand_over(candidate);
                if done.is_ok() {
                    tracing::info!(
                        slot = candidate.slot.word(),
                        "handed over to the next agent; leaving"
                    );
                    self.leave.cancel();
                }
                done
            }
            OwnCall::StartReplacer {
                candidate,
                operation,
            } => self.start_replacer(driver, candidate, operation).await,
            OwnCall::Confirm(op) => self.change(|slots| slots.confirmed(op)),
            OwnCall::Keep(op) => self.change(|slots| slots.kept(op)),
        };
        done.map_or_else(|answer| answer, |()| Answer::Done)
    }

    fn hand_over(&self, candidate: &Candidate) -> Result<(), Answer> {
        let mut candidate = candidate.clone();
        candidate.addresses.clone_from(&self.addresses);
        self.change(|slots| slots.handed_over(candidate))
    }

    async fn start_replacer<D: Driver>(
        &self,
        driver: &D,
        candidate: &Candidate,
        operation: &Operation,
    ) -> Result<(), Answer> {
        let Home::Container(own) = &self.home else {
            return Err(disk("this agent is in no container"));
        };
        replace::write_down(&self.state_dir, operation)
            .map_err(|error| disk(&tls::chain(&error)))?;
        // One that is being tried goes on being tried, should its replacer be lost.
        if self.itself().candidate(&candidate.op).is_none() {
            self.hand_over(candidate)?;
        }
        replacer_spec::start(driver, own, operation, &self.state_dir, &self.engine_host).await
    }

    /// Changes what is known; on the disk when this returns.
    fn change(&self, change: impl FnOnce(Slots) -> Slots) -> Result<(), Answer> {
        let held = self
            .slots
            .load()
            .map_err(|error| disk(&error.to_string()))?;
        let held = held.unwrap_or_else(nothing_laid);
        let changed = change(held);
        self.slots
            .store(&changed)
            .map_err(|error| disk(&error.to_string()))
    }
}

/// What is known in a container, where no program is laid.
fn nothing_laid() -> Slots {
    Slots {
        current: Slot::A,
        programs: std::collections::BTreeMap::new(),
        packaged: None,
        candidate: None,
        verdict: None,
    }
}

fn disk(why: &str) -> Answer {
    let message =
        format!("the agent's own state cannot be kept: {why}; see that its disk has room");
    Answer::Failed(Failure::new(FailureKind::Disk, message))
}

/// Labels of the containers that are made for an operation on the agent.
fn labels(op: &OpId) -> std::collections::BTreeMap<String, String> {
    use pinion_workload::names::WORKLOAD_LABEL;
    use pinion_workload::recreate::OPERATION_LABEL;
    let labels = [
        (OPERATION_LABEL, op.as_str()),
        (WORKLOAD_LABEL, pinion_workload::ITSELF),
    ];
    labels
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}
