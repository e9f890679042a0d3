//! `pinion strategy`.

use crate::fake::{Ran, run};
use crate::silent;

const WHOLE: &str = r#"
[strategy.careful]
on_failure = "rollback"
soak = "90s"
max_in_flight = "25%"
failure_budget = { amount = "2%", min_sample = 10 }
budgets = { pull = 3 }
prefetch = true
after = ["workspace-server"]
window = [ { start = "22:00", duration = "4h", time_zone = "Europe/Berlin", days = ["mon"] } ]
[[strategy.careful.stage]]
count = 1
name = "canary"
checks = [ { name = "smoke", http = { url = "https://app/health" } } ]
[[strategy.careful.stage]]
rest = true
approval = "manual"
"#;

fn file(dir: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = dir.path().join(name);
    std::fs::write(&path, text).expect("written");
    path.display().to_string()
}

fn good(ran: &Ran) {
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
}

#[tokio::test]
async fn what_is_shown_can_be_put_again_and_changes_nothing() {
    let (fake, dir) = (silent().await, tempfile::tempdir().expect("a directory"));
    let first = file(&dir, "first.toml", WHOLE);
    let put = [
        "strategy", "put", "careful", "-f", &first, "--reason", "slowly",
    ];
    let ran = fake.pinion(&put).await;
    good(&ran);
    assert!(ran.out.contains("careful is at version 1"), "{}", ran.out);

    let shown = fake.pinion(&["strategy", "show", "careful"]).await;
    good(&shown);
    for part in [
        "# careful, version 1 of 1 (api)",
        ": slowly",
        "soak = \"1m 30s\"",
    ] {
        assert!(shown.out.contains(part), "{part}\n{}", shown.out);
    }
    let again = file(&dir, "again.toml", &shown.out);
    let ran = fake
        .pinion(&["strategy", "put", "careful", "-f", &again])
        .await;
    good(&ran);
    assert!(ran.out.contains("nothing was changed"), "{}", ran.out);

    let alone = file(&dir, "alone.toml", "soak = \"5m\"\n");
    let put = ["strategy", "put", "careful", "-f", &alone, "-o", "json"];
    let ran = fake.pinion(&put).await;
    good(&ran);
    let answer: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(answer["changed"], true);
    assert_eq!(answer["strategy"]["versions"], 2);
    let first = fake
        .pinion(&["strategy", "show", "careful", "--version", "1"])
        .await;
    good(&first);
    assert!(first.out.contains("soak = \"1m 30s\""), "{}", first.out);
    let versions = fake.pinion(&["strategy", "ls", "careful"]).await;
    good(&versions);
    assert!(versions.out.contains("slowly"), "{}", versions.out);
    assert_eq!(versions.out.lines().count(), 3, "{}", versions.out);
}

#[tokio::test]
async fn every_name_is_listed_page_by_page() {
    let fake = silent().await;
    let ran = fake.pinion(&["strategy", "ls"]).await;
    good(&ran);
    assert!(
        ran.out.contains("careful") && ran.out.contains("quick"),
        "{}",
        ran.out
    );
    let ran = fake.pinion(&["strategy", "ls", "-o", "json"]).await;
    let answer: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    assert_eq!(answer["strategies"][1]["name"], "quick");
}

#[tokio::test]
async fn every_fault_of_a_file_is_told_before_anything_is_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let bad = WHOLE
        .replace("\"90s\"", "90")
        .replace("approval = \"manual\"", "approval = \"never\"");
    let bad = file(&dir, "bad.toml", &bad);
    let senseless = file(
        &dir,
        "senseless.toml",
        "min_healthy = \"1h\"\nmax_in_flight = 0\n",
    );
    let other = file(&dir, "other.toml", "[strategy.quick]\n");
    for (path, lines) in [
        (
            &bad,
            &[
                "bad.toml: strategy.careful.stage[1].approval: ",
                "bad.toml: strategy.careful.soak: ",
            ][..],
        ),
        (
            &senseless,
            &[
                "senseless.toml: min_healthy: ",
                "senseless.toml: max_in_flight: ",
            ],
        ),
        (
            &other,
            &["strategy.careful: is not in this file, which has quick"],
        ),
        (&"/nowhere/c.toml".to_owned(), &["read /nowhere/c.toml"]),
    ] {
        // Nobody listens anywhere.
        let put = ["strategy", "put", "careful", "-f", path];
        let ran = run(put.into_iter()).await;
        assert_eq!(ran.code, 2, "{}", ran.err);
        for line in lines {
            assert!(ran.err.contains(line), "{line}\n{}", ran.err);
        }
    }
}

#[tokio::test]
async fn a_refusal_says_where_the_name_stands() {
    let fake = silent().await;
    let ran = fake.pinion(&["strategy", "rm", "careful", "--yes"]).await;
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("coordinator's configuration"),
        "{}",
        ran.err
    );
    let ran = fake.pinion(&["strategy", "show", "careful"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no such strategy"), "{}", ran.err);
}
