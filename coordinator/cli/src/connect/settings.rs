//! Where to connect and as whom: options and variables first, then the profile.

use std::path::PathBuf;

use crate::profile::Profile;

/// The operators' listener of a coordinator on this machine.
const LOCAL: &str = "https://127.0.0.1:7444";

/// Where to connect and as whom.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `https://host:port`.
    pub(crate) endpoint: String,
    /// Authority to trust, PEM.
    pub(crate) ca: PathBuf,
    /// Who we are.
    pub(crate) credential: Credential,
}

/// Who we are.
#[derive(PartialEq, Eq)]
pub(crate) enum Credential {
    /// An operator's certificate and its key.
    Certificate {
        /// PEM.
        cert: PathBuf,
        /// PEM.
        key: PathBuf,
    },
    /// A file with an API token.
    TokenFile(PathBuf),
    /// An API token, from `PINION_TOKEN`.
    Token(String),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl std::fmt::Display for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Certificate { cert, .. } => write!(f, "the certificate {}", cert.display()),
            Self::TokenFile(path) => write!(f, "the token of {}", path.display()),
            Self::Token(_) => f.write_str("the token of PINION_TOKEN"),
        }
    }
}

/// Why there is nothing to connect with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SettingsError {
    /// Nothing says whom to trust.
    #[error(
        "no certificate authority is given, so the coordinator cannot be known from an impostor"
    )]
    NoAuthority,
    /// Nothing says who we are.
    #[error("no certificate and no token is given")]
    NoCredential,
    /// A certificate and a token, or half of a certificate.
    #[error("there is {0}")]
    Contradiction(&'static str),
    /// Not an `https` address.
    #[error("the endpoint must be https://HOST:PORT; got {0:?}")]
    Endpoint(String),
}

impl SettingsError {
    /// What to do next.
    pub(crate) fn advice(&self) -> Option<String> {
        let text = match self {
            Self::NoAuthority => {
                "give --ca FILE (the coordinator's pki/ca.pem), set PINION_CA, or make a profile: pinion profile set NAME --endpoint URL --ca FILE --cert FILE --key FILE"
            }
            Self::NoCredential => {
                "give --cert FILE and --key FILE, or --token-file FILE, set PINION_TOKEN, or make a profile: pinion profile set NAME --endpoint URL --ca FILE --cert FILE --key FILE"
            }
            Self::Contradiction(_) => {
                "options and PINION_CERT, PINION_KEY, PINION_TOKEN_FILE and PINION_TOKEN count together"
            }
            Self::Endpoint(_) => return None,
        };
        Some(text.into())
    }
}

/// What is given now, with what is not given taken from `profile`. A
/// credential that is given now takes the place of the profile's as a whole.
///
/// # Errors
///
/// If whom to trust or who we are is not said, or is said twice.
pub(crate) fn resolve(
    given: &Profile,
    token: Option<String>,
    profile: &Profile,
) -> Result<Settings, SettingsError> {
    if let Some(what) = given.contradiction() {
        return Err(SettingsError::Contradiction(what));
    }
    if token.is_some() && (given.cert.is_some() || given.token_file.is_some()) {
        return Err(SettingsError::Contradiction(
            "PINION_TOKEN and another credential: keep one",
        ));
    }
    let merged = profile.with(given);
    let endpoint = merged.endpoint.unwrap_or_else(|| LOCAL.into());
    if !is_address(&endpoint) {
        return Err(SettingsError::Endpoint(endpoint));
    }
    let credential = match (token, merged.token_file, merged.cert, merged.key) {
        (Some(token), ..) => Credential::Token(token),
        (None, Some(file), ..) => Credential::TokenFile(file),
        (None, None, Some(cert), Some(key)) => Credential::Certificate { cert, key },
        _ => return Err(SettingsError::NoCredential),
    };
    Ok(Settings {
        endpoint,
        ca: merged.ca.ok_or(SettingsError::NoAuthority)?,
        credential,
    })
}

/// `https://HOST`, with an optional port and no path.
fn is_address(endpoint: &str) -> bool {
    let Some(authority) = endpoint.strip_prefix("https://") else {
        return false;
    };
    let authority = authority.strip_suffix('/').unwrap_or(authority);
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an IPv6 address are inside its brackets.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_ok = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    port_ok && !host.is_empty() && !host.contains(['/', '@', '?', '#', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            endpoint: Some("https://prod:7444".into()),
            ca: Some("ca.pem".into()),
            cert: Some("me.pem".into()),
            key: Some("me.key".into()),
            token_file: None,
        }
    }

    fn token_file() -> Profile {
        Profile {
            token_file: Some("t".into()),
            ..Profile::default()
        }
    }

    #[test]
    fn what_is_given_wins_and_the_rest_is_the_profiles() {
        let given = Profile {
            endpoint: Some("https://other:1".into()),
            ..Profile::default()
        };
        let settings = resolve(&given, None, &profile()).expect("complete");
        assert_eq!(settings.endpoint, "https://other:1");
        assert_eq!(settings.ca, PathBuf::from("ca.pem"));
        let token = resolve(&token_file(), None, &profile()).expect("complete");
        assert_eq!(token.credential, Credential::TokenFile("t".into()));
        let token = resolve(&Profile::default(), Some("s".into()), &profile()).expect("complete");
        assert_eq!(token.credential, Credential::Token("s".into()));
    }

    #[test]
    fn two_credentials_or_none_are_refused() {
        let nothing = Profile::default();
        assert_eq!(
            resolve(&nothing, None, &nothing),
            Err(SettingsError::NoCredential)
        );
        assert_eq!(
            resolve(&token_file(), None, &nothing),
            Err(SettingsError::NoAuthority)
        );
        let both = Profile {
            token_file: Some("t".into()),
            ..profile()
        };
        assert!(matches!(
            resolve(&both, None, &nothing),
            Err(SettingsError::Contradiction(_))
        ));
        assert!(matches!(
            resolve(&token_file(), Some("s".into()), &nothing),
            Err(SettingsError::Contradiction(_))
        ));
        let half = Profile {
            key: None,
            ..profile()
        };
        assert!(matches!(
            resolve(&half, None, &nothing),
            Err(SettingsError::Contradiction(_))
        ));
    }

    #[test]
    fn without_an_endpoint_it_is_this_machine_and_never_plain_http() {
        let local = Profile {
            endpoint: None,
            ..profile()
        };
        assert_eq!(
            resolve(&local, None, &Profile::default())
                .expect("complete")
                .endpoint,
            LOCAL
        );
        let plain = Profile {
            endpoint: Some("http://prod:7444".into()),
            ..profile()
        };
        assert!(matches!(
            resolve(&plain, None, &Profile::default()),
            Err(SettingsError::Endpoint(_))
        ));
    }

    #[test]
    fn an_address_has_a_host_and_a_port_that_is_a_number() {
        for good in [
            "https://a:7444",
            "https://127.0.0.1:1/",
            "https://[::1]:7444",
            "https://[::1]",
            "https://a",
        ] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "https://",
            "https://a:x",
            "https://a:0",
            "https://:1",
            "https://a/b",
            "https://u@a:1",
            "a:1",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn a_token_is_in_no_debug_output() {
        let settings =
            resolve(&Profile::default(), Some("s3cret".into()), &profile()).expect("complete");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
