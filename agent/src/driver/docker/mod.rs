//! The real engine.
//!
//! Owns how calls are made and how answers are read, so that nothing that the
//! engine says is lost: what the typed client would drop goes over [`raw`].
//! Never decides what comes next, and never keeps a credential.
//!
//! ```text
//!   Driver ─┬─ bollard ─▶ stop, start, rename, remove, tags, logs, events, pull
//!           └─ raw ─────▶ inspect, create, connect, update (whole JSON, both ways)
//!                            └─ read: JSON ─▶ Container, Image
//!   probe ─▶ the container's own address, or a command that the engine runs in it
//!   events ─▶ changed()
//!   podman ─▶ what Podman answers otherwise, by its own API
//!   line ─▶ the link that all of them use; made anew when the events break
//! ```

mod archive;
mod auth;
mod calls;
mod containers;
mod errors;
mod events;
mod last_words;
mod line;
mod podman;
mod probe;
mod pull;
mod pull_failure;
mod raw;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pinion_workload::ContainerId;

use crate::driver::EngineError;
use events::Events;
use line::{Line, Link};

/// How long the driver waits for the engine.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the answer to any call but stop and pull.
    pub call: Duration,
    /// For progress within a pull: without any it is cancelled.
    pub stall: Duration,
    /// How often a pull that was cancelled so is taken up again.
    pub resumes: u32,
    /// For a whole pull, with all that is taken up again.
    pub pull: Duration,
}

impl Default for Limits {
    /// A minute, a minute, three times, half an hour.
    fn default() -> Self {
        Self {
            call: Duration::from_secs(60),
            stall: Duration::from_secs(60),
            resumes: 3,
            pull: Duration::from_secs(30 * 60),
        }
    }
}

/// Why there is no engine to talk to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Only sockets of this machine are spoken to.
    #[error("the engine's address must be unix:///path/to/the.sock; got {0:?}")]
    Address(String),
    /// It is not there, does not answer, or may not be spoken to.
    #[error(
        "no container engine answers at {address}: see that it runs and that this user may open its socket"
    )]
    Engine {
        /// As it was given.
        address: String,
        /// Why.
        #[source]
        source: bollard::errors::Error,
    },
}

/// A Docker Engine, over its socket.
pub struct Docker {
    line: Arc<Line>,
    limits: Limits,
    events: Events,
    /// Commands of probes that did not end in time, by container.
    overdue: Mutex<BTreeMap<ContainerId, String>>,
    /// Containers that the engine could not show the last time.
    broken: Mutex<BTreeSet<ContainerId>>,
}

impl Docker {
    /// The engine at `unix:///path/to/the.sock`, which need not be there yet:
    /// whoever calls before it is, hears that it does not answer. Listens to
    /// events, as soon as there are any, until it is dropped.
    ///
    /// # Errors
    ///
    /// If the address is not one of a socket.
    pub fn at(address: &str, limits: Limits) -> Result<Self, ConnectError> {
        let socket = address.strip_prefix("unix://").unwrap_or(address);
        if !socket.starts_with('/') {
            return Err(ConnectError::Address(address.to_owned()));
        }
        let line = Arc::new(Line::new(socket, limits));
        let events = Events::listen(Arc::clone(&line));
        Ok(Self {
            line,
            limits,
            events,
            overdue: Mutex::default(),
            broken: Mutex::default(),
        })
    }

    /// The same, and sees that it answers.
    ///
    /// # Errors
    ///
    /// If the address is not one of a socket, or no engine answers there.
    pub async fn connect(address: &str, limits: Limits) -> Result<Self, ConnectError> {
        let docker = Self::at(address, limits)?;
        match docker.line.negotiate().await {
            Ok(_) => Ok(docker),
            Err(source) => Err(ConnectError::Engine {
                address: address.to_owned(),
                source,
            }),
        }
    }

    async fn link(&self) -> Result<Arc<Link>, EngineError> {
        self.line.link().await
    }

    /// The API version that both sides speak, such as "1.41": what inspect is asked with.
    ///
    /// # Errors
    ///
    /// If the engine does not answer.
    pub async fn api_version(&self) -> Result<String, EngineError> {
        Ok(self.link().await?.api_version())
    }
}
