//! The `pinion.v1` protocol.
//!
//! Owns the generated messages, clients and servers, the roles that each
//! method allows, the conversions between messages and the words of
//! [`pinion_model`], and the text form of an enrolment token. Decides nothing
//! and does no I/O.
//!
//! ```text
//!   proto/pinion/v1/*.proto ──build.rs──▶ v1 (messages), allowed_roles()
//!   v1 ◀──convert──▶ pinion_model          token: "pinion1.…" ◀──▶ EnrollmentToken
//! ```

pub mod codec;
pub mod convert;
pub mod json;
pub mod roles;
pub mod token;

/// Generated messages, clients and servers.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::doc_markdown,
    clippy::large_enum_variant
)]
pub mod v1 {
    tonic::include_proto!("pinion.v1");
}

/// The encoded descriptors of `pinion.v1`, extensions included, for
/// reflection and JSON.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pinion.v1.bin"));
