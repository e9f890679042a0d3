//! The idle probe: one GET request. 200 is idle, 503 is busy, all else is not
//! known.

use std::time::Duration;

use pinion_workload::ContainerId;
use pinion_workload::in_use::Verdict;
use tokio::net::TcpStream;

use crate::driver::{Driver, address};
use crate::get;

/// For connection and answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked whether it is idle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleProbe {
    /// None: the container itself, at its own address.
    host: Option<String>,
    port: u16,
    path: String,
}

impl IdleProbe {
    /// What may be written for one.
    pub const ALLOWED: &str =
        "\"http://HOST:PORT/PATH\", or \"PORT/PATH\" for the container's own address";

    /// Reads one; none if it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let own = text.split_once('/').map_or((text, ""), |parts| parts);
        if let Ok(port @ 1..) = own.0.parse::<u16>() {
            let path = format!("/{}", own.1);
            path.parse::<http::uri::PathAndQuery>().ok()?;
            return Some(Self {
                host: None,
                port,
                path,
            });
        }
        let uri: http::Uri = text.parse().ok()?;
        let is_plain = uri.scheme_str() == Some("http");
        let has_user = uri.authority()?.as_str().contains('@');
        (is_plain && !has_user).then_some(())?;
        Some(Self {
            host: Some(uri.host()?.to_owned()),
            port: uri.port_u16().unwrap_or(80),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }

    /// Asks it of one container.
    pub(super) async fn ask<D: Driver>(&self, driver: &D, container: &ContainerId) -> Verdict {
        match tokio::time::timeout(TIMEOUT, self.answer(driver, container)).await {
            Ok(Ok(200)) => Verdict::Idle,
            Ok(Ok(503)) => Verdict::Busy("it says that it is busy (503)".to_owned()),
            Ok(Ok(status)) => Verdict::Unknown(format!(
                "it answered {status}, which is neither 200 (idle) nor 503 (busy)"
            )),
            Ok(Err(why)) => Verdict::Unknown(why),
            Err(_) => Verdict::Unknown(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    async fn answer<D: Driver>(&self, driver: &D, container: &ContainerId) -> Result<u16, String> {
        let host = match &self.host {
            Some(host) => host.clone(),
            None => {
                let address = address(driver, container).await;
                let address = address.map_err(|error| error.to_string())?;
                let address = address.ok_or("the container has no address on any network")?;
                address.to_string()
            }
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let at = match bare.contains(':') {
            true => format!("[{bare}]:{}", self.port),
            false => format!("{bare}:{}", self.port),
        };
        let stream = TcpStream::connect((bare, self.port)).await;
        let stream = stream.map_err(|error| format!("{at}: {error}"))?;
        get::status(stream, &at, &self.path).await
    }
}

impl std::fmt::Display for IdleProbe {
    /// Without its query, which may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let path = self.path.split('?').next().unwrap_or_default();
        match &self.host {
            Some(host) => write!(f, "http://{host}:{}{path}", self.port),
            None => write!(f, "{}{path}", self.port),
        }
    }
}

#[cfg(test)]
mod tests;
