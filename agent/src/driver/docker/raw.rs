//! Calls whose JSON must arrive whole: the typed client knows the fields of
//! one version only, and drops the others both ways.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::errors;
use crate::driver::EngineError;

/// Speaks HTTP over the engine's socket, one connection a call.
pub(super) struct Raw {
    socket: PathBuf,
    version: String,
    limit: Duration,
}

/// A call that brought no answer.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error("cannot open the engine's socket")]
    Connect(#[source] std::io::Error),
    #[error("the engine ended the connection")]
    Http(#[from] hyper::Error),
    #[error("not a request")]
    Request(#[from] http::Error),
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

impl Raw {
    /// For the socket at that path, in that API version, waiting that long for each answer.
    pub(super) fn new(socket: &str, version: &str, limit: Duration) -> Self {
        Self {
            socket: PathBuf::from(socket),
            version: version.to_owned(),
            limit,
        }
    }

    /// Asks for JSON about `what`; `path` begins with a slash.
    pub(super) async fn get(
        &self,
        call: &'static str,
        what: &str,
        path: &str,
    ) -> Result<Value, EngineError> {
        self.json(call, what, Method::GET, path, Bytes::new()).await
    }

    /// Sends JSON; what is answered without a body is null.
    pub(super) async fn post(
        &self,
        call: &'static str,
        what: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value, EngineError> {
        self.json(
            call,
            what,
            Method::POST,
            path,
            Bytes::from(body.to_string()),
        )
        .await
    }

    async fn json(
        &self,
        call: &'static str,
        what: &str,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Value, EngineError> {
        let answered = tokio::time::timeout(self.limit, self.send(method, path, body));
        let answered = answered
            .await
            .unwrap_or(Err(CallError::TimedOut(self.limit)));
        let (status, body) = answered.map_err(|error| errors::unknown(call, &error))?;
        if !status.is_success() {
            return Err(errors::refusal(call, what, status.as_u16(), message(&body)));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body).map_err(|error| errors::unknown(call, &error))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(CallError::Connect)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its end is seen by the sender, too; dropping the sender ends it.
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(format!("/v{}{path}", self.version))
            .header(header::HOST, "engine")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

/// The engine's own words in an error's body.
fn message(body: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let said = json
        .as_ref()
        .and_then(|json| json["message"].as_str())
        .map(str::to_owned);
    said.unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned())
}

/// Makes a text fit for one place in a path or query.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => encoded.push(char::from(byte)),
            b'-' | b'_' | b'.' | b'~' | b'/' | b':' | b'@' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_reference_stays_readable_and_nothing_ends_a_path() {
        assert_eq!(
            encode("10.0.0.1:5000/a/b@sha256:0"),
            "10.0.0.1:5000/a/b@sha256:0"
        );
        assert_eq!(encode("a b?c#d%é"), "a%20b%3Fc%23d%25%C3%A9");
    }

    #[test]
    fn the_engines_words_are_taken_out_of_its_json() {
        assert_eq!(message(br#"{"message":"no such thing"}"#), "no such thing");
        assert_eq!(message(b"plain\n"), "plain");
    }
}
