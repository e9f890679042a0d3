use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A real server on loopback that says the same to whoever asks: bytes, as
/// they are, and then nothing more.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What comes after the scripted bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// The connection ends.
    Close,
    /// Nothing, for ever.
    Hang,
}

impl Server {
    pub(super) async fn says(answer: impl Into<Vec<u8>>, then: Then) -> Self {
        let answer = Arc::new(answer.into());
        Self::start(move |_| Arc::clone(&answer), then).await
    }

    /// A whole answer of this code.
    pub(super) async fn answers(status: u16, body: &str) -> Self {
        Self::says(whole(status, "", body), Then::Close).await
    }

    /// Answers each request by its first line.
    pub(super) async fn start(
        script: impl Fn(&str) -> Arc<Vec<u8>> + Send + Sync + 'static,
        then: Then,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let (script, seen) = (Arc::new(script), Arc::clone(&heard));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
                tokio::spawn(async move { serve(stream, &*script, &seen, then).await });
            }
        });
        Self {
            address,
            heard,
            task: task.abort_handle(),
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far.
    pub(super) fn heard(&self) -> Vec<String> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A whole answer.
pub(super) fn whole(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}")
        .into_bytes()
}

async fn serve(
    mut stream: TcpStream,
    script: &(impl Fn(&str) -> Arc<Vec<u8>> + Sync),
    heard: &Mutex<Vec<String>>,
    then: Then,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let answer = script(head.lines().next().unwrap_or_default());
    heard
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head);
    // A client that has heard enough goes away.
    drop(stream.write_all(&answer).await);
    if then == Then::Hang {
        std::future::pending::<()>().await;
    }
}
