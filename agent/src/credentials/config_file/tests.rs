use super::*;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;

fn entry(json: &str, repository: &str) -> Result<Option<Entry>, ConfigFileError> {
    DockerConfig::parse(json)?.entry(&repository.parse().expect("repository"))
}

/// What was found, as a word that a table can hold.
fn word(json: &serde_json::Value, repository: &str) -> String {
    match entry(&json.to_string(), repository) {
        Ok(None) => "nothing".into(),
        Ok(Some(Entry::Secret(Secret::Password { username, password }))) => {
            format!("{username}/{}", password.expose_secret())
        }
        Ok(Some(Entry::Secret(Secret::IdentityToken(token)))) => {
            format!("token {}", token.expose_secret())
        }
        Ok(Some(Entry::Bound { helper, key })) => format!("bound {helper} {key}"),
        Ok(Some(Entry::Store { helper, key })) => format!("store {helper} {key}"),
        Err(error) => format!("error {error}"),
    }
}

#[test]
fn the_lookup_is_dockers() {
    let auth = BASE64_STANDARD.encode("u:p:q");
    let other = BASE64_STANDARD.encode("o:r");
    let json = |value: serde_json::Value| value;
    for (config, repository, found) in [
        (json(serde_json::json!({})), "ghcr.io/a/b", "nothing"),
        (
            json(serde_json::json!({"auths": {"ghcr.io": {"auth": auth}}})),
            "ghcr.io/a/b",
            "u/p:q",
        ),
        (
            json(serde_json::json!({"auths": {"https://ghcr.io/v2/": {"auth": auth}}})),
            "ghcr.io/a/b",
            "u/p:q",
        ),
        (
            json(serde_json::json!({"auths": {"10.0.0.1:5000": {"auth": auth}}})),
            "10.0.0.1:5000/a",
            "u/p:q",
        ),
        (
            json(serde_json::json!({"auths": {"10.0.0.1": {"auth": auth}}})),
            "10.0.0.1:5000/a",
            "nothing",
        ),
        (
            json(serde_json::json!({"auths": {"https://index.docker.io/v1/": {"auth": auth}}})),
            "docker.io/library/a",
            "u/p:q",
        ),
        (
            json(
                serde_json::json!({"auths": {"ghcr.io": {"auth": auth}, "ghcr.io/a": {"auth": other}}}),
            ),
            "ghcr.io/a/b",
            "o/r",
        ),
        (
            json(serde_json::json!({"auths": {"ghcr.io/a/b": {"auth": other}}})),
            "ghcr.io/a/c",
            "nothing",
        ),
        (
            json(serde_json::json!({"auths": {"ghcr.io": {"username": "n", "password": "s"}}})),
            "ghcr.io/a/b",
            "n/s",
        ),
        (
            json(serde_json::json!({"auths": {"ghcr.io": {"auth": auth, "identitytoken": "t"}}})),
            "ghcr.io/a/b",
            "token t",
        ),
        (
            json(serde_json::json!({"auths": {"ghcr.io": {}}})),
            "ghcr.io/a/b",
            "nothing",
        ),
        (
            json(serde_json::json!({"auths": {"ghcr.io": {"auth": auth}}, "credsStore": "pass"})),
            "ghcr.io/a/b",
            "store pass ghcr.io",
        ),
        (
            json(serde_json::json!({"credsStore": "pass"})),
            "docker.io/library/a",
            "store pass https://index.docker.io/v1/",
        ),
        (
            json(serde_json::json!({"credHelpers": {"ghcr.io": "x"}, "credsStore": "pass"})),
            "ghcr.io/a/b",
            "bound x ghcr.io",
        ),
        (
            json(
                serde_json::json!({"credHelpers": {"ghcr.io": ""}, "credsStore": "pass", "auths": {"ghcr.io": {"auth": auth}}}),
            ),
            "ghcr.io/a/b",
            "u/p:q",
        ),
        (
            json(serde_json::json!({"credHelpers": {"ghcr.io": "x"}})),
            "ghcr.io.evil.example/a/b",
            "nothing",
        ),
    ] {
        assert_eq!(word(&config, repository), found, "{config} {repository}");
    }
}

#[test]
fn auth_is_read_in_either_alphabet_with_or_without_padding() {
    let pair = "u:~~~???>>>";
    for auth in [
        BASE64_STANDARD.encode(pair),
        BASE64_STANDARD_NO_PAD.encode(pair),
        BASE64_URL_SAFE_NO_PAD.encode(pair),
    ] {
        let config = serde_json::json!({"auths": {"ghcr.io": {"auth": auth}}});
        assert_eq!(word(&config, "ghcr.io/a/b"), "u/~~~???>>>", "{auth}");
    }
}

#[test]
fn no_error_repeats_what_the_file_holds() {
    for json in [
        r#"{"auths": {"ghcr.io": {"auth": "c4n4ry!!"}}}"#,
        r#"{"auths": {"ghcr.io": {"registrytoken": "c4n4ry"}}}"#,
        r#"{"auths": {"ghcr.io": {"auth": ["c4n4ry"]}}}"#,
        r#"{"auths": "c4n4ry"}"#,
        "c4n4ry",
    ] {
        let error = entry(json, "ghcr.io/a/b").map(|_| ()).expect_err(json);
        assert!(
            !format!("{error} {error:?}").contains("c4n4ry"),
            "{error:?}"
        );
    }
}

#[test]
fn dockers_file_comes_before_those_of_others() {
    let environment = |pairs: &[(&str, &str)]| -> BTreeMap<String, OsString> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), OsString::from(value)))
            .collect()
    };
    let found = paths(&environment(&[
        ("HOME", "/h"),
        ("REGISTRY_AUTH_FILE", "/r"),
    ]));
    assert_eq!(
        found,
        [
            "/h/.docker/config.json",
            "/r",
            "/h/.config/containers/auth.json"
        ]
        .map(PathBuf::from)
    );
    let found = paths(&environment(&[
        ("DOCKER_CONFIG", "/d"),
        ("HOME", "/h"),
        ("XDG_CONFIG_HOME", "/x"),
    ]));
    assert_eq!(
        found,
        ["/d/config.json", "/x/containers/auth.json"].map(PathBuf::from)
    );
}
