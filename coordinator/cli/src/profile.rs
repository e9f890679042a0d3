//! The profile file, `~/.config/pinion/config.toml`: coordinators by name, so
//! that nobody types three paths each time.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml_edit::{DocumentMut, Item, Table, value};

/// The file's content.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profiles {
    /// Name of the profile that is taken when none is named.
    pub(crate) default: Option<String>,
    /// By name.
    #[serde(default)]
    pub(crate) profile: BTreeMap<String, Profile>,
}

/// How to reach one coordinator, and as whom.
#[derive(Debug, Clone, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// `https://host:port` of its operators' listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// Authority to trust, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ca: Option<PathBuf>,
    /// Operator's certificate, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cert: Option<PathBuf>,
    /// Its key, PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<PathBuf>,
    /// A file with an API token, instead of certificate and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

/// Why the profile file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    /// Neither `XDG_CONFIG_HOME` nor `HOME` is set.
    #[error("the profile file has no place: set HOME, or XDG_CONFIG_HOME")]
    NoHome,
    /// Could not be read.
    #[error("read {path}")]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Is no TOML, or has a key that no profile has.
    #[error("{path} is not a profile file")]
    Parse {
        /// Path of the file.
        path: PathBuf,
        /// Where, and what is allowed.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Cannot be changed as text.
    #[error("change {path}")]
    Edit {
        /// Path of the file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<toml_edit::TomlError>,
    },
    /// Could not be written.
    #[error("write {path}")]
    Write {
        /// Path of the file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No profile of that name.
    #[error("there is no profile {name:?} in {path}; {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// Path of the file.
        path: PathBuf,
        /// Which there are.
        known: String,
    },
    /// A certificate and a token, or half of a certificate.
    #[error("profile {name:?} of {path} has {what}")]
    Contradiction {
        /// Name of the profile.
        name: String,
        /// Path of the file.
        path: PathBuf,
        /// What contradicts itself.
        what: &'static str,
    },
}

impl Profile {
    /// What contradicts itself, in words.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        match (&self.cert, &self.key, &self.token_file) {
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
                Some("a certificate and a token: keep cert and key, or token_file")
            }
            (Some(_), None, None) => Some("cert without key"),
            (None, Some(_), None) => Some("key without cert"),
            _ => None,
        }
    }

    /// The same with what `newer` gives; a new credential takes the place of the old.
    pub(crate) fn with(&self, newer: &Self) -> Self {
        let mut merged = self.clone();
        if newer.token_file.is_some() {
            (merged.cert, merged.key) = (None, None);
        }
        if newer.cert.is_some() || newer.key.is_some() {
            merged.token_file = None;
        }
        merged.endpoint = newer.endpoint.clone().or(merged.endpoint);
        merged.ca = newer.ca.clone().or(merged.ca);
        merged.cert = newer.cert.clone().or(merged.cert);
        merged.key = newer.key.clone().or(merged.key);
        merged.token_file = newer.token_file.clone().or(merged.token_file);
        merged
    }

    fn fields(&self) -> [(&'static str, Option<String>); 5] {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|p| p.display().to_string());
        [
            ("endpoint", self.endpoint.clone()),
            ("ca", path(&self.ca)),
            ("cert", path(&self.cert)),
            ("key", path(&self.key)),
            ("token_file", path(&self.token_file)),
        ]
    }
}

/// Where the profile file is, by the environment.
///
/// # Errors
///
/// If there is no home directory.
pub(crate) fn path() -> Result<PathBuf, ProfileError> {
    let set = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")));
    Ok(config
        .ok_or(ProfileError::NoHome)?
        .join("pinion")
        .join("config.toml"))
}

impl Profiles {
    /// Reads the file at `path`; one that is not there has no profiles.
    ///
    /// # Errors
    ///
    /// If it cannot be read, has an unknown key, or contradicts itself.
    pub(crate) fn read(path: &Path) -> Result<Self, ProfileError> {
        let profiles: Self =
            toml::from_str(&read_text(path)?).map_err(|source| ProfileError::Parse {
                path: path.into(),
                source: Box::new(source),
            })?;
        for (name, profile) in &profiles.profile {
            if let Some(what) = profile.contradiction() {
                return Err(ProfileError::Contradiction {
                    name: name.clone(),
                    path: path.into(),
                    what,
                });
            }
        }
        Ok(profiles)
    }

    /// The profile called `wanted`, else the default one, with its name; `None`
    /// if neither is said.
    ///
    /// # Errors
    ///
    /// If there is no profile of that name.
    pub(crate) fn pick(
        &self,
        wanted: Option<&str>,
        path: &Path,
    ) -> Result<Option<(&str, &Profile)>, ProfileError> {
        let Some(name) = wanted.or(self.default.as_deref()) else {
            return Ok(None);
        };
        match self.profile.get_key_value(name) {
            Some((name, profile)) => Ok(Some((name, profile))),
            None => Err(ProfileError::Unknown {
                name: name.to_owned(),
                path: path.into(),
                known: self.known(),
            }),
        }
    }

