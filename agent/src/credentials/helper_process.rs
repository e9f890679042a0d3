//! Runs a credential helper by Docker's protocol: `docker-credential-NAME get`,
//! the registry on standard input, JSON or an error text on standard output.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::builtin::Vendor;
use super::{CredentialError, Secret};

/// Bytes that a helper may write on standard output.
const STDOUT_LIMIT: usize = 64 * 1024;
/// Docker's text for "there is none" (docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";
/// Docker's texts for a question that makes no sense.
const BAD_QUESTION: [&str; 2] = ["no credentials server URL", "no credentials username"];
/// User name that marks the secret as an identity token.
const TOKEN_USER: &str = "<token>";
/// What our own helpers begin their error texts with; such a text holds no secret.
pub(super) const OWN_ERROR: &str = "pinion: ";

/// Variables that every helper sees, by name.
const ENVIRONMENT: [&str; 17] = [
    "PATH",
    "HOME",
    "USER",
    "TMPDIR",
    "DOCKER_CONFIG",
    "PINION_SECRETS_DIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "XDG_RUNTIME_DIR",
];
/// Variables that one helper alone sees, by how they start: they hold its secrets.
const SECRETS: [(&str, &str); 3] = [
    ("AWS_", "ecr-login"),
    ("GHCR_", "pinion-ghcr"),
    ("FLY_", "pinion-fly"),
];

/// Finds and runs helpers.
pub struct HelperProcesses {
    own_executable: PathBuf,
    search: Vec<PathBuf>,
    environment: BTreeMap<String, OsString>,
}

/// Of the environment only the names: the values hold tokens.
impl std::fmt::Debug for HelperProcesses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HelperProcesses")
            .field("own_executable", &self.own_executable)
            .field("search", &self.search)
            .field("environment", &self.environment.keys())
            .finish()
    }
}

/// One question to one helper.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// The registry, for messages.
    pub host: &'a str,
    /// The helper's name, without `docker-credential-`.
    pub helper: &'a str,
    /// What it is asked for: the registry, or the binding's `helper_key`.
    pub key: &'a str,
    /// How long it may take.
    pub timeout: Duration,
    /// Keep it from answering from a cache of its own: the last answer was refused.
    pub fresh: bool,
}

impl HelperProcesses {
    /// Helpers in the absolute directories of `PATH` and the usual ones;
    /// `own_executable` speaks for `pinion-ghcr` and `pinion-fly`.
    #[must_use]
    pub fn new(own_executable: PathBuf, environment: &BTreeMap<String, OsString>) -> Self {
        let path = environment.get("PATH").cloned().unwrap_or_default();
        let mut search: Vec<PathBuf> = std::env::split_paths(&path)
            .filter(|dir| dir.is_absolute())
            .collect();
        for usual in ["/usr/local/bin", "/usr/bin", "/bin"] {
            if !search.iter().any(|dir| dir == Path::new(usual)) {
                search.push(usual.into());
            }
        }
        let of_use = |name: &str| {
            ENVIRONMENT.contains(&name) || SECRETS.iter().any(|(start, _)| name.starts_with(start))
        };
        let kept = environment.iter().filter(|(name, _)| of_use(name));
        Self {
            own_executable,
            search,
            environment: kept
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        }
    }

    /// Asks a helper.
    ///
    /// # Errors
    ///
    /// Every failure of it, typed; never with what it wrote.
    pub async fn get(&self, question: &Question<'_>) -> Result<Secret, CredentialError> {
        let mut command = self.command(question)?;
        command
            .env_clear()
            .envs(self.environment_of(question.helper))
            .current_dir("/")
            .process_group(0)
            .kill_on_drop(true);
        // Helpers have put passwords on standard error: it is not even read.
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if question.fresh {
            command.env("AWS_ECR_DISABLE_CACHE", "true");
        }
        let child = command
            .spawn()
            .map_err(|error| question.failed(format!("it could not be started: {error}")))?;
        let output = converse(child, question).await?;
        question.read(&output)
    }

