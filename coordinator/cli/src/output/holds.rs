//! What rollouts go round.

use pinion_proto::v1;

use super::age::Now;
use super::table::Table;
use super::{text, words};

/// Holds, one a line.
pub(crate) fn list(answer: &v1::ListHoldsResponse, now: Now) -> String {
    let mut table = Table::new(["HOLD", "KEEPS", "PLACED", "BY", "ENDS", "REASON"]);
    for hold in &answer.holds {
        let placed = hold.placed.as_ref();
        table.row([
            if hold.id.is_empty() {
                format!("--agent {}", hold.agent)
            } else {
                hold.id.clone()
            },
            keeps(hold),
            now.when(placed.and_then(|placed| placed.at.as_ref())),
            words::actor(placed.and_then(|placed| placed.actor.as_ref())),
            ends(hold, now),
            placed.map_or_else(|| "-".into(), |placed| text::line(&placed.reason)),
        ]);
    }
    if table.is_empty() {
        return "Nothing is held. To hold machines: pinion hold place --select KEY=VALUE --reason '…'".into();
    }
    format!("{}\nTo end one: pinion hold lift HOLD\n", table.render())
}

/// What was placed, whom it keeps, and how it ends.
pub(crate) fn placed(answer: &v1::PlaceHoldResponse, now: Now) -> String {
    let Some(hold) = &answer.hold else {
        return String::new();
    };
    let end = match hold.expires_at {
        Some(_) => format!("ends {}; sooner with", ends(hold, now)),
        None => "ends with".into(),
    };
    let machines = match answer.agents {
        0 => "no machine is kept by it now".to_owned(),
        agents => format!("{} now", text::count(agents, "machine")),
    };
    let id = &hold.id;
    format!(
        "{id} holds {} ({machines}); it {end}: pinion hold lift {id}",
        keeps(hold)
    )
}

/// What may go on.
pub(crate) fn lifted(answer: &v1::LiftHoldResponse) -> String {
    answer.hold.as_ref().map_or_else(String::new, |hold| {
        format!("{} is lifted: it held {}", hold.id, keeps(hold))
    })
}

/// `codex on machines with region=eu`.
fn keeps(hold: &v1::Hold) -> String {
    let labels = hold.agents.as_ref().map(|agents| &agents.match_labels);
    let labels = labels.filter(|labels| !labels.is_empty());
    let machines = match labels {
        _ if !hold.agent.is_empty() => format!("machine {}", text::line(&hold.agent)),
        Some(labels) => format!("machines with {}", words::labels(labels)),
        None => "every machine".to_owned(),
    };
    match hold.workload.as_str() {
        "" => machines,
        workload => format!("{workload} on {machines}"),
    }
}

fn ends(hold: &v1::Hold, now: Now) -> String {
    hold.expires_at
        .as_ref()
        .map_or_else(|| "when lifted".to_owned(), |end| now.when(Some(end)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(id: &str, agent: &str, workload: &str, labels: &[(&str, &str)]) -> v1::Hold {
        let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        v1::Hold {
            id: id.into(),
            agent: agent.into(),
            workload: workload.into(),
            agents: Some(v1::LabelSelector {
                match_labels: labels.collect(),
            }),
            placed: Some(v1::Attribution {
                reason: "incident".into(),
                ..Default::default()
            }),
            expires_at: None,
        }
    }

    #[test]
    fn a_hold_says_whom_it_keeps_from_what() {
        for (hold, words) in [
            (of("hold-1", "", "", &[]), "every machine"),
            (of("hold-1", "", "codex", &[]), "codex on every machine"),
            (
                of("hold-1", "", "codex", &[("region", "eu")]),
                "codex on machines with region=eu",
            ),
            (of("", "t1", "", &[]), "machine t1"),
        ] {
            assert_eq!(keeps(&hold), words);
        }
    }

    #[test]
    fn what_the_list_names_a_hold_can_be_typed_after_lift() {
        let answer = v1::ListHoldsResponse {
            holds: vec![of("hold-3", "", "", &[]), of("", "t1", "", &[])],
            ..Default::default()
        };
        let text = list(&answer, Now(0));
        for part in ["hold-3", "--agent t1", "incident", "when lifted"] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        let none = list(&v1::ListHoldsResponse::default(), Now(0));
        assert!(none.contains("pinion hold place"), "{none}");
    }

    #[test]
    fn a_hold_that_keeps_nobody_yet_says_so() {
        let mut answer = v1::PlaceHoldResponse {
            hold: Some(of("hold-3", "", "", &[("region", "ue")])),
            agents: 0,
        };
        let text = placed(&answer, Now(0));
        assert!(
            text.contains("no machine") && text.contains("pinion hold lift hold-3"),
            "{text}"
        );
        answer.agents = 12;
        answer.hold.as_mut().expect("one").expires_at = Some(prost_types::Timestamp {
            seconds: 7_200,
            nanos: 0,
        });
        let text = placed(&answer, Now(0));
        assert!(
            text.contains("12 machines now") && text.contains("ends in 2h"),
            "{text}"
        );
    }
}
