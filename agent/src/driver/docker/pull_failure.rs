//! Why a pull failed. The engine's status does not tell (a registry's 403
//! comes as 404, its 401 and 429 as 500): its words do.

use std::time::Duration;

use bollard::errors::Error as ClientError;
use pinion_model::{Failure, FailureKind, ImageRef};

use crate::tls::chain;

/// Words by kind; the first kind of which one is found, counts.
const WORDS: [(FailureKind, &[&str]); 7] = [
    (
        FailureKind::Disk,
        &["no space left on device", "disk quota exceeded"],
    ),
    (
        FailureKind::Platform,
        &[
            "no matching manifest for",
            "no match for platform",
            "does not match the specified platform",
            "cannot be used on this platform",
        ],
    ),
    (
        FailureKind::Registry,
        &[
            "toomanyrequests",
            "too many requests",
            "unexpected http status: 5",
        ],
    ),
    (
        FailureKind::Credentials,
        &[
            "unauthorized",
            "no basic auth credentials",
            "authentication required",
            "access denied",
            "access is denied",
            "access to the resource is denied",
            "denied: ",
            "insufficient_scope",
            "invalid_token",
            "http status: 401",
            "http status: 403",
            "authorization token has expired",
        ],
    ),
    (
        FailureKind::Network,
        &[
            "connection refused",
            "connection reset",
            "no route to host",
            "network is unreachable",
            "host is unreachable",
            "no such host",
            "server misbehaving",
            "temporary failure in name resolution",
            "i/o timeout",
            "timeout exceeded",
            "deadline exceeded",
            "tls handshake",
            "request canceled",
            "dial tcp",
            "x509:",
            "http response to https client",
            "broken pipe",
        ],
    ),
    (
        FailureKind::NotFound,
        &[
            "manifest unknown",
            "name unknown",
            "repository name not known",
            "not found",
        ],
    ),
    (
        FailureKind::Registry,
        &[
            "verification failed",
            "unexpected eof",
            "unexpected http status",
            "invalid checksum",
            "unexpected commit digest",
            "failed size validation",
            "error parsing http",
            "invalid character",
            "unexpected end of json",
        ],
    ),
];

/// The typed failure of what the engine said about a pull.
pub(super) fn of(image: &ImageRef, error: &ClientError) -> Failure {
    let words = match error {
        ClientError::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        ClientError::DockerStreamError { error } => error.trim().to_owned(),
        error => return failure(FailureKind::Engine, image, &chain(error)),
    };
    failure(classify(image, &words), image, &words)
}

fn classify(image: &ImageRef, words: &str) -> FailureKind {
    // An image may be called after a failure.
    let address = format!("/v2/{}/", image.repository.path());
    let words = words
        .to_lowercase()
        .replace(image.repository.as_str(), "")
        .replace(&address, "");
    let found = WORDS
        .iter()
        .find(|(_, list)| list.iter().any(|word| words.contains(word)));
    found.map_or(FailureKind::Engine, |(kind, _)| *kind)
}

fn failure(kind: FailureKind, image: &ImageRef, words: &str) -> Failure {
    Failure::new(
        kind,
        format!("pulling {image}: {words}; {}", advice(kind, image)),
    )
}

fn advice(kind: FailureKind, image: &ImageRef) -> String {
    let host = image.repository.host();
    match kind {
        FailureKind::Credentials => format!(
            "check the credential that agent.toml binds to {host}, and that it may read {}",
            image.repository
        ),
        FailureKind::NotFound => {
            format!("check that the digest was pushed to {}", image.repository)
        }
        FailureKind::Network => {
            format!("check that this machine reaches {host} and trusts its certificate")
        }
        FailureKind::Registry => format!("{host} did not serve the image whole; it is tried again"),
        FailureKind::Disk => "make room on this machine".to_owned(),
        FailureKind::Platform => {
            "promote an image that was built for this machine's platform".to_owned()
        }
        _ => "see the engine's own log".to_owned(),
    }
}

/// Nothing came for so long that the pull was cancelled, each time.
pub(super) fn stalled(image: &ImageRef, limit: Duration, resumes: u32) -> Failure {
    failure(
        FailureKind::Network,
        image,
        &format!("no progress for {limit:?}, cancelled; taken up again {resumes} times"),
    )
}

