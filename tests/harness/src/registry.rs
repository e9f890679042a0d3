//! A real registry with TLS and credentials.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::bearer::TokenServer;
use crate::command::{command, run_command};
use crate::image::App;
use crate::process::Process;
use crate::world::World;

/// A user that every registry knows.
pub const USER: &str = "tenant";
/// That user's password.
pub const PASSWORD: &str = "correct-horse-battery";
/// A user whose password turns into `+` and `/` in standard base64, which engines do not read.
pub const TRICKY_USER: &str = "tricky";
/// That user's password.
pub const TRICKY_PASSWORD: &str = "~~~>>>???~~~>>>???";

const KNOWN: [(&str, &str); 3] = [
    (USER, PASSWORD),
    (TRICKY_USER, TRICKY_PASSWORD),
    // What Amazon's credential helper gets from the `Aws` of these tests.
    ("AWS", "123456789012-auth-token"),
];

/// How a registry wants to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Anybody may pull.
    None,
    /// User and password with every request.
    Basic,
    /// A token from a token server, which wants user and password.
    Bearer,
}

/// A `docker-registry` on the world's address.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    authfile: PathBuf,
    ca: PathBuf,
    digests: PathBuf,
    _token_server: Option<TokenServer>,
    process: Process,
}

/// An image in a registry.
#[derive(Debug, Clone)]
pub struct Pushed {
    /// Such as `10.251.7.1:5000/molecule-ai/platform`.
    pub repository: String,
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// 40 hex digits.
    pub source_sha: String,
    /// What its containers answer.
    pub version: String,
}

impl Pushed {
    /// `repository@digest`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}@{}", self.repository, self.digest)
    }
}

impl Registry {
    /// Starts a registry; `name` is its directory in the world.
    ///
    /// # Errors
    ///
    /// If it does not say where it listens within 20 s.
    pub async fn start(world: &World, name: &str, auth: Auth) -> anyhow::Result<Self> {
        let directory = world.subdirectory(name)?;
        let host = IpAddr::V4(world.address());
        let (certificate, key) = world.authority().issue(host)?.write(&directory, "server")?;
        let token_server = match auth {
            Auth::Bearer => Some(TokenServer::start(world).await?),
            Auth::None | Auth::Basic => None,
        };
        let auth_section = match (&token_server, auth) {
            (Some(server), _) => server.registry_configuration(world),
            (None, Auth::Basic) => {
                let htpasswd = directory.join("htpasswd");
                fs::write(&htpasswd, htpasswd_lines()?)?;
                json!({"htpasswd": {"realm": "tests", "path": htpasswd}})
            }
            (None, _) => json!({}),
        };
        // YAML takes JSON as it is.
        let configuration = json!({
            "version": "0.1",
            "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": directory.join("data")}},
            "http": {
                "addr": format!("{host}:0"),
                "secret": "tests",
                "tls": {"certificate": certificate, "key": key},
            },
            "auth": auth_section,
        });
        let file = directory.join("config.yml");
        fs::write(&file, configuration.to_string())?;
        let mut process = Process::start(
            name,
            command("docker-registry").arg("serve").arg(&file),
            &directory.join("registry.log"),
        )?;
        let address = process
            .line(
                "the registry listens",
                Duration::from_secs(20),
                listening_on,
            )
            .await?;
        let authfile = directory.join("auth.json");
        fs::write(
            &authfile,
            docker_config(&[(&address.to_string(), USER, PASSWORD)]),
        )?;
        let digests = directory.join("digests");
        fs::create_dir(&digests)?;
        Ok(Self {
            address,
            authfile,
            ca: world.authority().pem_file().to_owned(),
            digests,
            _token_server: token_server,
            process,
        })
    }

    /// `host:port`, as it stands in image references.
    #[must_use]
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Builds `app` and pushes it to `repository` (without host), tagged with its version.
    ///
    /// # Errors
    ///
    /// If the build or the push fails.
    pub fn push(&self, world: &World, repository: &str, app: &App) -> anyhow::Result<Pushed> {
        let archive = app.build(world)?;
        let source_sha = app.source_sha();
        self.push_archive(repository, app.version(), &source_sha, &archive)
    }

    /// Pushes an archive of Docker's to `repository` (without host), tagged with `version`.
    ///
    /// # Errors
    ///
    /// If the push fails.
    pub fn push_archive(
        &self,
        repository: &str,
        version: &str,
        source_sha: &str,
        archive: &Path,
    ) -> anyhow::Result<Pushed> {
        let digest_file = self.digests.join(version);
        let repository = format!("{}/{repository}", self.address);
        run_command(
            command("skopeo")
                .env("SSL_CERT_FILE", &self.ca)
                .args(["copy", "--quiet", "--insecure-policy", "--dest-authfile"])
                .arg(&self.authfile)
                .arg("--digestfile")
                .arg(&digest_file)
                .arg(format!("docker-archive:{}", archive.display()))
                .arg(format!("docker://{repository}:{version}")),
        )
        .with_context(|| format!("push {version} to {repository}"))?;
        Ok(Pushed {
            repository,
            digest: fs::read_to_string(digest_file)?.trim().to_owned(),
            source_sha: source_sha.to_owned(),
            version: version.to_owned(),
        })
    }

    /// All that it logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.printed()
    }
}

/// Docker's `config.json` with user and password for each `(host, user, password)`.
#[must_use]
pub fn docker_config(entries: &[(&str, &str, &str)]) -> String {
    let auths: serde_json::Map<_, _> = entries
        .iter()
        .map(|(host, user, password)| {
            let auth = BASE64_STANDARD.encode(format!("{user}:{password}"));
            ((*host).to_owned(), json!({ "auth": auth }))
        })
        .collect();
    json!({ "auths": auths }).to_string()
}

/// Whether `user` may pull with `password`.
pub(crate) fn is_known(user: &str, password: &str) -> bool {
    KNOWN.contains(&(user, password))
}

fn htpasswd_lines() -> anyhow::Result<String> {
    let mut lines = String::new();
    for (user, password) in KNOWN {
        // The lowest cost: every request of a pull is checked, and tests run on two cores.
        lines += &format!("{user}:{}\n", bcrypt::hash(password, 4)?);
    }
    Ok(lines)
}

/// The address in `… msg="listening on 10.251.7.1:40123, tls" …`.
fn listening_on(line: &str) -> Option<SocketAddr> {
    let rest = line.split_once("listening on ")?.1;
    rest.split([',', '"']).next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tricky_password_is_tricky() {
        let json = json!({"username": TRICKY_USER, "password": TRICKY_PASSWORD}).to_string();
        let encoded = BASE64_STANDARD.encode(json);
        assert!(encoded.contains(['+', '/']), "{encoded}");
    }

    #[test]
    fn the_address_stands_in_the_log() {
        let line = r#"time="x" level=info msg="listening on 10.251.7.1:40123, tls" go.version=x"#;
        assert_eq!(listening_on(line), "10.251.7.1:40123".parse().ok());
    }
}
