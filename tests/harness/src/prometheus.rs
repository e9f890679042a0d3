//! A Prometheus server, and an application's figures for it to scrape.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::command::{command, run_command};
use crate::needs::on_path;
use crate::process::Process;
use crate::world::World;

const START: Duration = Duration::from_secs(60);
/// Requests that an application has served from one scrape to the next.
const REQUESTS: f64 = 100.0;

/// A real Prometheus with a data directory of its own. Killed on drop.
#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    process: Process,
}

impl Prometheus {
    /// Starts one that scrapes `app` four times a second.
    ///
    /// # Errors
    ///
    /// If it is not installed, or is not ready within a minute.
    pub async fn start(world: &World, app: &Exporter) -> anyhow::Result<Self> {
        ensure!(
            on_path("prometheus"),
            "prometheus is missing; `make test` or `apt-get install prometheus` brings it"
        );
        let directory = world.subdirectory("prometheus")?;
        let config = directory.join("prometheus.yml");
        let scrape = format!(
            "global: {{ scrape_interval: 250ms, scrape_timeout: 250ms }}\n\
             scrape_configs:\n  - job_name: app\n    static_configs: [ {{ targets: [\"{}\"] }} ]\n",
            app.address
        );
        fs::write(&config, scrape)?;
        let mut run = command("prometheus");
        run.arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                directory.join("data").display()
            ))
            .arg(format!("--web.listen-address={}:0", world.address()));
        let log = directory.join("prometheus.log");
        let mut process = Process::start("prometheus", &mut run, &log)?;
        let address = process.line("prometheus listens", START, listening_on);
        let address = address.await?;
        let ready = |line: &str| line.contains("ready to receive web requests").then_some(());
        process.line("prometheus is ready", START, ready).await?;
        Ok(Self { address, process })
    }

    /// Its address, as a check names it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it answers to a query now.
    ///
    /// # Errors
    ///
    /// If it does not answer, or with no JSON.
    pub fn ask(&self, query: &str) -> anyhow::Result<Value> {
        let mut curl = command("curl");
        curl.args(["-fsSG", "--data-urlencode", &format!("query={query}")])
            .arg(format!("{}/api/v1/query", self.url()));
        let answer = run_command(&mut curl)?;
        serde_json::from_str(&answer).with_context(|| format!("read as JSON: {answer}"))
    }

    /// Kills it: from now on nobody answers.
    ///
    /// # Errors
    ///
    /// If its end cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill()
    }
}

/// The address in `… msg="Listening on" address=10.251.7.1:45521`.
fn listening_on(line: &str) -> Option<SocketAddr> {
    let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
    address.trim().parse().ok()
}

/// What an application tells of itself: requests, and how many of them were
/// errors. It serves some more from each scrape to the next.
#[derive(Debug)]
pub struct Exporter {
    address: SocketAddr,
    figures: Arc<Mutex<Figures>>,
    task: AbortHandle,
}

#[derive(Debug, Default)]
struct Figures {
    /// Share of the requests that are errors. None: it says nothing at all.
    errors: Option<f64>,
    requests_total: f64,
    errors_total: f64,
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Exporter {
    /// Starts one that says nothing yet.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn start(world: &World) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((world.address(), 0)).await?;
        let address = listener.local_addr()?;
        let figures = Arc::<Mutex<Figures>>::default();
        let told = Arc::clone(&figures);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let told = Arc::clone(&told);
                let answer = service_fn(move |_: Request<Incoming>| {
                    let text = scraped(&told);
                    async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(text)))) }
                });
                let serve = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), answer);
                tokio::spawn(serve);
            }
        });
        Ok(Self {
            address,
            figures,
            task: task.abort_handle(),
        })
    }

    /// From now on that share of its requests are errors.
    pub fn fails(&self, share: f64) {
        self.lock().errors = Some(share);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn scraped(figures: &Mutex<Figures>) -> String {
    let mut figures = figures.lock().unwrap_or_else(PoisonError::into_inner);
    let mut text = String::new();
    if let Some(share) = figures.errors {
        figures.requests_total += REQUESTS;
        figures.errors_total += REQUESTS * share;
        for (code, value) in [
            ("200", figures.requests_total - figures.errors_total),
            ("500", figures.errors_total),
        ] {
            writeln!(text, "app_requests_total{{code=\"{code}\"}} {value}")
                .expect("text is written to memory");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_listener_names_its_address() {
        let line = "ts=1 caller=tls_config.go:232 level=info component=web msg=\"Listening on\" address=10.251.7.1:45521";
        let address = listening_on(line).expect("an address");
        assert_eq!(address.to_string(), "10.251.7.1:45521");
        assert_eq!(
            listening_on("msg=\"Start listening for connections\" address=a:0"),
            None
        );
    }
}
