//! The text form of an enrolment token: what an operator hands to a machine.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

const PREFIX: &str = "pinion1.";

/// All that a machine needs to find and trust its coordinator, once.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct EnrollmentToken {
    /// `host:port` of the agents' listener, in order of preference.
    #[serde(rename = "a")]
    pub addresses: Vec<String>,
    /// SHA-256 of the authority's certificate (DER), 64 hex digits.
    #[serde(rename = "c")]
    pub ca_sha256: String,
    /// What the coordinator knows the hash of.
    #[serde(rename = "s")]
    pub secret: String,
}

impl std::fmt::Debug for EnrollmentToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnrollmentToken")
            .field("addresses", &self.addresses)
            .field("ca_sha256", &self.ca_sha256)
            .finish_non_exhaustive()
    }
}

/// The text is no enrolment token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It does not start as one.
    #[error("an enrolment token starts with \"pinion1.\"; make one with `pinion token create`")]
    Prefix,
    /// What follows was cut or changed.
    #[error("the enrolment token is damaged: copy it whole, on one line")]
    Damaged,
}

impl EnrollmentToken {
    /// The token on one line, safe in a shell and in a URL.
    #[must_use]
    pub fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("strings always serialise");
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(json))
    }

    /// Reads what [`encode`](Self::encode) wrote; surrounding white space is ignored.
    ///
    /// # Errors
    ///
    /// If the text is something else or was cut. The text itself is in no error.
    pub fn decode(text: &str) -> Result<Self, TokenError> {
        let body = text.trim().strip_prefix(PREFIX).ok_or(TokenError::Prefix)?;
        let json = BASE64_URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| TokenError::Damaged)?;
        let token: Self = serde_json::from_slice(&json).map_err(|_| TokenError::Damaged)?;
        if token.addresses.is_empty() || token.ca_sha256.len() != 64 || token.secret.is_empty() {
            return Err(TokenError::Damaged);
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> EnrollmentToken {
        EnrollmentToken {
            addresses: vec!["pinion.example:7443".into()],
            ca_sha256: "ab".repeat(32),
            secret: "s3cret".into(),
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        assert_eq!(
            EnrollmentToken::decode(&format!(" {}\n", token().encode())).ok(),
            Some(token())
        );
    }

    #[test]
    fn a_cut_token_is_damaged_and_stays_out_of_the_error() {
        let text = token().encode();
        for end in 0..text.len() {
            let error = EnrollmentToken::decode(&text[..end]).expect_err("cut");
            assert!(!error.to_string().contains("s3cret"));
        }
    }

    #[test]
    fn debug_hides_the_secret() {
        assert!(!format!("{:?}", token()).contains("s3cret"));
    }
}
