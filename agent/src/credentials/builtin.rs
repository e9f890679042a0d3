//! `pinion-agent credential-helper ghcr|fly`: credential helpers for vendors
//! that ship none, by Docker's own protocol, also under the names
//! `docker-credential-pinion-ghcr` and `docker-credential-pinion-fly`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::helper_process::OWN_ERROR;

/// Where secrets are looked for when no variable names a file.
const SECRETS_DIR: &str = "/etc/pinion/secrets";
/// Bytes of a registry's name on standard input.
const QUESTION_LIMIT: u64 = 4 * 1024;

/// A vendor whose tokens we hand to Docker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Vendor {
    /// GitHub's registry: `GHCR_USER` and `GHCR_TOKEN`.
    Ghcr,
    /// Fly's registry: `FLY_API_TOKEN`; the user is always `x`.
    Fly,
}

/// What Docker asks of a helper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Action {
    /// Print the credential for the registry on standard input.
    Get,
    /// Refused: these helpers only read.
    Store,
    /// Refused: these helpers only read.
    Erase,
    /// Nothing is stored, so nothing is listed.
    List,
}

/// Why a helper has no answer. Shown as it is: Docker reads standard output.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuiltinError {
    /// Docker's own text, which Docker looks for.
    #[error("credentials not found in native keychain")]
    NotFound,
    /// Docker's own text, which Docker looks for.
    #[error("no credentials server URL")]
    NoServer,
    /// A secret's file that is there and cannot be used.
    #[error("{OWN_ERROR}cannot read the secret in {path}: {why}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Half of what is needed is set.
    #[error("{OWN_ERROR}{0}")]
    Incomplete(&'static str),
    /// Store or erase.
    #[error("{OWN_ERROR}this helper only reads; {0}")]
    ReadOnly(&'static str),
}

impl Vendor {
    /// The vendor that is called so on the command line.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Ghcr, Self::Fly]
            .into_iter()
            .find(|vendor| vendor.name() == name)
    }

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ghcr => "ghcr",
            Self::Fly => "fly",
        }
    }

    /// The vendor if the program was called as `docker-credential-pinion-…`.
    #[must_use]
    pub fn from_program(program: &Path) -> Option<Self> {
        Self::named(
            program
                .file_name()?
                .to_str()?
                .strip_prefix("docker-credential-pinion-")?,
        )
    }

    /// What to set, for messages.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Ghcr => {
                "set GHCR_USER, and GHCR_TOKEN or GHCR_TOKEN_FILE, in the agent's environment, or write the \
                 token to /etc/pinion/secrets/ghcr-token and the user to /etc/pinion/secrets/ghcr-user"
            }
            Self::Fly => {
                "set FLY_API_TOKEN or FLY_API_TOKEN_FILE in the agent's environment, or write the token to \
                 /etc/pinion/secrets/fly-api-token"
            }
        }
    }

    /// Docker's JSON with the credential for `server`.
    ///
    /// # Errors
    ///
    /// If nothing is set, or something that is set cannot be used.
    pub fn get(
        self,
        server: &str,
        environment: &BTreeMap<String, OsString>,
    ) -> Result<Zeroizing<String>, BuiltinError> {
        if server.trim().is_empty() {
            return Err(BuiltinError::NoServer);
        }
        let secrets = Secrets { environment };
        let (username, secret) = match self {
            Self::Ghcr => ghcr(&secrets)?,
            Self::Fly => fly(&secrets)?,
        };
        let json = |text: &str| Zeroizing::new(serde_json::Value::from(text).to_string());
        Ok(Zeroizing::new(format!(
            "{{\"ServerURL\":{},\"Username\":{},\"Secret\":{}}}",
            *json(server.trim()),
            *json(&username),
            *json(&secret)
        )))
    }
}

type UserAndSecret = (String, Zeroizing<String>);

fn ghcr(secrets: &Secrets<'_>) -> Result<UserAndSecret, BuiltinError> {
    let user = secrets.find("GHCR_USER", "ghcr-user")?;
    let token = secrets.find("GHCR_TOKEN", "ghcr-token")?;
    match (user, token) {
        (Some(user), Some(token)) => Ok((user.to_string(), token)),
        (None, None) => Err(BuiltinError::NotFound),
        (None, Some(_)) => Err(BuiltinError::Incomplete(
            "a token for GHCR is set, but GHCR_USER is not",
        )),
        (Some(_), None) => Err(BuiltinError::Incomplete(
            "GHCR_USER is set, but no GHCR_TOKEN or GHCR_TOKEN_FILE",
        )),
    }
}

fn fly(secrets: &Secrets<'_>) -> Result<UserAndSecret, BuiltinError> {
    let token = secrets
        .find("FLY_API_TOKEN", "fly-api-token")?
        .ok_or(BuiltinError::NotFound)?;
    let mut bare = Zeroizing::new(String::with_capacity(token.len()));
    for macaroon in token
        .split(',')
        .map(without_scheme)
        .filter(|macaroon| !macaroon.is_empty())
    {
        if !bare.is_empty() {
            bare.push(',');
        }
        bare.push_str(macaroon);
    }
    match bare.is_empty() {
        true => Err(BuiltinError::Incomplete(
            "the Fly token is empty but for its scheme",
        )),
        false => Ok(("x".to_owned(), bare)),
    }
}

/// The registry takes the bare token; flyctl prints it with a scheme.
fn without_scheme(macaroon: &str) -> &str {
    let macaroon = macaroon.trim();
    let bare = ["FlyV1 ", "Bearer "]
        .iter()
        .find_map(|scheme| macaroon.strip_prefix(scheme));
    bare.unwrap_or(macaroon).trim()
}

/// Variables, files that variables name, and files in the secrets' directory.
struct Secrets<'a> {
    environment: &'a BTreeMap<String, OsString>,
}

