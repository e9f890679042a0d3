use std::sync::Arc;

use crate::{ParseError, text};

/// The content address of an image manifest: `sha256:` and 64 lower-case hex
/// digits (OCI image specification, "Digests").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Arc<str>);

text!(Digest);

impl Digest {
    fn check(text: &str) -> Result<(), ParseError> {
        match text.strip_prefix("sha256:") {
            Some(hex) if hex.len() == 64 && is_lower_hex(hex) => Ok(()),
            _ => Err(ParseError::new(
                "a digest",
                "\"sha256:\" followed by 64 lower-case hex digits",
                text,
            )),
        }
    }

    /// The first 12 hex digits, for tables.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[7..19]
    }
}

/// The full id of a commit: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceSha(Arc<str>);

text!(SourceSha);

impl SourceSha {
    fn check(text: &str) -> Result<(), ParseError> {
        if matches!(text.len(), 40 | 64) && is_lower_hex(text) {
            return Ok(());
        }
        Err(ParseError::new(
            "a source SHA",
            "the full 40 or 64 lower-case hex digits",
            text,
        ))
    }
}

fn is_lower_hex(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_sha256_digests_are_digests() {
        let good = format!("sha256:{}", "a1".repeat(32));
        assert_eq!(
            good.parse::<Digest>().expect("good").short(),
            "a1a1a1a1a1a1"
        );
        for bad in [
            "",
            "sha256:",
            "sha256:abc",
            &good[7..],
            &good.to_uppercase(),
            &format!("{good}0"),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_written_as_a_string_and_checked_when_it_is_read() {
        let text = format!("\"sha256:{}\"", "0f".repeat(32));
        let digest: Digest = serde_json::from_str(&text).expect("good");
        assert_eq!(serde_json::to_string(&digest).expect("written"), text);
        let escaped = text.replace('a', "\\u0061");
        assert_eq!(serde_json::from_str::<Digest>(&escaped).ok(), Some(digest));
        let bad = serde_json::from_str::<Digest>("\"sha256:0f\"").expect_err("too short");
        assert!(bad.to_string().contains("64 lower-case hex"), "{bad}");
    }

    #[test]
    fn a_short_sha_is_refused() {
        assert!("a".repeat(40).parse::<SourceSha>().is_ok());
        assert!("a".repeat(64).parse::<SourceSha>().is_ok());
        for bad in [
            "abc1234".to_owned(),
            "g".repeat(40),
            "A".repeat(40),
            "a".repeat(41),
        ] {
            assert!(bad.parse::<SourceSha>().is_err(), "{bad}");
        }
    }
}
