//! Takes out of a hook's output what the agent itself was given as a secret:
//! the values of its environment whose names look like one.

/// In names of variables that hold secrets.
const PARTS: [&str; 6] = ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "KEY"];
/// Shorter values would be cut out of every other word.
const SHORTEST: usize = 6;

pub(super) fn without(text: &str) -> String {
    let environment = std::env::vars_os();
    let values = environment.filter_map(|(name, value)| {
        let name = name.to_string_lossy().to_ascii_uppercase();
        let looks_secret = PARTS.iter().any(|part| name.contains(part));
        looks_secret.then(|| value.to_string_lossy().into_owned())
    });
    let values = values.filter(|value| value.len() >= SHORTEST);
    values.fold(text.to_owned(), |text, value| {
        text.replace(&value, "[removed]")
    })
}
