use pinion_model::Timestamp;
use pinion_rollout::{Calendar, Freeze, Window};
use toml::Table;

use super::super::ConfigError;
use super::super::section::Section;
use super::stage::selector;

const WINDOW_KEYS: [&str; 5] = ["selector", "days", "start", "duration", "time_zone"];

const FREEZE_KEYS: [&str; 4] = ["selector", "from", "until", "reason"];

/// Reads `window = [ … ]` and `freeze = [ … ]`.
pub(super) fn read(file: &str, section: &Section<'_>) -> Result<Calendar, ConfigError> {
    Ok(Calendar {
        windows: each(file, section, "window", &WINDOW_KEYS, window)?,
        freezes: each(file, section, "freeze", &FREEZE_KEYS, freeze)?,
    })
}

fn each<T>(
    file: &str,
    section: &Section<'_>,
    key: &str,
    keys: &[&str],
    read: fn(&str, &Section<'_>) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let path = section.below(key);
    let tables: Vec<&Table> = section.tables(key)?.unwrap_or_default();
    let tables = tables.into_iter().enumerate();
    tables
        .map(|(index, table)| {
            let section = Section::new(file, format!("{path}[{index}]"), table, keys)?;
            read(file, &section)
        })
        .collect()
}

fn window(file: &str, section: &Section<'_>) -> Result<Window, ConfigError> {
    Ok(Window {
        agents: selector(file, section, "selector")?,
        days: section.words("days")?.into_iter().collect(),
        start: section.required(
            "start",
            section.parsed("start")?,
            "a time such as \"22:00\"",
        )?,
        duration: section.required(
            "duration",
            section.duration("duration")?,
            "a duration such as \"4h\"",
        )?,
        time_zone: section.required(
            "time_zone",
            section.parsed("time_zone")?,
            "a time zone such as \"Europe/Berlin\"",
        )?,
    })
}

fn freeze(file: &str, section: &Section<'_>) -> Result<Freeze, ConfigError> {
    let instant = |key| -> Result<Timestamp, ConfigError> {
        section.required(
            key,
            section.instant(key)?,
            "an instant such as \"2026-12-20T00:00:00Z\"",
        )
    };
    let reason = section.text("reason")?.map(str::to_owned);
    Ok(Freeze {
        from: instant("from")?,
        until: instant("until")?,
        reason: section.required("reason", reason, "why, for those who wait")?,
        agents: selector(file, section, "selector")?,
    })
}
