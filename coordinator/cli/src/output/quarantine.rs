//! Digests that no more machines get.

use pinion_proto::v1;

use super::age::Now;
use super::table::fields;
use super::{text, words};

/// What is quarantined, one after the other: the digest is shown whole, since
/// whoever lifts it types it.
pub(crate) fn list(answer: &v1::ListQuarantinedResponse, now: Now) -> String {
    if answer.quarantined.is_empty() {
        return "Nothing is quarantined.".into();
    }
    let each: Vec<_> = answer
        .quarantined
        .iter()
        .map(|quarantine| one(quarantine, now))
        .collect();
    let digest = &answer.quarantined[0].digest;
    format!(
        "{}\nTo let one go to machines again: pinion quarantine lift {} --reason '…'\n",
        each.join("\n"),
        if each.len() == 1 { digest } else { "DIGEST" }
    )
}

/// What became of a digest that was to be quarantined.
pub(crate) fn added(answer: &v1::QuarantineDigestResponse, now: Now) -> String {
    let Some(quarantine) = &answer.quarantine else {
        return String::new();
    };
    let (digest, workload) = (&quarantine.digest, &quarantine.workload);
    if !answer.changed {
        return format!(
            "{digest} of {workload} was quarantined already, {}",
            by(quarantine.imposed.as_ref(), now)
        );
    }
    let rollout = match quarantine.rollout.as_str() {
        "" => String::new(),
        id => format!("\n{id} stops; to take back what it did: pinion rollout rollback {id}"),
    };
    format!("{digest} of {workload} is quarantined: no more machines get it{rollout}")
}

/// What to do after it was lifted.
pub(crate) fn lifted(answer: &v1::LiftQuarantineResponse) -> String {
    let Some(quarantine) = &answer.quarantine else {
        return String::new();
    };
    let rollout = match quarantine.rollout.as_str() {
        "" => String::new(),
        id => format!("\nTo go on with its rollout: pinion rollout resume {id}"),
    };
    format!(
        "{} of {} may go to machines again{rollout}",
        quarantine.digest, quarantine.workload
    )
}

fn one(quarantine: &v1::Quarantine, now: Now) -> String {
    let lifted = quarantine.lifted.as_ref();
    fields([
        ("digest", quarantine.digest.clone()),
        ("workload", quarantine.workload.clone()),
        ("quarantined", by(quarantine.imposed.as_ref(), now)),
        ("failed on", failed_on(quarantine)),
        ("rollout", quarantine.rollout.clone()),
        (
            "lifted before",
            lifted.map_or_else(String::new, |lifted| by(Some(lifted), now)),
        ),
    ])
}

fn failed_on(quarantine: &v1::Quarantine) -> String {
    let named = &quarantine.failed_on;
    let more = u64::from(quarantine.agents).saturating_sub(named.len() as u64);
    match (quarantine.agents, more) {
        (0, _) => "no machine".into(),
        (all, 0) => format!("{}: {}", text::count(all, "machine"), named.join(", ")),
        (all, more) => format!(
            "{}: {} and {more} more",
            text::count(all, "machine"),
            named.join(", ")
        ),
    }
}

fn by(who: Option<&v1::Attribution>, now: Now) -> String {
    let Some(who) = who else { return "-".into() };
    format!(
        "{} by {}: {}",
        now.when(who.at.as_ref()),
        words::actor(who.actor.as_ref()),
        text::line(&who.reason)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quarantine(agents: u32) -> v1::Quarantine {
        let actor = v1::Actor {
            name: "alice".into(),
            ..Default::default()
        };
        let imposed = v1::Attribution {
            actor: Some(actor),
            at: Some(prost_types::Timestamp {
                seconds: 0,
                nanos: 0,
            }),
            reason: "it eats\u{1b}[2Jdata".into(),
        };
        v1::Quarantine {
            digest: format!("sha256:{}", "ab".repeat(32)),
            workload: "codex".into(),
            imposed: Some(imposed),
            agents,
            failed_on: (0..agents.min(2)).map(|n| format!("m{n}")).collect(),
            rollout: "codex-2-1".into(),
            ..Default::default()
        }
    }

    fn listed(quarantined: Vec<v1::Quarantine>) -> String {
        let answer = v1::ListQuarantinedResponse {
            quarantined,
            ..Default::default()
        };
        list(&answer, Now(60))
    }

    #[test]
    fn what_is_quarantined_says_since_when_why_where_it_failed_and_how_to_lift_it() {
        let text = listed(vec![quarantine(3)]);
        let command = format!("pinion quarantine lift sha256:{} --reason", "ab".repeat(32));
        for part in [
            "codex",
            "60s ago by alice: it eats [2Jdata",
            "3 machines: m0, m1 and 1 more",
            "codex-2-1",
            &command,
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        let two = listed(vec![quarantine(0), quarantine(1)]);
        for part in ["no machine", "1 machine: m0", "lift DIGEST --reason"] {
            assert!(two.contains(part), "{part} is not in:\n{two}");
        }
        assert_eq!(listed(vec![]), "Nothing is quarantined.");
    }

    #[test]
    fn whoever_quarantines_learns_what_stops_or_that_it_was_done_already() {
        let answer = |changed| v1::QuarantineDigestResponse {
            quarantine: Some(quarantine(0)),
            changed,
        };
        let first = added(&answer(true), Now(60));
        assert!(first.contains("codex-2-1 stops"), "{first}");
        let second = added(&answer(false), Now(60));
        assert!(
            second.contains("already, 60s ago by alice: it eats"),
            "{second}"
        );
    }

    #[test]
    fn whoever_lifts_learns_what_to_resume() {
        let mut answer = v1::LiftQuarantineResponse {
            quarantine: Some(quarantine(0)),
        };
        let text = lifted(&answer);
        assert!(text.contains("pinion rollout resume codex-2-1"), "{text}");
        answer.quarantine = Some(v1::Quarantine {
            rollout: String::new(),
            ..quarantine(0)
        });
        assert!(!lifted(&answer).contains("resume"));
    }
}
