use pinion_proto::convert::{
    InvalidField, duration, from_duration, from_timestamp, text, timestamp,
};
use pinion_proto::v1;
use pinion_rollout::{Calendar, Day, Freeze, Window};

use super::fields::{InvalidFields, each};
use super::{selector, selector_message};
use crate::Faults;

/// Windows and freezes; whether they make sense is the engine's to say.
pub(super) fn calendar(message: &v1::Strategy) -> Result<Calendar, InvalidFields> {
    let mut faults = Faults::default();
    let calendar = Calendar {
        windows: faults.keep(each("strategy.windows", &message.windows, window_from)),
        freezes: faults.keep(each("strategy.freezes", &message.freezes, freeze_from)),
    };
    faults.finish(Some(calendar))
}

fn window_from(path: &str, window: &v1::Window) -> Result<Window, InvalidFields> {
    let mut faults = Faults::default();
    let agents = faults.keep(selector(&format!("{path}.agents"), window.agents.as_ref()));
    let day = |path: &str, day: &String| text::<Day>(path, day);
    let days = faults.keep(each(&format!("{path}.days"), &window.days, day));
    let start = faults.find(text(&format!("{path}.start"), &window.start));
    let open = from_duration(&format!("{path}.duration"), window.duration.as_ref());
    let open = faults.keep(open);
    let zone = faults.find(text(&format!("{path}.time_zone"), &window.time_zone));
    faults.finish(start.zip(zone).map(|(start, time_zone)| Window {
        agents,
        days: days.into_iter().collect(),
        start,
        duration: open.unwrap_or_default(),
        time_zone,
    }))
}

fn freeze_from(path: &str, freeze: &v1::Freeze) -> Result<Freeze, InvalidFields> {
    let instant = |name: &str, at: Option<&prost_types::Timestamp>| {
        at.map(from_timestamp)
            .ok_or_else(|| InvalidField::new(&format!("{path}.{name}"), "is missing"))
    };
    let mut faults = Faults::default();
    let from = faults.find(instant("from", freeze.from.as_ref()));
    let until = faults.find(instant("until", freeze.until.as_ref()));
    let agents = faults.keep(selector(&format!("{path}.agents"), freeze.agents.as_ref()));
    faults.finish(from.zip(until).map(|(from, until)| Freeze {
        from,
        until,
        reason: freeze.reason.clone(),
        agents,
    }))
}

pub(super) fn window_message(window: &Window) -> v1::Window {
    v1::Window {
        agents: selector_message(&window.agents),
        days: window.days.iter().map(ToString::to_string).collect(),
        start: window.start.to_string(),
        duration: Some(duration(window.duration)),
        time_zone: window.time_zone.to_string(),
    }
}

pub(super) fn freeze_message(freeze: &Freeze) -> v1::Freeze {
    v1::Freeze {
        from: Some(timestamp(freeze.from)),
        until: Some(timestamp(freeze.until)),
        reason: freeze.reason.clone(),
        agents: selector_message(&freeze.agents),
    }
}
