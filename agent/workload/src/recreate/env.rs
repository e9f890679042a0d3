use std::collections::BTreeMap;

use serde_json::json;

use super::draft::{Object, texts};

/// Drops the variables that are the image's, keeping the order of the others.
///
/// The engine merges by name, so a name's values go or stay together: the last
/// one counts, and dropping one of several could make another the last.
pub(super) fn subtract(config: &mut Object, image: &Object, stays: impl Fn(&str) -> bool) {
    let (ours, theirs) = (texts(config, "Env"), texts(image, "Env"));
    let (by_name, their_names) = (by_name(&ours), by_name(&theirs));
    let is_users = |variable: &&String| {
        let name = name(variable);
        stays(name) || by_name.get(name) != their_names.get(name)
    };
    let kept: Vec<&String> = ours.iter().filter(is_users).collect();
    config.insert("Env".to_owned(), json!(kept));
}

fn by_name(variables: &[String]) -> BTreeMap<&str, Vec<&str>> {
    let mut grouped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for variable in variables {
        grouped.entry(name(variable)).or_default().push(variable);
    }
    grouped
}

/// A variable without `=` has a name too: it takes the image's variable away.
fn name(variable: &str) -> &str {
    variable.split_once('=').map_or(variable, |(name, _)| name)
}
