use serde_json::{Value, json};

use super::draft::{Object, is_unset, same};
use super::kept::Kept;

/// Drops entrypoint and command where the image's own would come in again.
///
/// The two go together: the engine takes the image's command only where the
/// user gave neither.
pub(super) fn subtract(config: &mut Object, image: &Object, kept: &Kept) {
    if kept.is("Entrypoint") {
        return;
    }
    let command = config.get("Cmd").cloned();
    subtract_both(config, image);
    if let Some(command) = command.filter(|_| kept.is("Cmd")) {
        config.insert("Cmd".to_owned(), command);
    }
}

fn subtract_both(config: &mut Object, image: &Object) {
    let entrypoint = config.get("Entrypoint").cloned().unwrap_or(Value::Null);
    let (theirs, their_command) = (image.get("Entrypoint"), image.get("Cmd"));
    if entrypoint == json!([]) {
        // Takes the image's entrypoint away, but not its command.
        return drop_if_theirs(config, their_command);
    }
    if entrypoint.is_null() && !is_unset(theirs) {
        // Was `[""]`, which takes both away and which the engine shows as null.
        config.insert("Entrypoint".to_owned(), json!([""]));
        return;
    }
    let command_taken_away =
        is_unset(config.get("Cmd")) && !is_unset(their_command) && !is_unset(theirs);
    if !same(Some(&entrypoint), theirs) || command_taken_away {
        return;
    }
    config.remove("Entrypoint");
    drop_if_theirs(config, their_command);
}

fn drop_if_theirs(config: &mut Object, their_command: Option<&Value>) {
    if same(config.get("Cmd"), their_command) {
        config.remove("Cmd");
    }
}
