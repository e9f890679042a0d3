//! Facts of this machine. They are told to the coordinator, which shows them
//! and trusts none of them.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use pinion_model::Timestamp;

/// The kernel's name of this machine.
#[must_use]
pub fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

/// Operating system, architecture, kernel and host name.
#[must_use]
pub fn facts() -> BTreeMap<String, String> {
    let uname = rustix::system::uname();
    let text = |field: &std::ffi::CStr| field.to_string_lossy().into_owned();
    BTreeMap::from([
        ("os".to_owned(), std::env::consts::OS.to_owned()),
        ("arch".to_owned(), std::env::consts::ARCH.to_owned()),
        ("kernel".to_owned(), text(uname.release())),
        ("hostname".to_owned(), text(uname.nodename())),
    ])
}

/// The wall clock: for certificates and for people, never for durations.
#[must_use]
pub fn wall_clock() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
