//! Real parts for tests and for the demo: engines, registries, networks, processes.
//!
//! Owns everything that a test needs around the product and takes it down again, whatever
//! happened. Never imitates an engine, a registry or one of our own programs, and never asserts.
//!
//! ```text
//!   scenario ── World (bridge pn<k>, CA, directory)
//!                 ├── Registry (TLS, Basic or Bearer) ◄── Proxy (scripted faults)
//!                 ├── Tenant (netns + veth + dockerd) ◄── SocketProxy ◄── Agent (pinion-agent)
//!                 ├── Coordinator (pinion-coordinator)
//!                 ├── Prometheus ◄── Exporter (an application's figures)
//!                 ├── Aws (moto), which Amazon's credential helper asks
//!                 └── Cli (pinion), curl, buf
//!   sweep: takes a world down from what is on disk and in the kernel, so that the end of a test,
//!          Ctrl-C and the next run after a crash are one and the same function
//! ```

pub mod agent;
pub mod agent_image;
pub mod aws;
pub mod bearer;
pub mod cli;
pub mod command;
pub mod coordinator;
pub mod disk;
pub mod engine;
pub mod fault;
pub mod fleet;
pub mod image;
pub mod needs;
mod podman;
pub mod process;
pub mod prometheus;
pub mod registry;
pub mod scenario;
pub mod socket_proxy;
pub mod sweep;
pub mod tenant;
pub mod tls;
pub mod wait;
pub mod world;

pub use agent::Agent;
pub use agent_image::AgentImage;
pub use cli::Cli;
pub use coordinator::Coordinator;
pub use disk::SmallDisk;
pub use fleet::{Fleet, FleetSpec};
pub use image::{App, Behaviour};
pub use registry::{Auth, Pushed, Registry};
pub use scenario::{scenario, seed};
pub use socket_proxy::SocketProxy;
pub use tenant::{EngineKind, Tenant};
pub use wait::eventually;
pub use world::World;