    fn environment_of(&self, helper: &str) -> impl Iterator<Item = (&String, &OsString)> {
        self.environment
            .iter()
            .filter(move |(name, _)| is_passed(name, helper))
    }

    fn command(&self, question: &Question<'_>) -> Result<Command, CredentialError> {
        if let Some(vendor) = question
            .helper
            .strip_prefix("pinion-")
            .and_then(Vendor::named)
        {
            let mut command = Command::new(&self.own_executable);
            command.args(["credential-helper", vendor.name(), "get"]);
            return Ok(command);
        }
        let mut command = Command::new(self.find(question)?);
        command.arg("get");
        Ok(command)
    }

    fn find(&self, question: &Question<'_>) -> Result<PathBuf, CredentialError> {
        if !is_helper_name(question.helper) {
            return Err(CredentialError::Misconfigured {
                host: question.host.to_owned(),
                why:
                    "a helper's name is made of letters, digits, '-', '_' and '.'; it is not a path"
                        .into(),
            });
        }
        let file = format!("docker-credential-{}", question.helper);
        self.search
            .iter()
            .map(|dir| dir.join(&file))
            .find(|path| path.is_file())
            .ok_or_else(|| CredentialError::HelperMissing {
                host: question.host.to_owned(),
                helper: question.helper.to_owned(),
                searched: self.search.clone(),
            })
    }
}

/// Whether `name` can stand behind `docker-credential-` in a file name.
#[must_use]
pub fn is_helper_name(name: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 64 && name.bytes().all(inside)
}

fn is_passed(name: &str, helper: &str) -> bool {
    let owner = SECRETS.iter().find(|(start, _)| name.starts_with(start));
    owner.is_none_or(|(_, owner)| *owner == helper)
}

struct Output {
    status: ExitStatus,
    stdout: Zeroizing<Vec<u8>>,
}

/// Kills all that a helper has started, unless it has ended by itself.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // An error means that the group is gone already.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn converse(mut child: Child, question: &Question<'_>) -> Result<Output, CredentialError> {
    // The group's number is the leader's, which is not reaped before `wait`
    // below: until then no other process can have it.
    let mut group = Group(
        child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw),
    );
    let talked = tokio::time::timeout(question.timeout, talk(&mut child, question.key)).await;
    let (stdout, status) = match talked {
        Ok(Ok(talked)) => talked,
        Ok(Err(error)) => {
            end(&mut group, &mut child).await;
            return Err(question.failed(format!("the conversation broke: {error}")));
        }
        Err(_) => {
            end(&mut group, &mut child).await;
            return Err(CredentialError::Timeout {
                host: question.host.to_owned(),
                helper: question.helper.to_owned(),
                after: question.timeout,
            });
        }
    };
    let Some(status) = status else {
        end(&mut group, &mut child).await;
        return Err(question.malformed(&format!("it wrote more than {} KiB", STDOUT_LIMIT / 1024)));
    };
    group.0 = None;
    Ok(Output { status, stdout })
}

async fn end(group: &mut Group, child: &mut Child) {
    drop(std::mem::replace(group, Group(None)));
    if let Err(error) = child.wait().await {
        tracing::debug!(%error, "a killed credential helper could not be reaped");
    }
}

type Talked = (Zeroizing<Vec<u8>>, Option<ExitStatus>);

/// No exit status means that it wrote too much and still runs.
async fn talk(child: &mut Child, key: &str) -> std::io::Result<Talked> {
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let ask = async {
        if let Some(mut stdin) = stdin {
            // A helper that answers without reading the question closes the pipe.
            let _ = stdin.write_all(key.as_bytes()).await;
            let _ = stdin.shutdown().await;
        }
    };
    let ((), stdout) = tokio::join!(ask, read_capped(stdout));
    let stdout = stdout?;
    let status = if stdout.len() > STDOUT_LIMIT {
        None
    } else {
        Some(child.wait().await?)
    };
    Ok((stdout, status))
}

