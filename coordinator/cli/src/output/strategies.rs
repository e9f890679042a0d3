//! Strategies by name.

use pinion_model::StrategyName;
use pinion_proto::convert::from_timestamp;
use pinion_proto::v1;
use pinion_strategy::message;

use super::age::Now;
use super::table::Table;
use super::{text, words};
use crate::error::Error;

/// Characters of a reason in a list.
const REASON: usize = 60;

/// Every name with its newest version.
pub(crate) fn list(answer: &v1::ListStrategiesResponse, now: Now) -> String {
    let mut table = Table::new([
        "STRATEGY", "VERSION", "SOURCE", "PUT", "BY", "REMOVED", "REASON",
    ]);
    for named in &answer.strategies {
        let version = named.version.clone().unwrap_or_default();
        let [number, source, put, by, reason] = row(&version, now);
        let removed = named.removed.as_ref();
        let removed = removed.map_or_else(|| "-".into(), |removed| now.when(removed.at.as_ref()));
        table.row([named.name.clone(), number, source, put, by, removed, reason]);
    }
    if table.is_empty() {
        return "No strategies. Put one: pinion strategy put NAME -f FILE --reason WHY".into();
    }
    table.render()
}

/// Every version of one name.
pub(crate) fn versions(
    answer: &v1::ListStrategyVersionsResponse,
    name: &StrategyName,
    now: Now,
) -> String {
    let mut table = Table::new(["VERSION", "SOURCE", "PUT", "BY", "REASON"]);
    for version in &answer.versions {
        table.row(row(version, now));
    }
    let mut out = table.render();
    if let Some(removed) = &answer.removed {
        out.push_str(&format!(
            "\n{name} was removed {} by {}{}\n",
            now.when(removed.at.as_ref()),
            words::actor(removed.actor.as_ref()),
            because(&removed.reason)
        ));
    }
    out
}

fn row(version: &v1::StrategyVersion, now: Now) -> [String; 5] {
    let put = version.put.clone().unwrap_or_default();
    let number = version.strategy.as_ref().map_or(0, |of| of.version);
    let reason = text::cut(&text::line(&put.reason), REASON);
    [
        number.to_string(),
        words::strategy_source(version.source),
        now.when(put.at.as_ref()),
        words::actor(put.actor.as_ref()),
        if reason.is_empty() {
            "-".into()
        } else {
            reason
        },
    ]
}

/// One version, as TOML that can be put again; what is beside it are comments.
///
/// # Errors
///
/// If it says what this command does not know.
pub(crate) fn show(named: &v1::NamedStrategy, name: &StrategyName) -> Result<String, Error> {
    let incomplete = || Error::Incomplete {
        method: "GetStrategy",
        field: "strategy.version",
    };
    let version = named.version.as_ref().ok_or_else(incomplete)?;
    let message = version.strategy.as_ref().ok_or_else(incomplete)?;
    let strategy = message::from_message(message)?;
    let mut out = format!(
        "# {name}, version {} of {} ({})\n",
        message.version,
        named.versions,
        words::strategy_source(version.source)
    );
    let put = version.put.as_ref();
    out.push_str(&put.map(|put| done("put", put)).unwrap_or_default());
    let removed = named.removed.as_ref();
    out.push_str(
        &removed
            .map(|removed| done("removed", removed))
            .unwrap_or_default(),
    );
    out.push_str(&format!("\n{}", pinion_strategy::write(name, &strategy)));
    Ok(out)
}

/// `# put 2026-11-20T10:00:00.000Z by alice: soak longer`.
fn done(what: &str, done: &v1::Attribution) -> String {
    let at = done.at.as_ref().map(from_timestamp).unwrap_or_default();
    let by = words::actor(done.actor.as_ref());
    format!("# {what} {at} by {by}{}\n", because(&done.reason))
}

fn because(reason: &str) -> String {
    match text::line(reason) {
        reason if reason.is_empty() => reason,
        reason => format!(": {reason}"),
    }
}

/// What putting one did.
pub(crate) fn put(answer: &v1::PutStrategyResponse, name: &StrategyName) -> String {
    let named = answer.strategy.as_ref();
    let number = named.map_or(0, |named| named.versions);
    if answer.changed {
        return format!(
            "strategy {name} is at version {number}; rollouts that have begun keep theirs"
        );
    }
    format!("version {number} of strategy {name} says this already: nothing was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(strategy: v1::Strategy) -> v1::NamedStrategy {
        let put = v1::Attribution {
            reason: "soak\nlonger = \"1h\"".into(),
            ..Default::default()
        };
        let version = v1::StrategyVersion {
            strategy: Some(v1::Strategy {
                name: "careful".into(),
                version: 2,
                ..strategy
            }),
            source: v1::StrategySource::Api.into(),
            put: Some(put),
        };
        v1::NamedStrategy {
            name: "careful".into(),
            version: Some(version),
            versions: 3,
            removed: None,
        }
    }

    fn careful() -> StrategyName {
        "careful".parse().expect("a name")
    }

    #[test]
    fn what_is_shown_can_be_put_again_whatever_the_reason_says() {
        let soak = prost_types::Duration {
            seconds: 90,
            nanos: 0,
        };
        let asked = named(v1::Strategy {
            soak: Some(soak),
            ..Default::default()
        });
        let text = show(&asked, &careful()).expect("it is known");
        assert!(text.contains("version 2 of 3 (api)"), "{text}");
        let at = pinion_model::Timestamp(0);
        let again = pinion_strategy::read_file("-", &text, &careful(), at).expect("it reads back");
        assert_eq!(again.soak, Some(std::time::Duration::from_secs(90)));
    }

    #[test]
    fn a_word_of_a_newer_coordinator_is_told_and_not_left_out() {
        let newer = named(v1::Strategy {
            offline: 99,
            ..Default::default()
        });
        let error = show(&newer, &careful()).expect_err("99 is not known");
        let words = crate::error::chain(&error);
        assert!(words.contains("strategy.offline: 99"), "{words}");
    }

    #[test]
    fn lists_say_who_put_what_when_and_why() {
        let answer = v1::ListStrategiesResponse {
            strategies: vec![named(v1::Strategy::default())],
            ..Default::default()
        };
        let text = list(&answer, Now(0));
        assert!(
            text.contains("careful") && text.contains("soak longer"),
            "{text}"
        );
        let none = list(&v1::ListStrategiesResponse::default(), Now(0));
        assert!(none.contains("pinion strategy put"), "{none}");
        let removed = v1::ListStrategyVersionsResponse {
            removed: Some(v1::Attribution::default()),
            ..Default::default()
        };
        assert!(versions(&removed, &careful(), Now(0)).contains("careful was removed"));
    }
}
