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
//!   events ─▶ changed()
//! ```

mod auth;
mod calls;
mod containers;
mod errors;
mod events;
mod last_words;
mod pull;
mod pull_failure;
mod raw;
mod read;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use bollard::{ClientVersion, Docker as Client};
use pinion_workload::ContainerId;

use events::Events;
use raw::Raw;

/// The newest API whose inspect still says which MAC address the user chose.
const NEWEST_API: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 51,
};

/// How long the driver waits for the engine.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For the answer to any call but stop and pull.
    pub call: Duration,
    /// For progress within a pull: without any it is cancelled.
    pub stall: Duration,
    /// For a whole pull.
    pub pull: Duration,
}

impl Default for Limits {
    /// A minute, a minute, half an hour.
    fn default() -> Self {
        Self {
            call: Duration::from_secs(60),
            stall: Duration::from_secs(60),
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
    client: Client,
    raw: Raw,
    limits: Limits,
    events: Events,
    /// Containers that the engine could not show the last time.
    broken: Mutex<BTreeSet<ContainerId>>,
}

impl Docker {
    /// Connects to `unix:///path/to/the.sock`, agrees on an API version, and
    /// starts to listen to events until it is dropped.
    ///
    /// # Errors
    ///
    /// If the address is not one of a socket, or no engine answers there.
    pub async fn connect(address: &str, limits: Limits) -> Result<Self, ConnectError> {
        let socket = address.strip_prefix("unix://").unwrap_or(address);
        if !socket.starts_with('/') {
            return Err(ConnectError::Address(address.to_owned()));
        }
        let no_engine = |source| ConnectError::Engine {
            address: address.to_owned(),
            source,
        };
        let client = Client::connect_with_unix(socket, limits.call.as_secs(), &NEWEST_API)
            .map_err(no_engine)?
            .negotiate_version()
            .await
            .map_err(no_engine)?;
        let raw = Raw::new(socket, &client.client_version().to_string(), limits.call);
        let events = Events::listen(client.clone());
        Ok(Self {
            client,
            raw,
            limits,
            events,
            broken: Mutex::default(),
        })
    }

    /// The API version that both sides speak, such as "1.41": what inspect is asked with.
    #[must_use]
    pub fn api_version(&self) -> String {
        self.client.client_version().to_string()
    }
}
