//! The connection to the operators' listener: who we are, whom we trust, and
//! what a person is told when it does not work.

mod call;
mod link;
mod settings;
mod trouble;

pub(crate) use call::{CallError, is_final};
pub(crate) use link::{ConnectError, Link};
pub(crate) use settings::{Credential, Settings, SettingsError, resolve};
