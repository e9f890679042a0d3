//! `pinion-agent status`: asks the running agent through its socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;

use crate::socket::{SOCKET, WorkloadAnswer};

/// How long the agent may take to answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// No agent listens.
    #[error(
        "no agent answers at {0}: see that `pinion-agent run` runs with this --state-dir, as this user"
    )]
    NoAgent(PathBuf, #[source] std::io::Error),
    /// It listens, and says nothing.
    #[error("the agent at {0} did not answer within {limit} s: look at its log", limit = LIMIT.as_secs())]
    Slow(PathBuf),
    /// It cannot say yet, or will not do it.
    #[error("the agent refuses: {0}")]
    Refused(String),
    /// The conversation broke.
    #[error("the agent did not answer")]
    Http(#[from] hyper::Error),
    /// It answered something else.
    #[error("the agent's answer cannot be read; is it another version?")]
    Answer(#[from] serde_json::Error),
}

#[derive(Deserialize)]
struct List {
    workloads: Vec<WorkloadAnswer>,
}

/// Prints a table, or the socket's own JSON.
///
/// # Errors
///
/// If no agent runs there, or it does not answer.
pub async fn print(state_dir: &Path, json: bool) -> Result<(), StatusError> {
    let socket = state_dir.join(SOCKET);
    let body = ask(&socket, http::Method::GET, "/v1/workloads", Bytes::new()).await?;
    if json {
        println!("{}", String::from_utf8_lossy(&body));
        return Ok(());
    }
    let list: List = serde_json::from_slice(&body)?;
    for line in table(&list.workloads) {
        println!("{line}");
    }
    Ok(())
}

/// The answer of the agent at this socket; an error's own words if it refuses.
pub(crate) async fn ask(
    socket: &Path,
    method: http::Method,
    path: &str,
    body: Bytes,
) -> Result<Bytes, StatusError> {
    let asked = tokio::time::timeout(LIMIT, talk(socket, method, path, body)).await;
    asked.map_err(|_| StatusError::Slow(socket.to_owned()))?
}

async fn talk(
    socket: &Path,
    method: http::Method,
    path: &str,
    body: Bytes,
) -> Result<Bytes, StatusError> {
    let no_agent = |error| StatusError::NoAgent(socket.to_owned(), error);
    let stream = UnixStream::connect(socket).await.map_err(no_agent)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::HOST, "agent")
        .body(Full::new(body))
        .map_err(|error| StatusError::Refused(error.to_string()))?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, hyper::Error>((status, body))
    };
    let (status, body) = tokio::select! {
        answer = answer => answer?,
        Err(error) = connection => return Err(error.into()),
    };
    match status.is_success() {
        true => Ok(body),
        false => Err(StatusError::Refused(words(&body))),
    }
}

/// The agent's own words in an error's body.
fn words(body: &[u8]) -> String {
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let message = json
        .as_ref()
        .and_then(|json| json["error"]["message"].as_str());
    message.map_or_else(|| String::from_utf8_lossy(body).into_owned(), str::to_owned)
}

/// A head, a line for each workload, and what is wrong below it.
fn table(views: &[WorkloadAnswer]) -> Vec<String> {
    let mut rows = vec![[
        "WORKLOAD".to_owned(),
        "PHASE".to_owned(),
        "DIGEST".to_owned(),
        "IMAGE".to_owned(),
    ]];
    rows.extend(views.iter().map(cells));
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let (first, second, third) = (width(0), width(1), width(2));
    let mut lines = Vec::new();
    for (at, [workload, phase, digest, image]) in rows.iter().enumerate() {
        lines.push(
            format!("{workload:first$}  {phase:second$}  {digest:third$}  {image}")
                .trim_end()
                .to_owned(),
        );
        let view = at.checked_sub(1).map(|at| &views[at]);
        lines.extend(
            view.and_then(|view| view.failure.as_ref())
                .map(|failure| format!("  {failure}")),
        );
    }
    lines
}

fn cells(view: &WorkloadAnswer) -> [String; 4] {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let phase = match (view.phase, view.waiting_for.as_str()) {
        (Some(phase), "") => phase.to_string(),
        (Some(phase), why) => format!("{phase} ({why})"),
        (None, _) => "-".to_owned(),
    };
    let repository = view
        .image
        .as_deref()
        .and_then(|image| image.split('@').next());
    [
        view.workload.to_string(),
        phase,
        or_dash(view.digest.as_ref().map(|digest| digest.short().to_owned())),
        or_dash(repository.map(str::to_owned)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use pinion_model::{AgentPhase, Failure, FailureKind};

    #[test]
    fn columns_line_up_and_a_failure_stands_below_its_workload() {
        let view = |name: &str, phase| WorkloadAnswer {
            workload: name.parse().expect("name"),
            digest: None,
            image: None,
            local_tag_reference: None,
            phase,
            waiting_for: String::new(),
            failure: None,
        };
        let mut failed = view("workspace-server", Some(AgentPhase::RolledBack));
        failed.failure = Some(Failure::new(FailureKind::Health, "it exited"));
        assert_eq!(
            table(&[failed, view("codex", None)]),
            [
                "WORKLOAD          PHASE        DIGEST  IMAGE",
                "workspace-server  rolled back  -       -",
                "  health: it exited",
                "codex             -            -       -",
            ]
        );
    }
}
