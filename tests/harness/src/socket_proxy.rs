//! A proxy before an engine's socket that goes wrong as it is told to, or at random.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::fault::{self, Body, Fault, Rule, Script, Seen, locked};

/// The proxy. Without rules it passes everything on as it is. Ends on drop.
#[derive(Debug)]
pub struct SocketProxy {
    path: PathBuf,
    route: Arc<Route>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct Route {
    engine: PathBuf,
    script: Mutex<Script>,
    chaos: Mutex<Option<Chaos>>,
}

/// Every so many requests in a hundred go wrong, each in a way of its own.
#[derive(Debug)]
struct Chaos {
    random: StdRng,
    percent: u32,
}

impl SocketProxy {
    /// Listens at `path` for the engine whose socket is `engine`, which need not be there.
    ///
    /// # Errors
    ///
    /// If it cannot listen.
    pub fn start(path: &Path, engine: &Path) -> anyhow::Result<Self> {
        let listener = UnixListener::bind(path).context("listen as an engine")?;
        let route = Arc::new(Route {
            engine: engine.to_owned(),
            script: Mutex::default(),
            chaos: Mutex::new(None),
        });
        Ok(Self {
            path: path.to_owned(),
            serving: tokio::spawn(serve(listener, Arc::clone(&route))),
            route,
        })
    }

    /// `unix://…` of it, as the agent's `--docker-host` wants it.
    #[must_use]
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.path.display())
    }

    /// Adds a rule; the first that matches a request takes it.
    pub fn rule(&self, rule: Rule) {
        locked(&self.route.script).rules.push(rule);
    }

    /// From now on `percent` of all requests go wrong, as that seed says.
    pub fn chaos(&self, seed: u64, percent: u32) {
        let random = StdRng::seed_from_u64(seed);
        *self.route.held() = Some(Chaos { random, percent });
    }

    /// Forgets all rules: everything passes.
    pub fn clear(&self) {
        locked(&self.route.script).rules.clear();
        *self.route.held() = None;
    }

    /// Whether all that the rules are for has come.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        locked(&self.route.script).rules.iter().all(Rule::is_spent)
    }

    /// All requests so far, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        locked(&self.route.script).seen.clone()
    }
}

impl Drop for SocketProxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: UnixListener, route: Arc<Route>) {
    while let Ok((stream, _)) = listener.accept().await {
        let route = Arc::clone(&route);
        tokio::spawn(async move {
            let answer = service_fn(|request| route.answer(request));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer);
            // A cut connection is what some rules ask for.
            drop(connection.await);
        });
    }
}

impl Route {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
        let scripted = locked(&self.script).note(&request);
        let fault = scripted.or_else(|| self.held().as_mut().and_then(Chaos::next));
        fault::answer(fault, self.forward(request)).await
    }

    async fn forward(&self, request: Request<Incoming>) -> anyhow::Result<Response<Incoming>> {
        let stream = UnixStream::connect(&self.engine).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender.send_request(request).await?)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Chaos>> {
        self.chaos.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chaos {
    fn next(&mut self) -> Option<Fault> {
        if self.random.random_range(0..100) >= self.percent {
            return None;
        }
        let bytes = self.random.random_range(0..600);
        let json = |body: &str| Fault::Answer(200, Vec::new(), body.to_owned());
        Some(match self.random.random_range(0..9) {
            0 => Fault::Drop,
            1 => Fault::Forget,
            2 => Fault::Delay(Duration::from_millis(bytes)),
            3 => Fault::Truncate(usize::try_from(bytes).unwrap_or(0)),
            4 => Fault::Answer(500, Vec::new(), r#"{"message":"scripted"}"#.to_owned()),
            5 => Fault::Answer(503, Vec::new(), String::new()),
            6 => json("\u{1}\u{2}garbage"),
            7 => json("null"),
            _ => json("[]"),
        })
    }
}
