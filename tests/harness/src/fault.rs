//! A reverse proxy before a registry that goes wrong as it is told to.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, BodyStream, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;

use crate::tls::{self, Listening};
use crate::world::World;

/// What happens to a request that a [`Rule`] matches.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers without asking the registry: status, headers, body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Passes it on after a wait.
    Delay(Duration),
    /// Passes on the head and that many bytes of the body, and nothing more, for ever.
    Stall(usize),
    /// Passes on the head and that many bytes of the body, and closes the connection.
    Truncate(usize),
    /// Passes on everything, with a byte of the body changed.
    Corrupt,
    /// Passes on everything but the header of that name.
    Without(&'static str),
    /// Ends the connection without passing the request on.
    Drop,
    /// Passes the request on, and ends the connection without passing the answer on.
    Forget,
    /// Accepts the request, and never answers.
    Hang,
}

impl Fault {
    /// An answer with a registry's error in its body.
    #[must_use]
    pub fn error(status: u16, code: &str) -> Self {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"scripted"}}]}}"#);
        let json = ("content-type", "application/json".to_owned());
        Self::Answer(status, vec![json], body)
    }
}

/// Which requests go wrong, how, and how often.
#[derive(Debug, Clone)]
pub struct Rule {
    /// None: every method.
    pub method: Option<Method>,
    /// A part of the path, such as `/manifests/`.
    pub path: String,
    /// How many requests; none: all.
    pub times: Option<u32>,
    /// What happens to them.
    pub fault: Fault,
}

impl Rule {
    /// Every `GET` whose path contains `path`.
    #[must_use]
    pub fn get(path: &str, fault: Fault) -> Self {
        Self {
            method: Some(Method::GET),
            path: path.to_owned(),
            times: None,
            fault,
        }
    }

    /// Every request whose path contains `path`.
    #[must_use]
    pub fn any(path: &str, fault: Fault) -> Self {
        Self {
            method: None,
            path: path.to_owned(),
            times: None,
            fault,
        }
    }

    /// The same, for the first `times` requests only.
    #[must_use]
    pub fn first(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    /// It has taken all the requests that it was to take.
    pub(crate) fn is_spent(&self) -> bool {
        self.times == Some(0)
    }

    fn takes(&mut self, method: &Method, path: &str) -> bool {
        let matches = self.method.as_ref().is_none_or(|wanted| wanted == method);
        if !matches || !path.contains(&self.path) || self.times == Some(0) {
            return false;
        }
        self.times = self.times.map(|left| left - 1);
        true
    }
}

/// What the proxy saw, for assertions: method, path, whether credentials came with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Method of the request.
    pub method: Method,
    /// Path of the request.
    pub path: String,
    /// Whether it carried an `Authorization` header.
    pub authorized: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Script {
    pub(crate) rules: Vec<Rule>,
    pub(crate) seen: Vec<Seen>,
}

impl Script {
    /// Notes a request; what is to happen to it.
    pub(crate) fn note(&mut self, request: &Request<Incoming>) -> Option<Fault> {
        let path = request.uri().path().to_owned();
        let authorized = request.headers().contains_key(http::header::AUTHORIZATION);
        let taken = |rule: &mut Rule| {
            let takes = rule.takes(request.method(), &path);
            takes.then(|| rule.fault.clone())
        };
        let fault = self.rules.iter_mut().find_map(taken);
        self.seen.push(Seen {
            method: request.method().clone(),
            path,
            authorized,
        });
        fault
    }
}

/// Answers as the fault says; `forward` asks upstream.
///
/// An error ends the connection.
pub(crate) async fn answer(
    fault: Option<Fault>,
    forward: impl Future<Output = anyhow::Result<Response<Incoming>>>,
) -> Result<Response<Body>, std::io::Error> {
    match &fault {
        Some(Fault::Answer(status, headers, body)) => {
            return Ok(scripted(*status, headers, body.clone()));
        }
        Some(Fault::Drop) => return Err(std::io::Error::other("scripted end")),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Delay(wait)) => tokio::time::sleep(*wait).await,
        _ => {}
    }
    match forward.await {
        Ok(_) if matches!(fault, Some(Fault::Forget)) => Err(std::io::Error::other("scripted end")),
        Ok(response) => Ok(spoil(response, fault)),
        Err(error) => Ok(scripted(
            502,
            &[],
            format!("the proxy's upstream: {error:#}"),
        )),
    }
}

/// The proxy. Without rules it passes everything on as it is.
#[derive(Debug)]
pub struct Proxy {
    listening: Listening,
    script: Arc<Mutex<Script>>,
}

