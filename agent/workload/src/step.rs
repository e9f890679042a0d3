use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{Digest, Failure, Holder, ImageRef, Timestamp};

use crate::{Candidate, ContainerId, CreateSpec, OpId, Operation, Record, Slot};

/// What comes next for one workload.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Nothing, until something changes or this instant comes.
    Rest {
        /// When to ask again at the latest.
        wake_at: Option<Timestamp>,
    },
    /// Write this to the journal, then ask again.
    Write(Box<Record>),
    /// Do this one call, learn from the answer, observe, then ask again.
    Call(Call),
    /// Do these calls in order, each only where the one before it was done, and
    /// what comes after stops only where all are shown as stopped; then as with
    /// one. Nobody waits for a look between them. Whoever does the first alone,
    /// and looks again, does the same.
    Row(Vec<Call>),
}

/// One call to the engine, or to a hook. Each may be done twice without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// Pull an image by digest.
    Pull(ImageRef),
    /// Put a tag on an image.
    Tag {
        /// The image: an id or a reference.
        image: String,
        /// Repository of the tag.
        repository: String,
        /// The tag.
        tag: String,
    },
    /// Remove one reference of an image.
    Untag(String),
    /// Make the container that takes the place of another; not started.
    /// Answered with [`Answer::Made`].
    Create {
        /// The one whose place it takes.
        old: ContainerId,
        /// What it is called until then.
        name: String,
        /// What it runs; none: what the one runs whose place it takes.
        image: Option<ImageRef>,
        /// Labels beside the user's.
        labels: BTreeMap<String, String>,
    },
    /// Make a container again that is gone; not started. Answered with
    /// [`Answer::Made`].
    Restore {
        /// The id that it had.
        old: ContainerId,
        /// What it is called until it is in its place.
        name: String,
        /// How it is made, on its own image.
        spec: Box<CreateSpec>,
    },
    /// Set a container's restart policy.
    SetRestartPolicy {
        /// Which container.
        id: ContainerId,
        /// "no" keeps the engine from starting it by itself.
        policy: String,
        /// Retries of "on-failure".
        retries: i64,
    },
    /// Stop a container.
    Stop {
        /// Which container.
        id: ContainerId,
        /// Until it is killed.
        grace: Duration,
    },
    /// Rename a container.
    Rename {
        /// Which container.
        id: ContainerId,
        /// Its new name.
        name: String,
    },
    /// Start a container.
    Start(ContainerId),
    /// Remove a stopped container, never its volumes.
    Remove(ContainerId),
    /// Read what a container said last.
    LastWords(ContainerId),
    /// Something about the agent's own program.
    Own(OwnCall),
    /// Run one of the machine's hooks.
    Hook(Hook),
}

/// One call about the agent's own program. Each may be done twice without harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnCall {
    /// Take the program out of an image, and lay it in a place.
    Lay {
        /// Names the container that it is taken from, which is never started.
        op: OpId,
        /// The image.
        image: ImageRef,
        /// Where.
        slot: Slot,
    },
    /// Have the program that was laid started in this one's stead, and leave.
    HandOver(Candidate),
    /// Have a container of the image replace this agent's own container.
    StartReplacer {
        /// What is tried.
        candidate: Candidate,
        /// The operation as the replacer goes on with it.
        operation: Box<Operation>,
    },
    /// This program had its session: it is not taken back for the lack of one.
    Confirm(OpId),
    /// This program is the current one from now on.
    Keep(OpId),
}

/// A hook to run, and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// When it is run.
    pub point: HookPoint,
    /// The container that is to be stopped, that was just started, or that is
    /// to serve from now on.
    pub container: ContainerId,
    /// Of a switch: the one that served until now, if it is still there.
    pub from: Option<ContainerId>,
    /// Its name.
    pub name: String,
    /// The digest that it ran before; none if it was not pulled by one.
    pub old: Option<Digest>,
    /// The digest that it runs next.
    pub new: Option<Digest>,
    /// The operation: the same one when a hook is run again.
    pub operation: OpId,
}

/// When a hook is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HookPoint {
    /// Before the old container is stopped: 0 lets it go, 75 puts it off.
    PreCut,
    /// After the next container was started.
    PostStart,
    /// While two run: points a proxy at the one that is to serve from now on.
    Switch,
}

impl HookPoint {
    /// As configuration and hooks know it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::PreCut => "pre-cut",
            Self::PostStart => "post-start",
            Self::Switch => "switch",
        }
    }
}

impl Call {
    /// Names the call and what it is done to, for the journal and the log.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Pull(image) => format!("pull {image}"),
            Self::Tag {
                repository, tag, ..
            } => format!("tag {repository}:{tag}"),
            Self::Untag(reference) => format!("untag {reference}"),
            Self::Create { name, .. } => format!("create {name}"),
            Self::Restore { name, .. } => format!("make again {name}"),
            Self::SetRestartPolicy { id, policy, .. } => {
                format!("set restart policy {policy} of {id}")
            }
            Self::Stop { id, .. } => format!("stop {id}"),
            Self::Rename { id, name } => format!("rename {id} to {name}"),
            Self::Start(id) => format!("start {id}"),
            Self::Remove(id) => format!("remove {id}"),
            Self::LastWords(id) => format!("read logs of {id}"),
            Self::Own(OwnCall::Lay { image, slot, .. }) => {
                format!("lay the agent of {image} in {}", slot.word())
            }
            Self::Own(OwnCall::HandOver(c)) => format!("hand over to {}", c.slot.word()),
            Self::Own(OwnCall::StartReplacer { candidate, .. }) => {
                format!(
                    "create the container that replaces the agent for {}",
                    candidate.op
                )
            }
            Self::Own(OwnCall::Confirm(op)) => format!("confirm the agent of {op}"),
            Self::Own(OwnCall::Keep(op)) => format!("keep the agent of {op}"),
            Self::Hook(hook) => format!("run the {} hook of {}", hook.point.word(), hook.name),
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// A container was made, whole.
    Made {
        /// Its id.
        id: ContainerId,
        /// What the old one wrote outside of its volumes, in bytes; none if the
        /// engine did not say.
        written: Option<u64>,
        /// How the one is made again whose place it takes; none where that one
        /// was made again itself.
        saved: Option<Box<CreateSpec>>,
    },
    /// What was to be pulled was there already.
    WasThere,
    /// What a container said last.
    Words(String),
    /// A hook puts it off, and says why.
    Deferred(Holder),
    /// It was refused, and will be refused again.
    Refused(Failure),
    /// It failed, or nobody knows: what happened is in the next observation.
    Failed(Failure),
}

impl Answer {
    /// Its kind, for the log: what a container said is its user's, and what
    /// failed is said where it is handled.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Made { .. } => "made",
            Self::WasThere => "was there",
            Self::Words(_) => "words",
            Self::Deferred(_) => "deferred",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }
}