/// It took longer than any pull may.
pub(super) fn too_long(image: &ImageRef, limit: Duration) -> Failure {
    failure(
        FailureKind::Timeout,
        image,
        &format!("not done after {limit:?}, cancelled"),
    )
}

/// The engine said that it was done, and the digest is not there.
pub(super) fn another_digest(image: &ImageRef) -> Failure {
    failure(
        FailureKind::Registry,
        image,
        "the engine says it is pulled, but does not have that digest under that repository",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> ImageRef {
        format!(
            "10.0.0.1:5000/denied/unauthorized@sha256:{}",
            "1".repeat(64)
        )
        .parse()
        .expect("an image")
    }

    /// As Engine 20.10 was seen to say it.
    #[test]
    fn the_engines_words_decide_the_kind() {
        let cases = [
            (
                "Get \"https://r/v2/\": unauthorized: authentication required",
                FailureKind::Credentials,
            ),
            (
                "error pulling image configuration: errors:\nunauthorized: authentication required",
                FailureKind::Credentials,
            ),
            (
                "Get \"https://r/v2/a/manifests/1\": no basic auth credentials",
                FailureKind::Credentials,
            ),
            (
                "pull access denied for 10.0.0.1:5000/denied/unauthorized, repository does not exist or may require 'docker login'",
                FailureKind::Credentials,
            ),
            (
                "denied: permission_denied: read_package",
                FailureKind::Credentials,
            ),
            (
                "manifest for 10.0.0.1:5000/denied/unauthorized@sha256:1 not found: manifest unknown: manifest unknown",
                FailureKind::NotFound,
            ),
            (
                "Get \"https://10.0.0.1:5000/v2/\": dial tcp 10.0.0.1:5000: connect: connection refused",
                FailureKind::Network,
            ),
            (
                "Get \"https://r/v2/\": dial tcp 10.0.0.9:1: connect: no route to host",
                FailureKind::Network,
            ),
            (
                "Get \"https://r/v2/\": dial tcp: lookup r on 10.0.0.1:53: no such host",
                FailureKind::Network,
            ),
            (
                "Get \"https://r/v2/\": x509: certificate signed by unknown authority",
                FailureKind::Network,
            ),
            (
                "toomanyrequests: You have reached your limit",
                FailureKind::Registry,
            ),
            (
                "received unexpected HTTP status: 503 Service Unavailable",
                FailureKind::Registry,
            ),
            (
                "filesystem layer verification failed for digest sha256:1",
                FailureKind::Registry,
            ),
            (
                "manifest verification failed for digest sha256:1",
                FailureKind::Registry,
            ),
            ("unexpected EOF", FailureKind::Registry),
            (
                "invalid character '(' after object key:value pair",
                FailureKind::Registry,
            ),
            (
                "failed to register layer: Error processing tar file(exit status 1): write /x: no space left on device",
                FailureKind::Disk,
            ),
            (
                "no matching manifest for linux/amd64 in the manifest list entries",
                FailureKind::Platform,
            ),
            (
                "failed to register layer: lchown /x: operation not permitted",
                FailureKind::Engine,
            ),
        ];
        for (words, kind) in cases {
            assert_eq!(classify(&image(), words), kind, "{words}");
        }
    }

    #[test]
    fn the_name_of_an_image_decides_nothing() {
        let words = format!(
            "Get \"https://r/v2/{}/blobs\": {}: something odd",
            image().repository.path(),
            image()
        );
        assert_eq!(classify(&image(), &words), FailureKind::Engine);
    }

    #[test]
    fn a_failure_says_what_to_do() {
        let error = ClientError::DockerStreamError {
            error: "unexpected EOF".to_owned(),
        };
        let failure = of(&image(), &error);
        assert_eq!(failure.kind, FailureKind::Registry);
        assert!(
            failure
                .message
                .contains("pulling 10.0.0.1:5000/denied/unauthorized@sha256:1111"),
            "{}",
            failure.message
        );
        assert!(
            failure.message.contains("tried again"),
            "{}",
            failure.message
        );
    }
}
