//! Getting an identity: a one-time token for a certificate.

use std::path::{Path, PathBuf};

use pinion_model::{AgentId, ParseError};
use pinion_proto::token::EnrollmentToken;
use pinion_proto::v1::enrollment_service_client::EnrollmentServiceClient;
use pinion_proto::v1::{EnrollRequest, EnrollResponse};
use rustls_pki_types::CertificateDer;
use tonic::Code;
use zeroize::Zeroizing;

use crate::config::{CONFIG_FILE, Config, ConfigError};
use crate::identity::{Identity, IdentityDir, IdentityError, signing_request};
use crate::policy::Policy;
use crate::tls::{self, ConnectError};
use crate::{disk, lock, machine};

/// What a person asked for.
#[derive(Debug)]
pub struct Enrollment {
    /// The token.
    pub token: EnrollmentToken,
    /// Where everything of the agent's is kept.
    pub state_dir: PathBuf,
    /// What may run here.
    pub policy: Policy,
    /// The name that is wanted; the token's own wins.
    pub name: Option<AgentId>,
    /// A configuration of a person's own: none is written then.
    pub config: Option<PathBuf>,
    /// Take the place of the identity that is there.
    pub force: bool,
}

/// What enrolling did.
#[derive(Debug)]
pub struct Enrolled {
    /// The machine's name from now on.
    pub agent: AgentId,
    /// Lines for the person: what was written, what is left to do.
    pub notes: Vec<String>,
}

/// Why a machine was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// It was before.
    #[error("this machine is enrolled already as {0}; --force takes a new identity in its place")]
    AlreadyEnrolled(String),
    /// It would go on as who it was.
    #[error(
        "an agent runs with {0}: stop it (`systemctl stop pinion-agent`), enrol, and start it again"
    )]
    Running(PathBuf),
    /// The configuration is of no use.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The key or the identity could not be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The coordinator said no.
    #[error("the coordinator at {address} refused: {message}. {next}")]
    Refused {
        /// `host:port`.
        address: String,
        /// Its words.
        message: String,
        /// What to do.
        next: &'static str,
    },
    /// No address of the token led to it.
    #[error("no address of the token leads to the coordinator:{}", lines(.0))]
    Unreachable(Vec<String>),
    /// An answer that makes no sense.
    #[error("the coordinator answered something that is of no use: {0}")]
    Answer(String),
    /// The state directory cannot be used.
    #[error("cannot write {path}")]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn lines(tried: &[String]) -> String {
    tried.iter().map(|line| format!("\n  {line}")).collect()
}

/// Enrols this machine. Asking again after a lost answer uses the same key,
/// for which the token still counts.
///
/// # Errors
///
/// See [`EnrollError`]; the machine is then as it was, but for a kept key.
pub async fn enroll(enrollment: &Enrollment) -> Result<Enrolled, EnrollError> {
    let kept = IdentityDir::below(&enrollment.state_dir);
    if kept.is_enrolled() && !enrollment.force {
        let name = kept.load().map_or_else(
            |_| "somebody".to_owned(),
            |identity| identity.agent.to_string(),
        );
        return Err(EnrollError::AlreadyEnrolled(name));
    }
    if let Some(path) = &enrollment.config {
        Config::read(path)?;
    }
    let dir = &enrollment.state_dir;
    let lock = lock::take(dir).map_err(|source| EnrollError::Write {
        path: dir.clone(),
        source,
    })?;
    let _lock = lock.ok_or_else(|| EnrollError::Running(dir.clone()))?;
    let key = kept.pending_key()?;
    let request = EnrollRequest {
        token_secret: enrollment.token.secret.clone(),
        csr: signing_request(&key),
        name: wanted_name(enrollment.name.as_ref()),
    };
    let answer = ask(&enrollment.token, request).await?;
    let identity = read_answer(
        answer,
        &enrollment.token,
        Zeroizing::new(key.serialize_pem()),
    )?;
    let notes = write_config(enrollment)?;
    kept.save(&identity)?;
    Ok(Enrolled {
        agent: identity.agent,
        notes,
    })
}

/// The given name, else the machine's as far as it can be one.
fn wanted_name(name: Option<&AgentId>) -> String {
    match name {
        Some(name) => name.to_string(),
        None => as_name(&machine::host_name())
            .map(|name| name.to_string())
            .unwrap_or_default(),
    }
}

fn as_name(host: &str) -> Result<AgentId, ParseError> {
    let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-');
    let name: String = host
        .to_ascii_lowercase()
        .chars()
        .map(|c| if allowed(c) { c } else { '-' })
        .take(63)
        .collect();
    name.trim_matches(|c: char| !c.is_ascii_alphanumeric())
        .parse()
}

/// Asks at each address until one answers; a refusal is an answer.
async fn ask(
    token: &EnrollmentToken,
    request: EnrollRequest,
) -> Result<EnrollResponse, EnrollError> {
    let mut tried = Vec::new();
    for address in &token.addresses {
        match ask_at(address, token, request.clone()).await {
            Ok(answer) => return Ok(answer),
            Err(Asked::Refused(error)) => return Err(error),
            Err(Asked::Unreached(why)) => tried.push(why),
        }
    }
    Err(EnrollError::Unreachable(tried))
}

enum Asked {
    Refused(EnrollError),
    Unreached(String),
}

impl From<ConnectError> for Asked {
    fn from(error: ConnectError) -> Self {
        Self::Unreached(tls::chain(&error))
    }
}

