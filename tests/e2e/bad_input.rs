//! What is wrong is refused with what was wrong, and changes nothing.

use anyhow::{Context as _, ensure};
use harness::command::{command, run_command};
use harness::coordinator::API_TOKEN;
use harness::fleet::{CONFIGURATION, WORKLOAD};
use harness::{Cli, Coordinator, scenario};
use serde_json::{Value, json};

use crate::support::SOON;

const PROMOTE: &str = "/cp/admin/runtime-image/promote";
const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const SHA: &str = "2222222222222222222222222222222222222222";

/// Status and body of a POST of `body` to `path`.
fn post(
    coordinator: &Coordinator,
    path: &str,
    token: &str,
    body: &str,
) -> anyhow::Result<(u16, Value)> {
    let file = coordinator.data().join("body.json");
    std::fs::write(&file, body)?;
    let printed = run_command(
        command("curl")
            .args([
                "-sS",
                "-X",
                "POST",
                "-w",
                "\n%{http_code}",
                "--max-time",
                "10",
            ])
            .args(["-H", &format!("Authorization: Bearer {token}")])
            .args(["-H", "Content-Type: application/json"])
            .arg("--data-binary")
            .arg(format!("@{}", file.display()))
            .arg(coordinator.url(path)),
    )?;
    let (body, code) = printed.rsplit_once('\n').context("curl printed a code")?;
    let body = serde_json::from_str(body).with_context(|| format!("not JSON: {body}"))?;
    Ok((code.parse()?, body))
}

fn promotion(workload: &str, digest: &str, sha: &str) -> Value {
    json!({"template_name": workload, "image_digest": digest, "git_sha": sha, "notes": "x"})
}