/// What is passed on.
pub(crate) type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

impl Proxy {
    /// Starts a proxy before `upstream` on a free port of the world's address.
    ///
    /// # Errors
    ///
    /// If it cannot listen.
    pub async fn start(world: &World, upstream: SocketAddr) -> anyhow::Result<Self> {
        let host = IpAddr::V4(world.address());
        let server = world.authority().issue(host)?.server()?;
        let client = world.authority().client()?;
        let script = Arc::new(Mutex::new(Script::default()));
        let route = Arc::new(Route {
            upstream,
            client,
            script: script.clone(),
        });
        let listening = tls::listen(host, server, move |stream| {
            let route = route.clone();
            async move {
                let answer = service_fn(|request| {
                    let route = route.clone();
                    async move { route.answer(request).await }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer);
                // A cut connection is what some rules ask for.
                drop(connection.await);
            }
        });
        Ok(Self {
            listening: listening.await?,
            script,
        })
    }

    /// `host:port`, as it stands in image references.
    #[must_use]
    pub fn host(&self) -> String {
        self.listening.address().to_string()
    }

    /// Adds a rule; the first that matches a request takes it.
    pub fn rule(&self, rule: Rule) {
        locked(&self.script).rules.push(rule);
    }

    /// Forgets all rules: everything passes.
    pub fn clear(&self) {
        locked(&self.script).rules.clear();
    }

    /// All requests so far, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        locked(&self.script).seen.clone()
    }
}

#[derive(Debug)]
struct Route {
    upstream: SocketAddr,
    client: ClientConfig,
    script: Arc<Mutex<Script>>,
}

impl Route {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
        let fault = locked(&self.script).note(&request);
        answer(fault, self.forward(request)).await
    }

    async fn forward(&self, request: Request<Incoming>) -> anyhow::Result<Response<Incoming>> {
        let stream = tls::connect(self.upstream, self.client.clone()).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }
}

fn scripted(status: u16, headers: &[(&'static str, String)], body: String) -> Response<Body> {
    let status = StatusCode::from_u16(status).expect("rules have valid codes");
    let builder = headers.iter().fold(
        Response::builder().status(status),
        |builder, (name, value)| builder.header(*name, value),
    );
    let body = http_body_util::Full::from(body).map_err(|never| match never {});
    builder
        .body(body.boxed_unsync())
        .expect("rules have valid headers")
}

fn spoil(response: Response<Incoming>, fault: Option<Fault>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    let bytes: BoxStream<_> = BodyStream::new(body)
        .filter_map(async |frame| match frame {
            Ok(frame) => frame.into_data().ok().map(Ok),
            Err(error) => Some(Err(std::io::Error::other(error))),
        })
        .boxed();
    let bytes = match fault {
        Some(Fault::Stall(after)) => cut(bytes, after)
            .chain(futures_util::stream::pending())
            .boxed(),
        Some(Fault::Truncate(after)) => {
            let end = Err(std::io::Error::other("scripted end"));
            cut(bytes, after)
                .chain(futures_util::stream::iter([end]))
                .boxed()
        }
        Some(Fault::Corrupt) => bytes.map(|chunk| chunk.map(|chunk| flip(&chunk))).boxed(),
        Some(Fault::Without(name)) => {
            head.headers.remove(name);
            bytes
        }
        _ => bytes,
    };
    let frames = bytes.map(|chunk| chunk.map(Frame::data));
    Response::from_parts(head, StreamBody::new(frames).boxed_unsync())
}

type Chunk = Result<Bytes, std::io::Error>;

/// The first `left` bytes.
fn cut(bytes: BoxStream<'static, Chunk>, left: usize) -> BoxStream<'static, Chunk> {
    bytes
        .scan(left, |left, chunk| {
            let chunk = chunk.map(|chunk| chunk.slice(..chunk.len().min(*left)));
            let length = chunk.as_ref().map_or(0, Bytes::len);
            let goes_on = *left > 0;
            *left -= length;
            std::future::ready(goes_on.then_some(chunk))
        })
        .boxed()
}

fn flip(chunk: &Bytes) -> Bytes {
    let mut changed = chunk.to_vec();
    if let Some(byte) = changed.last_mut() {
        *byte ^= 0x55;
    }
    changed.into()
}

pub(crate) fn locked(script: &Mutex<Script>) -> std::sync::MutexGuard<'_, Script> {
    script.lock().expect("no holder of this lock panics")
}
