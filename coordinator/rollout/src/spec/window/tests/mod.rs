mod calendar;
mod faults;
mod openings;
mod oracle;

use std::collections::BTreeSet;

use pinion_model::{LabelSelector, Labels, Timestamp, parse_duration};

use super::{Day, Freeze, Window};

/// An instant as RFC 3339 has it.
fn at(text: &str) -> Timestamp {
    let instant: jiff::Timestamp = text.parse().expect(text);
    Timestamp(u64::try_from(instant.as_millisecond()).expect("after 1970"))
}

/// `DAYS START DURATION ZONE`, days with commas or `daily`, for every machine.
fn window(text: &str) -> Window {
    let words: Vec<_> = text.split(' ').collect();
    let [days, start, duration, zone] = words[..] else {
        panic!("{text}: four words");
    };
    let days: BTreeSet<Day> = match days {
        "daily" => BTreeSet::new(),
        days => days
            .split(',')
            .map(|day| day.parse().expect(text))
            .collect(),
    };
    Window {
        agents: LabelSelector::default(),
        days,
        start: start.parse().expect(text),
        duration: parse_duration(duration).expect(text),
        time_zone: zone.parse().expect(text),
    }
}

fn freeze(from: &str, until: &str) -> Freeze {
    Freeze {
        from: at(from),
        until: at(until),
        reason: "holidays".to_owned(),
        agents: LabelSelector::default(),
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    let pairs = pairs.iter();
    pairs.map(|(k, v)| ((*k).into(), (*v).into())).collect()
}

fn selector(pairs: &[(&str, &str)]) -> LabelSelector {
    LabelSelector(labels(pairs))
}
