//! Containers as users make them: one option or mixture each, all of what must survive.

mod host;
mod image;
mod networks;
mod volumes;

use serde_json::{Value, json};

/// Which image a case runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Runs {
    /// One with few settings.
    Plain,
    /// One that has a setting of its own for everything that an image can set.
    Rich,
}

/// One container.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// What it is about; its name.
    pub(super) name: &'static str,
    /// Its image.
    pub(super) runs: Runs,
    /// What its user asked for.
    pub(super) body: Value,
    /// Networks that it was connected to afterwards.
    pub(super) connect: Vec<(&'static str, Value)>,
    /// It runs when it is replaced.
    pub(super) started: bool,
}

fn case(name: &'static str, body: Value) -> Case {
    Case {
        name,
        runs: Runs::Plain,
        body,
        connect: Vec::new(),
        started: true,
    }
}

fn host(name: &'static str, host: Value) -> Case {
    case(name, json!({ "HostConfig": host }))
}

fn rich(name: &'static str, body: Value) -> Case {
    Case {
        runs: Runs::Rich,
        ..case(name, body)
    }
}

/// All of them. `dir` is a directory of the machine, `front` the id of that network.
pub(super) fn all(dir: &str, front: &str) -> Vec<Case> {
    let mut all = image::config();
    all.extend(image::rich_images());
    all.extend(networks::networks(front));
    all.extend(networks::ports());
    all.extend(volumes::volumes(dir));
    all.extend(host::limits());
    all.extend(host::security());
    all.extend(host::mixtures(dir));
    all
}
