use std::collections::BTreeSet;

use super::{GUIDE, configured, table};

/// Where the tables of a strategy stand: the key's prefix in the guide, and a
/// strategy with an unknown key there.
const TABLES: [(&str, &str); 9] = [
    ("", "zzz = 1"),
    ("stage.", "stage = [ { zzz = 1 } ]"),
    (
        "stage.checks.",
        "stage = [ { rest = true, checks = [ { zzz = 1 } ] } ]",
    ),
    (
        "stage.checks.prometheus.",
        "stage = [ { rest = true, checks = [ { name = \"a\", prometheus = { zzz = 1 } } ] } ]",
    ),
    (
        "stage.checks.http.",
        "stage = [ { rest = true, checks = [ { name = \"a\", http = { zzz = 1 } } ] } ]",
    ),
    ("prefetch.", "prefetch = { zzz = 1 }"),
    ("failure_budget.", "failure_budget = { zzz = 1 }"),
    ("window.", "window = [ { zzz = 1 } ]"),
    ("freeze.", "freeze = [ { zzz = 1 } ]"),
];

/// The keys that the parser itself says that it knows there.
fn known(lines: &str) -> Vec<String> {
    let error = configured(lines).expect_err("zzz is no key").to_string();
    let (_, known) = error.split_once("Known are: ").expect("those that are");
    let known = known.lines().next().unwrap_or_default();
    known.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_table_has_every_key_and_no_other() {
    let known: BTreeSet<_> = TABLES
        .iter()
        .flat_map(|(path, lines)| {
            known(lines)
                .into_iter()
                .map(move |key| format!("{path}{key}"))
        })
        .collect();
    let told: BTreeSet<_> = table().into_iter().map(|(key, _)| key).collect();
    assert_eq!(told, known);
    assert_eq!(table().len(), known.len(), "a key stands there twice");
}

#[test]
fn the_table_names_every_kind_of_failure_that_may_have_a_budget() {
    let row = GUIDE.lines().find(|line| line.starts_with("| `budgets`"));
    let row = row.expect("the row of budgets");
    for kind in known("budgets = { zzz = 1 }") {
        assert!(row.contains(&format!("`{kind}`")), "{kind}: {row}");
    }
}
