use pinion_proto::convert::{
    InvalidField, duration, from_duration, from_timestamp, text, timestamp,
};
use pinion_proto::v1;
use pinion_rollout::{Calendar, Freeze, Window};

use super::{selector, selector_message};

/// Windows and freezes; whether they make sense is the engine's to say.
pub(super) fn calendar(message: &v1::Strategy) -> Result<Calendar, InvalidField> {
    let windows = message.windows.iter().enumerate();
    let freezes = message.freezes.iter().enumerate();
    Ok(Calendar {
        windows: windows
            .map(|(n, window)| window_from(&format!("strategy.windows[{n}]"), window))
            .collect::<Result<_, _>>()?,
        freezes: freezes
            .map(|(n, freeze)| freeze_from(&format!("strategy.freezes[{n}]"), freeze))
            .collect::<Result<_, _>>()?,
    })
}

fn window_from(path: &str, window: &v1::Window) -> Result<Window, InvalidField> {
    let days = window.days.iter();
    Ok(Window {
        agents: selector(&format!("{path}.agents"), window.agents.as_ref())?,
        days: days
            .map(|day| text(&format!("{path}.days"), day))
            .collect::<Result<_, _>>()?,
        start: text(&format!("{path}.start"), &window.start)?,
        duration: from_duration(&format!("{path}.duration"), window.duration.as_ref())?
            .unwrap_or_default(),
        time_zone: text(&format!("{path}.time_zone"), &window.time_zone)?,
    })
}

fn freeze_from(path: &str, freeze: &v1::Freeze) -> Result<Freeze, InvalidField> {
    let instant = |name: &str, at: Option<&prost_types::Timestamp>| {
        at.map(from_timestamp)
            .ok_or_else(|| InvalidField::new(&format!("{path}.{name}"), "is missing"))
    };
    Ok(Freeze {
        from: instant("from", freeze.from.as_ref())?,
        until: instant("until", freeze.until.as_ref())?,
        reason: freeze.reason.clone(),
        agents: selector(&format!("{path}.agents"), freeze.agents.as_ref())?,
    })
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
