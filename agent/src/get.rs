//! One GET request in plain HTTP, of which the status alone is read.

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::tls::chain;

/// What `at`, which is its `Host`, answers there.
///
/// # Errors
///
/// In words, if it answers no HTTP.
pub(crate) async fn status(stream: TcpStream, at: &str, path: &str) -> Result<u16, String> {
    let broken = |error: &(dyn std::error::Error + 'static)| {
        format!("{at} answers no HTTP: {}", chain(error))
    };
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
    let request = Request::get(path)
        .header(header::HOST, at)
        .header(header::USER_AGENT, "pinion-agent")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(&error))?;
    let response = tokio::select! {
        response = sender.send_request(request) => response,
        Err(error) = connection => Err(error),
    };
    let response = response.map_err(|error| broken(&error))?;
    Ok(response.status().as_u16())
}
