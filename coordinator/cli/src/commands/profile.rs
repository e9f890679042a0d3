//! `pinion profile`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::App;
use crate::args::ProfileCommand;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::table::{Table, fields};
use crate::profile::{self, Profile, Profiles};

pub(super) fn run(app: &App, command: ProfileCommand) -> Result<Exit, Error> {
    let path = profile::path()?;
    let all = Profiles::read(&path)?;
    match command {
        ProfileCommand::Set { name } => set(app, &path, &all, &name)?,
        ProfileCommand::List => list(app, &path, &all)?,
        ProfileCommand::Use { name } => {
            all.pick(Some(&name), &path)?;
            profile::save(&path, &name, None, true)?;
            app.out.line(&format!(
                "profile {name} is taken from now on when none is named"
            ))?;
        }
        ProfileCommand::Show { name } => show(app, &path, &all, name.as_deref())?,
    }
    Ok(Exit::Done)
}

fn set(app: &App, path: &Path, all: &Profiles, name: &str) -> Result<(), Error> {
    if name.parse::<pinion_model::OperatorName>().is_err() {
        return Err(Error::Usage(format!(
            "a profile's name must be 1 to 63 of a-z, 0-9, '.', '_' and '-'; got {name:?}"
        )));
    }
    let given = given(app)?;
    if given == Profile::default() {
        return Err(Error::Usage(
            "nothing to set: give --endpoint, --ca, --cert and --key, or --token-file".into(),
        ));
    }
    let profile = all
        .profile
        .get(name)
        .cloned()
        .unwrap_or_default()
        .with(&given);
    if let Some(what) = profile.contradiction() {
        return Err(Error::Usage(format!("profile {name} would have {what}")));
    }
    let first = all.default.is_none();
    profile::save(path, name, Some(&profile), first)?;
    let default = if first { ", and it is the default" } else { "" };
    app.out
        .line(&format!("profile {name} is in {}{default}", path.display()))
}

/// What is given now, its paths from the root: the file is read from anywhere.
fn given(app: &App) -> Result<Profile, Error> {
    let mut given = app.given();
    for file in [
        &mut given.ca,
        &mut given.cert,
        &mut given.key,
        &mut given.token_file,
    ] {
        if let Some(path) = file.take() {
            *file = Some(absolute(&path)?);
        }
    }
    Ok(given)
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::fs::canonicalize(path)
        .map_err(|source| Error::Usage(format!("{} cannot be used: {source}", path.display())))
}

fn list(app: &App, path: &Path, all: &Profiles) -> Result<(), Error> {
    if app.out.is_json() {
        return app.out.line(
            &json!({ "path": path, "default": all.default, "profile": all.profile }).to_string(),
        );
    }
    let mut table = Table::new(["PROFILE", "DEFAULT", "ENDPOINT", "CREDENTIAL"]);
    for (name, profile) in &all.profile {
        let credential = profile.cert.as_ref().or(profile.token_file.as_ref());
        table.row([
            name.clone(),
            if all.default.as_ref() == Some(name) {
                "yes".into()
            } else {
                "-".into()
            },
            profile.endpoint.clone().unwrap_or_else(|| "-".into()),
            credential.map_or_else(|| "-".into(), |path| path.display().to_string()),
        ]);
    }
    if table.is_empty() {
        return app.out.line("No profiles. Make one: pinion profile set NAME --endpoint URL --ca FILE --cert FILE --key FILE");
    }
    app.out.line(&table.render())
}

fn show(app: &App, path: &Path, all: &Profiles, name: Option<&str>) -> Result<(), Error> {
    let wanted = name.or(app.global.profile.as_deref());
    let Some((name, profile)) = all.pick(wanted, path)? else {
        return app
            .out
            .line("No profile is the default. See them: pinion profile list");
    };
    if app.out.is_json() {
        return app
            .out
            .line(&json!({ "name": name, "profile": profile }).to_string());
    }
    let file = |path: &Option<PathBuf>| {
        path.as_ref()
            .map_or_else(String::new, |path| path.display().to_string())
    };
    app.out.line(&fields([
        ("profile", name.to_owned()),
        ("file", path.display().to_string()),
        ("endpoint", profile.endpoint.clone().unwrap_or_default()),
        ("ca", file(&profile.ca)),
        ("cert", file(&profile.cert)),
        ("key", file(&profile.key)),
        ("token file", file(&profile.token_file)),
    ]))
}
