//! Bounds on what an agent says: it is trusted to be itself, not to be kind.

use pinion_proto::v1;

/// Highest generation that an agent may claim: our counter jumps above it and
/// must have room to rise.
pub(super) const GENERATION: u64 = 1 << 48;
/// Workloads in an inventory, and reports in a Hello.
pub(super) const WORKLOADS: usize = 256;
/// Containers of one workload on one machine.
pub(super) const CONTAINERS: usize = 256;
/// Facts of a machine.
pub(super) const FACTS: usize = 64;
/// Bytes of a name, an id, a version or a fact.
pub(super) const NAME: usize = 255;
/// Bytes of a sentence.
pub(super) const SENTENCE: usize = 1024;

/// The text without what is over `limit` bytes, cut on a character.
pub(super) fn cut(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}

/// Why a Hello cannot be accepted, if it cannot.
pub(super) fn check_hello(hello: &v1::Hello) -> Result<(), String> {
    if hello.process_id.is_empty() || hello.process_id.len() > NAME {
        return Err(format!("hello.process_id must be 1 to {NAME} bytes"));
    }
    if hello.generation > GENERATION {
        return Err(format!(
            "hello.generation must be at most {GENERATION}; got {}",
            hello.generation
        ));
    }
    Ok(())
}
