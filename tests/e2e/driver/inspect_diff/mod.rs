//! Many containers, each with another option, recreated on another image and
//! compared field by field, by what the engine's inspect shows.
//!
//! `goldens.json` has for each of them what sets it apart from a plain one
//! after it was recreated (so that a lost setting is missing there), and what
//! changed (each change has its reason here). `PINION_UPDATE_GOLDENS=1` writes it.

mod cases;
mod comparable;
mod goldens;
mod machine;
mod replace;

use anyhow::ensure;
use harness::scenario;

use crate::api::differences;
use cases::Runs;
use goldens::Golden;
use machine::Machine;

#[test]
fn containers_of_every_option_are_recreated_as_they_were() {
    scenario(async |world| {
        let machine = Machine::start(world).await?;
        let cases = machine.cases();
        ensure!(cases.len() >= 60, "{} cases", cases.len());
        let seen = machine.recreate_all(&cases).await?;
        let goldens = cases.iter().map(|case| {
            let plain = match case.runs {
                Runs::Plain => "plain",
                Runs::Rich => "image-all",
            };
            let (mine, plain) = (&seen[case.name], &seen[plain]);
            let golden = Golden {
                set: differences(&plain.new, &mine.new),
                changed: differences(&mine.old, &mine.new),
            };
            (case.name.to_owned(), golden)
        });
        goldens::compare(&goldens.collect())
    });
}
