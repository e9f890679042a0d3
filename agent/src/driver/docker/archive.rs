//! A file out of a container that need not run.

use std::path::Path;
use std::time::Duration;

use bollard::query_parameters::DownloadFromContainerOptions;
use futures_util::StreamExt as _;
use pinion_workload::ContainerId;
use tokio::io::AsyncWriteExt as _;

use super::Docker;
use super::errors::{from_client, unknown};
use crate::driver::EngineError;

const CALL: &str = "read a file of a container";
/// More is no file of ours.
const LIMIT: u64 = 1024 * 1024 * 1024;

/// Writes what the engine sends as it comes: it may be larger than the memory
/// that an agent has.
pub(super) async fn download(
    docker: &Docker,
    id: &ContainerId,
    path: &str,
    into: &Path,
) -> Result<(), EngineError> {
    let options = DownloadFromContainerOptions {
        path: path.to_owned(),
    };
    let what = format!("{path} in container {id}");
    let link = docker.link().await?;
    let mut parts = std::pin::pin!(link.client.download_from_container(&id.0, Some(options)));
    let mut file = tokio::fs::File::create(into)
        .await
        .map_err(|error| unknown(CALL, &error))?;
    let mut size = 0;
    loop {
        let part = tokio::time::timeout(docker.limits.stall, parts.next()).await;
        let Some(part) = part.map_err(|_| stalled(docker.limits.stall))? else {
            break;
        };
        let part = part.map_err(|error| from_client(CALL, &what, error))?;
        size += part.len() as u64;
        if size > LIMIT {
            let message = format!("{what} is larger than {LIMIT} bytes");
            return Err(EngineError::Refused {
                call: CALL,
                message,
            });
        }
        file.write_all(&part)
            .await
            .map_err(|error| unknown(CALL, &error))?;
    }
    file.flush().await.map_err(|error| unknown(CALL, &error))
}

fn stalled(limit: Duration) -> EngineError {
    EngineError::Unknown {
        call: CALL,
        message: format!("nothing came for {} s", limit.as_secs()),
    }
}
