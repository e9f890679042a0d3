//! The coordinator's face, on real sockets and TLS with a store in memory:
//! who is let in, what is answered, and what is refused.

#[path = "face/access.rs"]
mod access;
#[path = "face/audit.rs"]
mod audit;
#[path = "face/enrollment.rs"]
mod enrollment;
#[path = "face/holds.rs"]
mod holds;
#[path = "face/http_contract.rs"]
mod http_contract;
#[path = "face/listen.rs"]
mod listen;
#[path = "face/pki.rs"]
mod pki;
#[path = "face/quarantine.rs"]
mod quarantine;
#[path = "face/services.rs"]
mod services;
#[path = "face/strategies.rs"]
mod strategies;
#[path = "face/support.rs"]
mod support;
#[path = "face/windows.rs"]
mod windows;
