use pinion_rollout::{Calendar, Freeze, Window};

use super::each;
use super::stage::selector;
use crate::{ConfigError, Faults, Section};

const WINDOW_KEYS: [&str; 5] = ["selector", "days", "start", "duration", "time_zone"];

const FREEZE_KEYS: [&str; 4] = ["selector", "from", "until", "reason"];

/// Reads `window = [ … ]` and `freeze = [ … ]`.
pub(super) fn read(file: &str, section: &Section<'_>) -> Result<Calendar, ConfigError> {
    let mut faults = Faults::default();
    let calendar = Calendar {
        windows: faults.keep(each(file, section, "window", &WINDOW_KEYS, window)),
        freezes: faults.keep(each(file, section, "freeze", &FREEZE_KEYS, freeze)),
    };
    faults.finish(Some(calendar))
}

/// What must stand at `key`.
fn must<T>(
    section: &Section<'_>,
    key: &str,
    read: Result<Option<T>, ConfigError>,
    what: &str,
) -> Result<T, ConfigError> {
    section.required(key, read?, what)
}

fn window(file: &str, section: &Section<'_>) -> Result<Window, ConfigError> {
    let mut faults = Faults::default();
    let agents = faults.keep(selector(file, section, "selector"));
    let days = faults.keep(section.words("days"));
    let start = section.parsed("start");
    let start = faults.find(must(section, "start", start, "a time such as \"22:00\""));
    let duration = section.duration("duration");
    let duration = must(section, "duration", duration, "a duration such as \"4h\"");
    let duration = faults.find(duration);
    let zone = section.parsed("time_zone");
    let zone = must(section, "time_zone", zone, "one such as \"Europe/Berlin\"");
    let zone = faults.find(zone);
    let window = start
        .zip(duration)
        .zip(zone)
        .map(|((start, duration), time_zone)| Window {
            agents,
            days: days.into_iter().collect(),
            start,
            duration,
            time_zone,
        });
    faults.finish(window)
}

fn freeze(file: &str, section: &Section<'_>) -> Result<Freeze, ConfigError> {
    let mut faults = Faults::default();
    let agents = faults.keep(selector(file, section, "selector"));
    let mut instant = |key| {
        let what = "an instant such as \"2026-12-20T00:00:00Z\"";
        faults.find(must(section, key, section.instant(key), what))
    };
    let (from, until) = (instant("from"), instant("until"));
    let reason = section.text("reason");
    let reason = faults.find(must(section, "reason", reason, "why, for those who wait"));
    let freeze = from
        .zip(until)
        .zip(reason)
        .map(|((from, until), reason)| Freeze {
            from,
            until,
            reason: reason.to_owned(),
            agents,
        });
    faults.finish(freeze)
}
