use std::io;
use std::time::Duration;

use futures_util::Stream;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::api::{AuthLayer, MessageLimits};
use crate::listen::{Connection, Limits};

/// Which of the two gRPC listeners; both serve the same services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Many machines, each with one long stream.
    Agents,
    /// A few people and pipelines.
    Operators,
}

impl Face {
    /// Whether API tokens count.
    #[must_use]
    pub fn takes_tokens(self) -> bool {
        self == Self::Operators
    }

    /// How much is taken on.
    #[must_use]
    pub fn limits(self) -> Limits {
        let (connections, anonymous_life) = match self {
            Self::Agents => (19_000, Some(Duration::from_secs(60))),
            Self::Operators => (1_000, None),
        };
        Limits {
            connections,
            handshakes: 128,
            handshake_timeout: Duration::from_secs(5),
            anonymous_life,
        }
    }

    /// How large a message may be, in bytes.
    #[must_use]
    pub fn messages(self) -> MessageLimits {
        match self {
            Self::Agents => MessageLimits {
                inbound: 64 * 1024,
                outbound: 256 * 1024,
            },
            Self::Operators => MessageLimits {
                inbound: 1024 * 1024,
                outbound: 64 * 1024 * 1024,
            },
        }
    }

    fn streams(self) -> u32 {
        match self {
            Self::Agents => 4,
            Self::Operators => 64,
        }
    }
}

/// Serves `routes` until `stop`, then until every stream has ended. tonic
/// hands a limit that is unset to hyper as "none", which takes hyper's own
/// guards away: every one is set.
pub(super) async fn serve(
    face: Face,
    routes: Routes,
    auth: AuthLayer,
    connections: impl Stream<Item = io::Result<Connection>>,
    stop: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(64 * 1024)
        .http2_adaptive_window(Some(false))
        .max_concurrent_streams(face.streams())
        .max_frame_size(16 * 1024)
        .http2_max_header_list_size(8 * 1024)
        .http2_max_pending_accept_reset_streams(Some(16))
        .http2_max_local_error_reset_streams(Some(64))
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .http2_keepalive_timeout(Some(Duration::from_secs(20)))
        .layer(auth)
        .add_routes(routes)
        .serve_with_incoming_shutdown(connections, stop.cancelled_owned())
        .await
}