async fn ask_at(
    address: &str,
    token: &EnrollmentToken,
    request: EnrollRequest,
) -> Result<EnrollResponse, Asked> {
    let channel = tls::connect(address, tls::pinned_config(&token.ca_sha256)).await?;
    let mut client = EnrollmentServiceClient::new(channel);
    let answer = tls::answer(client.enroll(request)).await;
    answer.map_err(|status| refusal(address, &status))
}

fn refusal(address: &str, status: &tonic::Status) -> Asked {
    let next = match status.code() {
        Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded | Code::Unknown => {
            return Asked::Unreached(format!("{address}: {}", tls::chain(status)));
        }
        Code::AlreadyExists => "Ask for another name with --name",
        Code::Unauthenticated | Code::PermissionDenied => {
            "Make a new token with `pinion token create`"
        }
        Code::ResourceExhausted => "Wait a little and try again",
        _ => "Look at the coordinator's log",
    };
    Asked::Refused(EnrollError::Refused {
        address: address.to_owned(),
        message: status.message().to_owned(),
        next,
    })
}

fn read_answer(
    answer: EnrollResponse,
    token: &EnrollmentToken,
    key_pem: Zeroizing<String>,
) -> Result<Identity, EnrollError> {
    let agent = answer
        .agent
        .parse()
        .map_err(|error: ParseError| EnrollError::Answer(error.to_string()))?;
    if answer.authorities.is_empty() {
        return Err(EnrollError::Answer("it names no authority to trust".into()));
    }
    let authorities = answer
        .authorities
        .into_iter()
        .map(CertificateDer::from)
        .collect();
    let certificate = CertificateDer::from(answer.certificate);
    let identity = Identity::new(
        agent,
        answer.trust_domain,
        token.addresses.clone(),
        key_pem,
        certificate,
        authorities,
    )?;
    // A key and a certificate that do not fit are found now, not at the first session.
    tls::session_config(&identity).map_err(|error| EnrollError::Answer(tls::chain(&error)))?;
    Ok(identity)
}

/// The machine's own configuration, if the agent would read it: one in the
/// state directory goes before it, so none must be written there.
#[must_use]
pub fn machines_own(state_dir: &Path, path: &Path) -> Option<PathBuf> {
    let counts = path.exists() && !state_dir.join(CONFIG_FILE).exists();
    counts.then(|| path.to_owned())
}

/// Writes the policy where no configuration of a person's stands; no policy
/// never takes the place of one.
fn write_config(enrollment: &Enrollment) -> Result<Vec<String>, EnrollError> {
    let path = enrollment
        .config
        .clone()
        .unwrap_or_else(|| enrollment.state_dir.join(CONFIG_FILE));
    let current = match std::fs::read_to_string(&path) {
        Ok(text) => Some((Config::parse(&path, &text)?, text)),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => None,
        Err(source) => return Err(ConfigError::Read { path, source }.into()),
    };
    let wanted = &enrollment.policy;
    let (mut notes, policy) = match &current {
        Some((config, text))
            if enrollment.config.is_some()
                || wanted.prefixes().is_empty()
                || !config.is_as_written(text) =>
        {
            (lines_to_add(&path, &config.policy, wanted), &config.policy)
        }
        _ => {
            let text = Config::text_for(wanted);
            disk::replace(&path, text.as_bytes()).map_err(|source| EnrollError::Write {
                path: path.clone(),
                source,
            })?;
            (vec![format!("wrote {}", path.display())], wanted)
        }
    };
    if policy.prefixes().is_empty() {
        notes.push(format!(
            "nothing may run here yet: add repositories to `allow` under [policy] in {}",
            path.display()
        ));
    }
    Ok(notes)
}

fn lines_to_add(path: &Path, current: &Policy, wanted: &Policy) -> Vec<String> {
    let missing: Vec<String> = wanted
        .prefixes()
        .iter()
        .filter(|prefix| !current.prefixes().contains(prefix))
        .map(|prefix| format!("{:?}", prefix.as_str()))
        .collect();
    match missing.is_empty() {
        true => vec![format!("{} was left as it is", path.display())],
        false => vec![format!(
            "{} was left as it is; to allow what you asked for, add {} to `allow` under [policy]",
            path.display(),
            missing.join(", ")
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_becomes_a_name_as_far_as_it_can() {
        for (host, name) in [
            ("IP-10-0-0-1.ec2.internal", "ip-10-0-0-1.ec2.internal"),
            ("my host!", "my-host"),
            ("-a_", "a"),
        ] {
            assert_eq!(as_name(host).expect(host).as_str(), name);
        }
        assert!(as_name("---").is_err());
    }

    #[test]
    fn the_machines_own_configuration_counts_unless_the_state_directory_has_one() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("etc.toml");
        assert_eq!(machines_own(dir.path(), &path), None);
        std::fs::write(&path, "").expect("written");
        assert_eq!(machines_own(dir.path(), &path), Some(path.clone()));
        std::fs::write(dir.path().join(CONFIG_FILE), "").expect("written");
        assert_eq!(machines_own(dir.path(), &path), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_coordinator_that_never_answers_was_not_reached() {
        let never = std::future::pending::<Result<tonic::Response<()>, tonic::Status>>();
        let status = tls::answer(never).await.expect_err("time is up");
        let Asked::Unreached(why) = refusal("c:7443", &status) else {
            panic!("the next address is asked");
        };
        assert!(why.contains("no answer within 30 s"), "{why}");
    }
}
