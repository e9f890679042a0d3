//! The credential on its way to the engine.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use http::HeaderValue;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::credentials::{Credential, Secret};

/// The header's name.
pub(super) const REGISTRY_AUTH: &str = "x-registry-auth";

#[derive(Serialize)]
struct Auth<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identitytoken: Option<&'a str>,
    serveraddress: &'a str,
}

/// The value of `X-Registry-Auth`: padded URL-safe base64 of JSON, marked as a
/// secret. Engines take any other encoding for "no credentials" without a
/// word, which is why the client's own is not used.
pub(super) fn header(credential: &Credential) -> HeaderValue {
    let (username, password, identitytoken) = match &credential.secret {
        Secret::Password { username, password } => (
            Some(username.as_str()),
            Some(password.expose_secret()),
            None,
        ),
        Secret::IdentityToken(token) => (None, None, Some(token.expose_secret())),
    };
    let serveraddress = credential.server_address.as_str();
    let auth = Auth {
        username,
        password,
        identitytoken,
        serveraddress,
    };
    let json = Zeroizing::new(serde_json::to_vec(&auth).expect("texts alone become JSON"));
    let encoded = Zeroizing::new(URL_SAFE.encode(json.as_slice()));
    let mut value = HeaderValue::from_str(&encoded).expect("base64 is plain ASCII");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::{Value, json};

    use super::*;

    fn decoded(secret: Secret) -> (HeaderValue, Value) {
        let value = header(&Credential {
            server_address: "r.io".to_owned(),
            secret,
        });
        let json = URL_SAFE
            .decode(value.as_bytes())
            .expect("padded URL-safe base64");
        let json = serde_json::from_slice(&json).expect("JSON");
        (value, json)
    }

    #[test]
    fn a_password_of_any_characters_arrives_and_is_never_shown() {
        for password in ["~>?~>?~>?", ">>>???~~~", "é\"\\", "a", "ab", "abc"] {
            let secret = Secret::Password {
                username: "x".to_owned(),
                password: SecretString::from(password.to_owned()),
            };
            let (value, json) = decoded(secret);
            assert_eq!(
                json,
                json!({ "username": "x", "password": password, "serveraddress": "r.io" })
            );
            assert_eq!(value.len() % 4, 0);
            assert_eq!(format!("{value:?}"), "Sensitive");
        }
    }

    #[test]
    fn an_identity_token_stands_alone() {
        let (_, json) = decoded(Secret::IdentityToken(SecretString::from("t".to_owned())));
        assert_eq!(
            json,
            json!({ "identitytoken": "t", "serveraddress": "r.io" })
        );
    }
}
