use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::Transport;
use super::connection::{Connection, ConnectionInfo, Stream};
use crate::identity::{Certificate, CertificateError, Presented};

/// After `accept` failed (out of file descriptors, mostly) before the next one.
const PAUSE: Duration = Duration::from_millis(100);

/// How much a listener takes on.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// Handshakes at once; more wait.
    pub handshakes: usize,
    /// How long one may take.
    pub handshake_timeout: Duration,
    /// How long a connection without a certificate may last; `None`: any time.
    pub anonymous_life: Option<Duration>,
}

/// Why a connection was refused before anything was served on it.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It took too long.
    #[error("no TLS handshake within the deadline")]
    Timeout,
    /// TLS itself failed: a foreign or expired certificate, another version.
    #[error("the TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The certificate was verified and names nobody we can name.
    #[error("the client certificate names nobody")]
    Certificate(#[source] CertificateError),
}

/// Told of every refused connection.
pub type OnRefused = Arc<dyn Fn(SocketAddr, &HandshakeError) + Send + Sync>;

/// A bound socket that accepts nothing yet.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Binds `address`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpListener::bind(address).await?;
        let address = socket.local_addr()?;
        Ok(Self { socket, address })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts until `stop`, which closes the socket and ends the stream.
    pub fn accept(
        self,
        transport: Transport,
        limits: Limits,
        on_refused: OnRefused,
        stop: CancellationToken,
    ) -> ReceiverStream<io::Result<Connection>> {
        let (ready, accepted) = mpsc::channel(64);
        let door = Door {
            transport,
            limits,
            on_refused,
            ready,
            stop,
        };
        tokio::spawn(accept_loop(self.socket, Arc::new(door)));
        ReceiverStream::new(accepted)
    }
}

/// What every handshake of a listener needs.
struct Door {
    transport: Transport,
    limits: Limits,
    on_refused: OnRefused,
    ready: mpsc::Sender<io::Result<Connection>>,
    stop: CancellationToken,
}

async fn accept_loop(socket: TcpListener, door: Arc<Door>) {
    let connections = Arc::new(Semaphore::new(door.limits.connections));
    let handshakes = Arc::new(Semaphore::new(door.limits.handshakes));
    loop {
        let next = async {
            let permits = permits(&connections, &handshakes).await;
            (permits, socket.accept().await)
        };
        let ((connection, handshake), accepted) = tokio::select! {
            () = door.stop.cancelled() => return,
            () = door.ready.closed() => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, remote)) => {
                let door = Arc::clone(&door);
                tokio::spawn(async move {
                    door.welcome(stream, remote, connection).await;
                    drop(handshake);
                });
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "accept failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn permits(
    connections: &Arc<Semaphore>,
    handshakes: &Arc<Semaphore>,
) -> (OwnedSemaphorePermit, OwnedSemaphorePermit) {
    let never_closed = "the accept loop never closes its semaphores";
    (
        Arc::clone(connections)
            .acquire_owned()
            .await
            .expect(never_closed),
        Arc::clone(handshakes)
            .acquire_owned()
            .await
            .expect(never_closed),
    )
}

impl Door {
    async fn welcome(&self, stream: TcpStream, remote: SocketAddr, permit: OwnedSemaphorePermit) {
        let shaken = tokio::select! {
            () = self.stop.cancelled() => return,
            shaken = tokio::time::timeout(self.limits.handshake_timeout, self.handshake(stream)) => shaken,
        };
        match shaken.unwrap_or(Err(HandshakeError::Timeout)) {
            Ok((stream, presented)) => {
                let deadline = match (&presented, self.limits.anonymous_life) {
                    (Presented::Nothing, Some(life)) => Some(Box::pin(tokio::time::sleep(life))),
                    _ => None,
                };
                let info = ConnectionInfo { remote, presented };
                // A failure means that the server has stopped: the drop closes it.
                let _ = self
                    .ready
                    .send(Ok(Connection::new(stream, info, deadline, permit)))
                    .await;
            }
            Err(error) => (self.on_refused)(remote, &error),
        }
    }

    async fn handshake(&self, stream: TcpStream) -> Result<(Stream, Presented), HandshakeError> {
        stream.set_nodelay(true).map_err(HandshakeError::Tls)?;
        let (config, domain) = match &self.transport {
            Transport::Plain => return Ok((Stream::Plain(stream), Presented::Nothing)),
            Transport::Tls(config) => (config, None),
            Transport::MutualTls(config, domain) => (config, Some(domain)),
        };
        let config = Arc::clone(&config.borrow());
        let stream = TlsAcceptor::from(config)
            .accept(stream)
            .await
            .map_err(HandshakeError::Tls)?;
        let leaf = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(|chain| chain.first());
        let presented = match (leaf, domain) {
            (Some(leaf), Some(domain)) => {
                let certificate =
                    Certificate::read(leaf, domain).map_err(HandshakeError::Certificate)?;
                Presented::Certificate(Arc::new(certificate))
            }
            _ => Presented::Nothing,
        };
        Ok((Stream::Tls(stream), presented))
    }
}
