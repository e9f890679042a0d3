//! What is read, written and sent comes back as it was, whatever it says; and
//! of what is wrong, everything is told.

mod faults;
mod whole;

use pinion_model::{StrategyName, Timestamp};
use pinion_rollout::Strategy;
use proptest::prelude::*;
use toml::Table;

use self::whole::any_strategy;
use crate::{Section, message, read, write};

fn name() -> StrategyName {
    "careful".parse().expect("a name")
}

/// What a document of [`write`] asks for, whether it makes sense or not.
fn read_back(text: &str) -> Strategy {
    let table: Table = text.parse().expect("TOML");
    let careful = &table["strategy"]["careful"];
    let section = Section::open("-", "", careful.as_table().expect("a table"));
    read::asked("-", &section, &name()).expect("what was written can be read")
}

proptest! {
    #[test]
    fn what_is_written_reads_back(strategy in any_strategy()) {
        let text = write(&name(), &strategy);
        let named = Strategy { name: Some(name()), version: None, ..strategy };
        prop_assert_eq!(read_back(&text), named, "{}", text);
    }

    #[test]
    fn what_is_sent_comes_back(strategy in any_strategy()) {
        let sent = message::strategy(&strategy);
        prop_assert_eq!(message::from_message(&sent), Ok(strategy.clone()));
        let again = message::from_message(&sent).map(|asked| message::strategy(&asked));
        prop_assert_eq!(again, Ok(sent));
    }
}

#[test]
fn a_whole_file_or_one_strategy_alone_is_read() {
    let at = Timestamp(0);
    let alone = crate::read_file("c.toml", "soak = \"90s\"\n", &name(), at).expect("alone");
    let text = write(&name(), &alone);
    assert_eq!(text, "[strategy.careful]\nsoak = \"1m 30s\"\n");
    let among = format!("default_registry = \"ghcr\"\n{text}[strategy.other]\n");
    let among = crate::read_file("c.toml", &among, &name(), at).expect("among others");
    assert_eq!(among, alone);
}

#[test]
fn nothing_at_all_is_the_usual_strategy() {
    let usual = crate::read_file("-", "", &name(), Timestamp(0)).expect("nothing is wrong");
    let named = Strategy {
        name: Some(name()),
        ..Strategy::default()
    };
    assert_eq!(usual, named);
}
