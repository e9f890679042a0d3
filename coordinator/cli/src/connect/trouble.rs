//! What is wrong with a connection, in words that say what to check.

use std::error::Error as StdError;

/// What kept a connection from working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody listens.
    Refused,
    /// The address answers nothing.
    Silent,
    /// The name has no address.
    NoSuchName,
    /// The server's certificate is of another authority.
    ForeignServer,
    /// The server's certificate is for other names.
    OtherName,
    /// The server's certificate is out of its time.
    ServerExpired,
    /// The server refused our certificate.
    RefusedUs,
    /// The server does not speak TLS.
    NotTls,
    /// The connection ended without a word.
    Closed,
    /// Something else.
    Other,
}

/// The causes below tonic's own wrapping, outermost first.
pub(super) fn cause(error: &(dyn StdError + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        let wrapping = [
            "transport error",
            "tcp connect error",
            "client error (Connect)",
        ]
        .contains(&words.as_str());
        let known = parts.iter().any(|part| part.contains(&words));
        if !wrapping && !known {
            parts.push(words);
        }
        next = error.source();
    }
    parts.join(": ")
}

/// What kind of trouble these words are about.
pub(super) fn classify(words: &str) -> Trouble {
    let words = words.to_ascii_lowercase();
    let says = |any: &[&str]| any.iter().any(|part| words.contains(part));
    if says(&["connection refused"]) {
        Trouble::Refused
    } else if says(&["invalidcontenttype", "corrupt message"]) {
        Trouble::NotTls
    } else if says(&["received fatal alert"]) {
        Trouble::RefusedUs
    } else if says(&["notvalidforname", "not valid for name", "not valid for"]) {
        Trouble::OtherName
    } else if says(&[
        "unknownissuer",
        "unknown issuer",
        "badsignature",
        "invalid signature",
    ]) {
        Trouble::ForeignServer
    } else if says(&["expired", "notvalidyet", "not valid yet"]) {
        Trouble::ServerExpired
    } else if says(&["failed to lookup", "name or service not known", "dns"]) {
        Trouble::NoSuchName
    } else if says(&[
        "deadline has elapsed",
        "timed out",
        "unreachable",
        "no route",
    ]) {
        Trouble::Silent
    } else if says(&[
        "broken pipe",
        "reset by peer",
        "unexpected eof",
        "close_notify",
        "closed",
    ]) {
        Trouble::Closed
    } else {
        Trouble::Other
    }
}

impl Trouble {
    /// What to check, for a connection to `endpoint` that trusts `ca`.
    pub(super) fn advice(self, endpoint: &str, ca: &str, us: &str) -> String {
        match self {
            Self::Refused => format!(
                "nothing listens at {endpoint}: is pinion-coordinator running there, and is this its operators' listener (7444 unless changed)?"
            ),
            Self::Silent => {
                format!("{endpoint} does not answer: check the address, and firewalls on the way")
            }
            Self::NoSuchName => {
                format!("the host of {endpoint} has no address: check its spelling")
            }
            Self::ForeignServer => format!(
                "the server's certificate is not of the authority in {ca}: is that this coordinator's pki/ca.pem?"
            ),
            Self::OtherName => format!(
                "the server's certificate is not for the host of {endpoint}: use a name that it has, or start the coordinator with --advertise HOST:PORT"
            ),
            Self::ServerExpired => {
                "the server's certificate is out of its time: check the clocks of both machines"
                    .into()
            }
            Self::RefusedUs => format!(
                "the coordinator refused {us}: it is of another authority, expired or revoked; an admin makes a new one with `pinion operator create`"
            ),
            Self::NotTls => format!(
                "{endpoint} does not speak TLS: is this the operators' listener (7444 unless changed)?"
            ),
            Self::Closed => format!(
                "{endpoint} ended the connection without a word: most likely it refused {us} (of another authority, or expired); or it is not the operators' listener (7444 unless changed)"
            ),
            Self::Other => {
                format!("check that {endpoint} is the operators' listener of a coordinator")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_is_known_by_what_the_libraries_say() {
        for (words, trouble) in [
            ("Connection refused (os error 111)", Trouble::Refused),
            (
                "invalid peer certificate: UnknownIssuer",
                Trouble::ForeignServer,
            ),
            (
                "invalid peer certificate: BadSignature",
                Trouble::ForeignServer,
            ),
            (
                "invalid peer certificate: certificate not valid for name \"x\"",
                Trouble::OtherName,
            ),
            (
                "invalid peer certificate: certificate expired: verification time 1",
                Trouble::ServerExpired,
            ),
            (
                "received fatal alert: CertificateExpired",
                Trouble::RefusedUs,
            ),
            ("received fatal alert: UnknownCA", Trouble::RefusedUs),
            (
                "failed to lookup address information: Name or service not known",
                Trouble::NoSuchName,
            ),
            (
                "received corrupt message of type InvalidContentType",
                Trouble::NotTls,
            ),
            ("deadline has elapsed", Trouble::Silent),
            ("stream closed because of a broken pipe", Trouble::Closed),
            ("something new", Trouble::Other),
        ] {
            assert_eq!(classify(words), trouble, "{words}");
        }
    }

    #[test]
    fn the_cause_is_told_without_the_wrapping_around_it() {
        let inner =
            std::io::Error::new(std::io::ErrorKind::ConnectionRefused, "Connection refused");
        let outer = crate::error::Error::Output(inner);
        assert_eq!(
            cause(&outer),
            "write to standard output: Connection refused"
        );
    }
}
