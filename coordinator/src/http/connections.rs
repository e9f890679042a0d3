use std::io;
use std::time::Duration;

use axum::Router;
use futures_util::{Stream, StreamExt as _};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio_util::sync::CancellationToken;

use crate::listen::Connection;

/// How long a client may take to send its request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests that began may take to end after `stop`.
const LEAVE: Duration = Duration::from_secs(5);

/// Serves `router` on every connection until `stop`, then lets requests that
/// began end.
pub async fn serve(
    mut connections: impl Stream<Item = io::Result<Connection>> + Unpin,
    router: Router,
    stop: CancellationToken,
) {
    let graceful = GracefulShutdown::new();
    loop {
        let connection = tokio::select! {
            () = stop.cancelled() => break,
            next = connections.next() => match next {
                Some(Ok(connection)) => connection,
                Some(Err(_)) => continue,
                None => break,
            },
        };
        let service = TowerToHyperService::new(router.clone());
        let served = builder()
            .serve_connection(TokioIo::new(connection), service)
            .into_owned();
        let served = graceful.watch(served);
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!(error = &*error, "an HTTP connection ended with an error");
            }
        });
    }
    if tokio::time::timeout(LEAVE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("HTTP requests did not end in time");
    }
}

/// Every limit is set here, whatever the default.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_headers(64)
        .max_buf_size(64 * 1024)
        .keep_alive(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(64 * 1024)
        .max_concurrent_streams(16)
        .max_frame_size(16 * 1024)
        .max_header_list_size(8 * 1024)
        .max_pending_accept_reset_streams(16)
        .max_local_error_reset_streams(64)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}