/// Reads at most one byte more than the limit, in a buffer that never moves:
/// no copy is left behind.
async fn read_capped(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(vec![0; STDOUT_LIMIT + 1]);
    let mut filled = 0;
    if let Some(mut from) = from {
        while filled < buffer.len() {
            match from.read(&mut buffer[filled..]).await? {
                0 => break,
                read => filled += read,
            }
        }
    }
    buffer.truncate(filled);
    Ok(buffer)
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username")]
    username: String,
    #[serde(rename = "Secret")]
    secret: String,
}

impl Question<'_> {
    fn read(&self, output: &Output) -> Result<Secret, CredentialError> {
        if !output.status.success() {
            return Err(self.refused(output));
        }
        let answer: Answer = serde_json::from_slice(&output.stdout)
            .map_err(|_| self.malformed("it is no JSON with Username and Secret"))?;
        let (username, secret) = (answer.username, SecretString::from(answer.secret));
        Ok(match username.as_str() {
            TOKEN_USER => Secret::IdentityToken(secret),
            _ => Secret::Password {
                username,
                password: secret,
            },
        })
    }

    fn refused(&self, output: &Output) -> CredentialError {
        let said = String::from_utf8_lossy(&output.stdout);
        let said = Zeroizing::new(said.trim().to_owned());
        if *said == NOT_FOUND {
            return CredentialError::NotFound {
                host: self.host.to_owned(),
                hint: self.hint(),
            };
        }
        if BAD_QUESTION.contains(&said.as_str()) {
            return CredentialError::Misconfigured {
                host: self.host.to_owned(),
                why: format!(
                    "docker-credential-{} does not know what {:?} means; set `helper_key` in agent.toml",
                    self.helper, self.key
                ),
            };
        }
        if self.helper.starts_with("pinion-")
            && let Some(own) = said.strip_prefix(OWN_ERROR)
        {
            return self.failed(own.to_owned());
        }
        self.failed(format!(
            "{}; run `echo {} | docker-credential-{} get` on this machine to see its own words",
            output.status, self.key, self.helper
        ))
    }

    fn hint(&self) -> String {
        match self.helper.strip_prefix("pinion-").and_then(Vendor::named) {
            Some(vendor) => vendor.hint().to_owned(),
            None if self.helper == "ecr-login" => "docker-credential-ecr-login says this for every failure: \
                 look at ~/.ecr/log, at this machine's AWS role and at the region in the host's name"
                .to_owned(),
            None => format!("docker-credential-{} has none; log in with it, or bind another helper in agent.toml", self.helper),
        }
    }

    fn failed(&self, why: String) -> CredentialError {
        CredentialError::HelperFailed {
            host: self.host.to_owned(),
            helper: self.helper.to_owned(),
            why,
        }
    }

    fn malformed(&self, why: &str) -> CredentialError {
        CredentialError::Malformed {
            host: self.host.to_owned(),
            origin: format!("the answer of docker-credential-{}", self.helper),
            why: why.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_to_its_own_helper_and_to_nobody_else() {
        let names = ["AWS_SECRET_ACCESS_KEY", "FLY_API_TOKEN", "GHCR_TOKEN"];
        let mut environment = BTreeMap::from([("HOME".to_owned(), "/root".into())]);
        environment.extend(names.map(|name| (name.to_owned(), "c4n4ry".into())));
        environment.insert("OTHER_TOKEN".to_owned(), "c4n4ry".into());
        let helpers = HelperProcesses::new("pinion-agent".into(), &environment);
        for (helper, sees) in [
            ("ecr-login", &["AWS_SECRET_ACCESS_KEY", "HOME"][..]),
            ("pinion-fly", &["FLY_API_TOKEN", "HOME"]),
            ("pinion-ghcr", &["GHCR_TOKEN", "HOME"]),
            ("pass", &["HOME"]),
        ] {
            let seen: Vec<&String> = helpers
                .environment_of(helper)
                .map(|(name, _)| name)
                .collect();
            assert_eq!(seen, sees, "{helper}");
        }
        assert!(!format!("{helpers:?}").contains("c4n4ry"));
    }
}
