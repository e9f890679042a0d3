use std::path::{Path, PathBuf};

use pinion_coordinator::config::Config;
use pinion_model::{LabelSelector, Labels, RolloutPhase};
use pinion_rollout::commands::plan_rollout;
use pinion_rollout::explain_all;

use super::GUIDE;
use super::fleet::{NIGHT, begin, digest, pin, world};

fn files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/strategies");
    let entries = std::fs::read_dir(directory).expect("the directory of examples");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("an entry of it").path())
        .collect();
    files.sort();
    files
}

fn name(file: &Path) -> &str {
    let name = file.file_stem().and_then(|stem| stem.to_str());
    name.expect("a file's name")
}

/// What its own words say to select.
fn selected(text: &str) -> LabelSelector {
    let words = text.split_once("--select ").map(|(_, rest)| rest);
    let label = words.and_then(|rest| rest.split_whitespace().next());
    let label = label.and_then(|label| label.split_once('='));
    LabelSelector(
        label
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into_iter()
            .collect::<Labels>(),
    )
}

#[test]
fn the_guide_shows_every_example_as_it_is() {
    let files = files();
    assert_eq!(files.len(), 5, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("an example's text");
        let shown = format!("```toml\n{}\n```\n", text.trim_end());
        assert!(
            GUIDE.contains(&shown),
            "deploy/strategies.md does not show {} as it is",
            file.display()
        );
    }
}

#[test]
fn the_engine_starts_every_example_on_a_fleet_and_says_of_every_machine_what_it_waits_for() {
    for file in files() {
        let shown = file.display();
        let text = std::fs::read_to_string(&file).expect("an example's text");
        let config = Config::load(Some(&file), None).unwrap_or_else(|error| panic!("{error}"));
        let strategy = &config.strategies[&name(&file).parse().expect("a name")];
        let (workload, _) = config.workloads.first_key_value().expect("a workload");
        let mut world = world(60, workload);
        let request = pin(&mut world, workload, strategy.clone(), selected(&text));
        let planned = plan_rollout(&world, &request, NIGHT).expect("a preview");
        for stage in &planned.stages {
            assert!(
                !stage.agents.is_empty(),
                "{shown}: nobody in {}",
                stage.name
            );
        }
        let rollout = begin(&mut world, request);
        assert_eq!(rollout.phase, RolloutPhase::Running, "{shown}");
        let asked = world.agents.values().filter(|agent| {
            let told = agent.placements.get(workload).and_then(|it| it.told());
            told.is_some_and(|told| {
                let ahead = told.prefetch.as_ref().map(|run| &run.digest);
                told.digest().or(ahead) == Some(&digest(2))
            })
        });
        assert!(asked.count() > 0, "{shown}: nobody is asked");
        for (agent, why) in explain_all(&world, &rollout.id, NIGHT) {
            assert!(!why.detail.is_empty(), "{shown}: {agent}: {}", why.word);
        }
    }
}