impl Secrets<'_> {
    /// `variable`, else the file that `variable_FILE` names, else `file` among
    /// the secrets. Empty is not set.
    fn find(&self, variable: &str, file: &str) -> Result<Option<Zeroizing<String>>, BuiltinError> {
        if let Some(value) = self
            .environment
            .get(variable)
            .and_then(|value| value.to_str())
        {
            let value = Zeroizing::new(value.trim().to_owned());
            if !value.is_empty() {
                return Ok(Some(value));
            }
        }
        let named = self
            .environment
            .get(&format!("{variable}_FILE"))
            .filter(|path| !path.is_empty());
        if let Some(path) = named {
            return read(Path::new(path)).map(Some);
        }
        let dir = self
            .environment
            .get("PINION_SECRETS_DIR")
            .map_or(Path::new(SECRETS_DIR), Path::new);
        let path = dir.join(file);
        match path.try_exists() {
            Ok(false) => Ok(None),
            Ok(true) => read(&path).map(Some),
            Err(error) => Err(BuiltinError::Unreadable {
                path,
                why: error.to_string(),
            }),
        }
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, BuiltinError> {
    let unreadable = |why: String| BuiltinError::Unreadable {
        path: path.to_owned(),
        why,
    };
    let text = Zeroizing::new(
        std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?,
    );
    match text.trim() {
        "" => Err(unreadable("it is empty".into())),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}

/// Speaks the protocol on standard input and output; true if it answered.
#[must_use]
pub fn speak(vendor: Vendor, action: Action, environment: &BTreeMap<String, OsString>) -> bool {
    let mut server = String::new();
    let reads_question = action != Action::List;
    if reads_question
        && std::io::stdin()
            .take(QUESTION_LIMIT)
            .read_to_string(&mut server)
            .is_err()
    {
        server.clear();
    }
    let answer = match action {
        Action::Get => vendor.get(&server, environment),
        Action::List => Ok(Zeroizing::new("{}".to_owned())),
        Action::Store | Action::Erase => Err(BuiltinError::ReadOnly(vendor.hint())),
    };
    use std::io::Write as _;
    let mut stdout = std::io::stdout().lock();
    // A reader that is gone has no use for the answer.
    match &answer {
        Ok(json) => drop(writeln!(stdout, "{}", **json)),
        Err(error) => drop(writeln!(stdout, "{error}")),
    }
    answer.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(vendor: Vendor, variables: &[(&str, &str)]) -> Result<serde_json::Value, BuiltinError> {
        let mut environment: BTreeMap<String, OsString> = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect();
        environment
            .entry("PINION_SECRETS_DIR".into())
            .or_insert("/nonexistent".into());
        let json = vendor.get("registry.example:5000\n", &environment)?;
        Ok(serde_json::from_str(&json).expect("the answer is JSON"))
    }

    #[test]
    fn fly_takes_the_bare_token_and_the_user_x() {
        for (given, bare) in [
            ("fm2_abc", "fm2_abc"),
            ("FlyV1 fm2_abc", "fm2_abc"),
            ("Bearer fm2_abc\n", "fm2_abc"),
            ("FlyV1 fm2_a, FlyV1 fm2_b,", "fm2_a,fm2_b"),
        ] {
            let answer = ask(Vendor::Fly, &[("FLY_API_TOKEN", given)]).expect(given);
            assert_eq!(answer["Username"], "x");
            assert_eq!(answer["Secret"], bare, "{given}");
            assert_eq!(answer["ServerURL"], "registry.example:5000");
        }
    }

    #[test]
    fn ghcr_needs_both_the_user_and_the_token() {
        let both = ask(
            Vendor::Ghcr,
            &[("GHCR_USER", "ci"), ("GHCR_TOKEN", "ghp_\"1")],
        )
        .expect("both");
        assert_eq!(
            (&both["Username"], &both["Secret"]),
            (&"ci".into(), &"ghp_\"1".into())
        );
        assert_eq!(ask(Vendor::Ghcr, &[]), Err(BuiltinError::NotFound));
        for half in ["GHCR_USER", "GHCR_TOKEN"] {
            assert!(
                matches!(
                    ask(Vendor::Ghcr, &[(half, "a")]),
                    Err(BuiltinError::Incomplete(_))
                ),
                "{half}"
            );
        }
    }

    #[test]
    fn a_file_is_read_when_no_variable_is_set_and_never_skipped_when_it_is_bad() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("fly-api-token");
        std::fs::write(&path, "FlyV1 from-file\n").expect("write");
        let dir_text = dir.path().to_str().expect("utf-8");
        let answer = ask(Vendor::Fly, &[("PINION_SECRETS_DIR", dir_text)]).expect("file");
        assert_eq!(answer["Secret"], "from-file");
        let missing = ask(Vendor::Fly, &[("FLY_API_TOKEN_FILE", "/nonexistent/token")]);
        assert!(matches!(missing, Err(BuiltinError::Unreadable { .. })));
        std::fs::write(&path, "\n").expect("write");
        let empty = ask(Vendor::Fly, &[("PINION_SECRETS_DIR", dir_text)]);
        assert!(matches!(empty, Err(BuiltinError::Unreadable { .. })));
    }

    #[test]
    fn the_programs_name_chooses_the_vendor() {
        let from = |name: &str| Vendor::from_program(Path::new(name));
        assert_eq!(
            from("/usr/bin/docker-credential-pinion-fly"),
            Some(Vendor::Fly)
        );
        assert_eq!(from("docker-credential-pinion-ghcr"), Some(Vendor::Ghcr));
        assert_eq!(from("/usr/bin/pinion-agent"), None);
        assert_eq!(from("docker-credential-pinion-ecr"), None);
    }
}