    fn known(&self) -> String {
        let names: Vec<_> = self.profile.keys().map(String::as_str).collect();
        match names.as_slice() {
            [] => "make one with `pinion profile set NAME --endpoint URL --ca FILE --cert FILE --key FILE`".into(),
            names => format!("it has {}", names.join(", ")),
        }
    }
}

/// Writes `profile` under `name`, and makes it the default if `default` says
/// so; comments and other profiles stay as they are.
///
/// # Errors
///
/// If the file cannot be read, understood or written.
pub(crate) fn save(
    path: &Path,
    name: &str,
    profile: Option<&Profile>,
    default: bool,
) -> Result<(), ProfileError> {
    let mut document: DocumentMut =
        read_text(path)?
            .parse()
            .map_err(|source| ProfileError::Edit {
                path: path.into(),
                source: Box::new(source),
            })?;
    if default {
        document["default"] = value(name);
    }
    if let Some(profile) = profile {
        let all = document.entry("profile").or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        });
        if all.get(name).is_none() {
            all[name] = Item::Table(Table::new());
        }
        for (key, text) in profile.fields() {
            match text {
                Some(text) => all[name][key] = value(text),
                None => {
                    if let Some(table) = all[name].as_table_like_mut() {
                        table.remove(key);
                    }
                }
            }
        }
    }
    write_text(path, &document.to_string())
}

fn read_text(path: &Path) -> Result<String, ProfileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(ProfileError::Read {
            path: path.into(),
            source,
        }),
    }
}

/// Replaces the file in one step: a crash leaves the old one or the new one.
fn write_text(path: &Path, text: &str) -> Result<(), ProfileError> {
    let write = || {
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let next = path.with_extension("toml.next");
        std::fs::write(&next, text)?;
        std::fs::rename(&next, path)
    };
    write().map_err(|source| ProfileError::Write {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("pinion/config.toml");
        write_text(&path, text).expect("written");
        (directory, path)
    }

    fn by_token() -> Profile {
        Profile {
            endpoint: Some("https://b:7444".into()),
            token_file: Some("/t".into()),
            ..Profile::default()
        }
    }

    #[test]
    fn a_key_that_no_profile_has_is_refused_with_those_it_has() {
        let (_directory, path) = file("[profile.prod]\nendpiont = \"https://a:7444\"\n");
        let error = crate::error::chain(&Profiles::read(&path).expect_err("refused"));
        for part in ["config.toml", "endpiont", "endpoint", "token_file"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
        let (_directory, path) = file("defualt = \"prod\"\n");
        assert!(Profiles::read(&path).is_err());
    }

    #[test]
    fn a_certificate_and_a_token_in_one_profile_are_refused() {
        for text in [
            "cert = \"a\"\ntoken_file = \"t\"",
            "cert = \"a\"",
            "key = \"a\"",
        ] {
            let (_directory, path) = file(&format!("[profile.prod]\n{text}\n"));
            let error = Profiles::read(&path).expect_err(text).to_string();
            assert!(error.contains("\"prod\""), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_has_no_profiles() {
        let read = Profiles::read(Path::new("/nowhere/config.toml")).expect("empty");
        assert_eq!(read, Profiles::default());
        assert!(matches!(read.pick(None, Path::new("x")), Ok(None)));
    }

    #[test]
    fn the_named_profile_wins_over_the_default_and_must_be_there() {
        let (_directory, path) =
            file("default = \"a\"\n[profile.a]\nca = \"a\"\n[profile.b]\nca = \"b\"\n");
        let profiles = Profiles::read(&path).expect("valid");
        let name = |wanted| {
            profiles
                .pick(wanted, &path)
                .map(|found| found.map(|(name, _)| name))
        };
        assert_eq!(name(None).expect("default"), Some("a"));
        assert_eq!(name(Some("b")).expect("named"), Some("b"));
        let error = name(Some("c")).expect_err("unknown").to_string();
        assert!(error.contains("it has a, b"), "{error}");
    }

    #[test]
    fn saving_one_profile_keeps_comments_and_the_others() {
        let (_directory, path) = file("# ours\ndefault = \"a\"\n\n[profile.a]\nca = \"a\" # old\n");
        save(&path, "b", Some(&by_token()), false).expect("saved");
        let text = std::fs::read_to_string(&path).expect("there");
        assert!(text.contains("# ours") && text.contains("# old"), "{text}");
        let profiles = Profiles::read(&path).expect("valid");
        assert_eq!(profiles.default.as_deref(), Some("a"));
        assert_eq!(profiles.profile.get("b"), Some(&by_token()));
        assert_eq!(profiles.profile.len(), 2);
    }

    #[test]
    fn a_new_credential_takes_the_place_of_the_old() {
        let pair = Profile {
            cert: Some("c".into()),
            key: Some("k".into()),
            ..Profile::default()
        };
        let merged = pair.with(&by_token());
        assert_eq!((merged.cert.as_ref(), merged.contradiction()), (None, None));
        assert_eq!(by_token().with(&pair).token_file, None);

        let (_directory, path) = file("");
        save(&path, "a", Some(&pair), true).expect("saved");
        save(&path, "a", Some(&merged), true).expect("saved");
        assert_eq!(
            Profiles::read(&path).expect("valid").profile.get("a"),
            Some(&by_token())
        );
    }
}
