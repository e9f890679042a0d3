//! Bearer tokens for Prometheus servers, each in a file of its own. A token is
//! read when it is needed, so that it can be replaced at any time, and is sent
//! to its own server alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::Url;
use reqwest::header::HeaderValue;

use super::Trouble;

/// Longest token.
const LONGEST: usize = 16 * 1024;

/// Which server wants the token in which file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenFiles(BTreeMap<String, PathBuf>);

/// Why a token cannot be sent there.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// The server's address is none.
    #[error(
        "must be a server's address without a path, such as \"https://prometheus.example:9090\"; got {0:?}"
    )]
    Address(String),
    /// Anybody could read it on the way.
    #[error(
        "is neither https nor a loopback address: the token would cross the network in the clear"
    )]
    Clear,
    /// It depends on where the coordinator was started.
    #[error("must be a file's absolute path; got {0:?}")]
    Relative(PathBuf),
}

impl TokenFiles {
    /// `server`, such as `https://prometheus.example:9090`, wants the token in `file`.
    ///
    /// # Errors
    ///
    /// If the address is none, would show the token to others, or the path is
    /// relative.
    pub fn add(&mut self, server: &str, file: &Path) -> Result<(), TokenFileError> {
        let wrong = || TokenFileError::Address(server.to_owned());
        let url = Url::parse(server).map_err(|_| wrong())?;
        let plain = url.username().is_empty() && url.password().is_none();
        if !plain || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong());
        }
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(TokenFileError::Clear),
            _ => return Err(wrong()),
        }
        if !file.is_absolute() {
            return Err(TokenFileError::Relative(file.to_owned()));
        }
        self.0.insert(origin(&url), file.to_owned());
        Ok(())
    }

    /// The header that this server wants, if it wants one.
    pub(super) async fn header(&self, url: &Url) -> Result<Option<HeaderValue>, Trouble> {
        let Some(file) = self.0.get(&origin(url)) else {
            return Ok(None);
        };
        let trouble = |why: String| Trouble::Token {
            file: file.clone(),
            why,
        };
        let text = tokio::fs::read_to_string(file)
            .await
            .map_err(|error| trouble(error.to_string()))?;
        let token = text.trim();
        if token.is_empty() || token.len() > LONGEST {
            return Err(trouble(format!("holds {} bytes", token.len())));
        }
        let mut header = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| trouble("holds something else than one token".to_owned()))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host
            .parse::<std::net::Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}
