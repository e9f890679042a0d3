//! The accept loop that all three listeners own.
//!
//! Owns sockets, handshakes and their limits: TLS 1.3 alone, a deadline and a
//! cap for handshakes, a cap for connections, certificates that change
//! without a restart. Knows nothing of what is served on a connection.
//!
//! ```text
//!   bind ─▶ accept ─▶ handshake (own task, permit, deadline) ─▶ Connection ─▶ tonic, axum
//!                          └─▶ refused: told to whoever listens
//! ```

mod accept;
mod connection;
mod tls;

pub use accept::{HandshakeError, Limits, Listener, OnRefused};
pub use connection::{Connection, ConnectionInfo};
pub use tls::{TlsError, Transport, mutual_tls, server_tls};