#[test]
fn a_bad_promotion_over_http_names_the_field_and_changes_nothing() {
    scenario(async |world| {
        let coordinator = Coordinator::start(world, CONFIGURATION, &[]).await?;
        let mut unknown_field = promotion(WORKLOAD, DIGEST, SHA);
        unknown_field["digset"] = "typo".into();
        let big = json!({"notes": "x".repeat(70_000)}).to_string();
        let cases = [
            (
                "a short digest",
                promotion(WORKLOAD, "sha256:11", SHA).to_string(),
                400,
                "image_digest",
            ),
            (
                "a digest without algorithm",
                promotion(WORKLOAD, &DIGEST[7..], SHA).to_string(),
                400,
                "image_digest",
            ),
            (
                "an upper-case digest",
                promotion(WORKLOAD, &DIGEST.replace('1', "A"), SHA).to_string(),
                400,
                "image_digest",
            ),
            (
                "a short SHA",
                promotion(WORKLOAD, DIGEST, "2222222").to_string(),
                400,
                "git_sha",
            ),
            ("an unknown field", unknown_field.to_string(), 400, "digset"),
            ("no JSON", "template_name=codex".to_owned(), 400, ""),
            (
                "an unknown workload",
                promotion("nobody", DIGEST, SHA).to_string(),
                404,
                "template_name",
            ),
            ("a body that is too long", big, 413, ""),
        ];
        for (what, body, status, field) in cases {
            let (code, answer) = post(&coordinator, PROMOTE, API_TOKEN, &body)?;
            ensure!(code == status, "{what}: {code} {answer}");
            let error = &answer["error"];
            ensure!(
                error["message"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{what}: {answer}"
            );
            ensure!(
                error.to_string().contains(field),
                "{what} does not name {field}: {answer}"
            );
        }
        let pins = Cli::admin(&coordinator)?.json(&["pin", "list"])?;
        ensure!(
            !pins.to_string().contains("sha256:"),
            "something was pinned: {pins}"
        );
        Ok(())
    });
}

#[test]
fn a_call_without_the_right_token_is_refused() {
    scenario(async |world| {
        let coordinator = Coordinator::start(world, CONFIGURATION, &[]).await?;
        let cli = Cli::admin(&coordinator)?;
        let body = promotion(WORKLOAD, DIGEST, SHA).to_string();
        for token in ["", "wrong", &API_TOKEN[..API_TOKEN.len() - 1]] {
            let (code, answer) = post(&coordinator, PROMOTE, token, &body)?;
            ensure!(code == 401, "{token:?}: {code} {answer}");
            ensure!(
                token.is_empty() || !answer.to_string().contains(token),
                "the token was told"
            );
        }
        let api = ["token", "create", "--kind", "api", "--name"];
        let viewer = cli.json(&[&api[..], &["looker", "--role", "viewer"]].concat())?;
        let secret = viewer["secret"].as_str().context("a secret")?;
        let (code, answer) = post(&coordinator, PROMOTE, secret, &body)?;
        ensure!(code == 403, "a viewer promoted: {code} {answer}");

        let ci = cli.json(&[&api[..], &["ci", "--role", "promoter"]].concat())?;
        let secret = ci["secret"].as_str().context("a secret")?;
        let (code, answer) = post(&coordinator, PROMOTE, secret, &body)?;
        ensure!(code == 200, "{code} {answer}");
        let id = ci["token"]["id"].as_str().context("an id")?;
        cli.json(&["token", "revoke", id, "--reason", "leaked"])?;
        let (code, answer) = post(&coordinator, PROMOTE, secret, &body)?;
        ensure!(code == 401, "a revoked token promoted: {code} {answer}");
        Ok(())
    });
}

#[test]
fn the_older_pipelines_words_work_too() {
    scenario(async |world| {
        let coordinator = Coordinator::start(world, CONFIGURATION, &[]).await?;
        let body = json!({"runtime": WORKLOAD, "digest": DIGEST, "source_sha": SHA}).to_string();
        let (code, answer) = post(
            &coordinator,
            "/cp/admin/runtime-image-pins",
            API_TOKEN,
            &body,
        )?;
        ensure!(code == 200, "{code} {answer}");
        let authorization = format!("Authorization: Bearer {API_TOKEN}");
        let url = coordinator.url("/cp/admin/runtime-image");
        let listed = run_command(command("curl").args(["-fsS", "-H", &authorization, &url]))?;
        let listed: Value = serde_json::from_str(&listed)?;
        let pin = &listed["pins"][0];
        ensure!(
            pin["template_name"] == WORKLOAD && pin["image_digest"] == DIGEST,
            "{listed}"
        );
        ensure!(
            pin["git_sha"] == SHA && pin["updated_at"].is_string(),
            "{listed}"
        );
        Ok(())
    });
}

#[test]
fn a_configuration_that_cannot_be_used_ends_with_2_before_any_port_opens() {
    scenario(async |world| {
        let mut coordinator = Coordinator::start(world, CONFIGURATION, &[]).await?;
        coordinator.stop().await?;
        let cases = [
            (
                "an unknown key",
                CONFIGURATION.replace("soak =", "saok ="),
                "soak",
            ),
            (
                "an unknown strategy",
                CONFIGURATION.replace("strategy = \"quick\"", "strategy = \"slow\""),
                "strategy",
            ),
            ("no TOML", "[[[".to_owned(), "coordinator.toml"),
        ];
        for (what, text, word) in cases {
            std::fs::write(coordinator.config(), text)?;
            let (code, said) = coordinator.try_start(SOON).await?;
            ensure!(code == Some(2), "{what}: {code:?} {said}");
            ensure!(said.contains(word), "{what} does not name {word}: {said}");
            ensure!(!said.contains("ready "), "{what}: it was ready");
        }
        Ok(())
    });
}

#[test]
fn a_database_that_is_locked_or_corrupt_is_refused_and_left_as_it_is() {
    scenario(async |world| {
        let mut coordinator = Coordinator::start(world, CONFIGURATION, &[]).await?;
        let (code, said) = coordinator.try_start(SOON).await?;
        ensure!(code == Some(1) && !said.contains("ready "), "{said}");

        coordinator.stop().await?;
        let database = database_of(&coordinator)?;
        // What a torn disk leaves: no journal beside it that could mend it.
        for file in std::fs::read_dir(coordinator.data())?.filter_map(Result::ok) {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.ends_with("-wal") || name.ends_with("-shm") {
                std::fs::remove_file(file.path())?;
            }
        }
        let bytes = vec![0x5a; 8192];
        std::fs::write(&database, &bytes)?;
        let (code, said) = coordinator.try_start(SOON).await?;
        ensure!(code == Some(1) && !said.contains("ready "), "{said}");
        ensure!(std::fs::read(&database)? == bytes, "the file was touched");
        Ok(())
    });
}

fn database_of(coordinator: &Coordinator) -> anyhow::Result<std::path::PathBuf> {
    let files = std::fs::read_dir(coordinator.data())?.filter_map(Result::ok);
    let mut databases = files.map(|file| file.path()).filter(|path| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("db" | "sqlite" | "sqlite3"))
    });
    databases
        .next()
        .context("the data directory holds a database")
}
