//! Messages as the canonical JSON of Protocol Buffers, for `--output json`.

use std::sync::OnceLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

/// A message that could not be written as JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// No message of that name is in `pinion.v1`.
    #[error("pinion.v1 has no message {0}")]
    UnknownMessage(String),
    /// The bytes are not that message.
    #[error("decode {name}")]
    Decode {
        /// Name of the message.
        name: String,
        /// Why.
        #[source]
        source: prost::DecodeError,
    },
    /// The message could not be written.
    #[error("write {name} as JSON")]
    Write {
        /// Name of the message.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// `message`, which is the `pinion.v1` message called `name` (without its
/// package), as JSON with snake_case names and default values.
///
/// # Errors
///
/// If `name` is not of `pinion.v1`, or is not what `message` is.
pub fn to_json<M: Message>(name: &str, message: &M) -> Result<serde_json::Value, JsonError> {
    let descriptor = pool()
        .get_message_by_name(&format!("pinion.v1.{name}"))
        .ok_or_else(|| JsonError::UnknownMessage(name.to_owned()))?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).map_err(
        |source| JsonError::Decode {
            name: name.to_owned(),
            source,
        },
    )?;
    let options = SerializeOptions::new()
        .skip_default_fields(false)
        .use_proto_field_name(true);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .map_err(|source| JsonError::Write {
            name: name.to_owned(),
            source,
        })
}

fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| {
        DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET)
            .expect("build.rs wrote a valid descriptor set")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_defaults_are_the_protos_own() {
        let pin = crate::v1::Pin {
            workload: "codex".into(),
            ..Default::default()
        };
        let json = to_json("Pin", &pin).expect("Pin is of pinion.v1");
        assert_eq!(json["workload"], "codex");
        assert_eq!(json["source_sha"], "");
    }
}
