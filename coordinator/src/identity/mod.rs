//! Who is who: the certificate authority, the names in certificates, and the
//! caller of a request.
//!
//! A name comes from the one URI in a certificate's subject alternative names
//! (`spiffe://<trust-domain>/agent/<id>` or `…/operator/<name>`), never from a
//! message and never from the subject or a signing request. What the caller
//! may do is not in the certificate: it is looked up in the store by name.
//!
//! ```text
//!   authority ──issues──▶ certificate ──TLS──▶ verifier ──▶ Presented ──api/auth──▶ Peer
//! ```

mod authority;
mod certificate;
pub mod files;
mod issue;
mod names;
mod peer;
mod request;
mod server;
mod verifier;

pub use authority::{Authority, AuthorityError};
pub(crate) use certificate::hex;
pub use certificate::{Certificate, CertificateError};
pub use issue::{Issued, Validity};
pub use names::{Subject, TrustDomain};
pub use peer::{Peer, Presented};
pub use request::{RequestError, public_key};
pub use server::{ServerCertificate, ServerName, server_certificate};
pub use verifier::{EXPIRED_GRACE, client_verifier};
