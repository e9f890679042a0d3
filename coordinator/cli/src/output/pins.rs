//! Pins.

use pinion_proto::v1;

use super::age::Now;
use super::table::{Table, fields};
use super::{text, words};

/// What a promotion did.
pub(crate) fn promoted(answer: &v1::PromotePinResponse) -> String {
    let Some(pin) = &answer.pin else {
        return String::new();
    };
    let name = format!(
        "{} pin {} ({})",
        pin.workload,
        pin.number,
        words::digest(&pin.digest)
    );
    match (answer.changed, answer.rollout.as_str()) {
        (false, _) => format!("{name} is the current pin already: nothing was changed"),
        (true, "") if !answer.no_rollout.is_empty() => format!(
            "promoted {name}\nNo rollout began: {}",
            text::line(&answer.no_rollout)
        ),
        (true, "") => format!(
            "promoted {name}\nNothing is rolled out yet: pinion rollout start {} --watch",
            pin.workload
        ),
        (true, rollout) => {
            format!("promoted {name}\nrollout {rollout} started: pinion rollout watch {rollout}")
        }
    }
}

/// The current pins, then the workloads without one.
pub(crate) fn list(answer: &v1::ListPinsResponse, now: Now) -> String {
    let mut table = table();
    for pin in &answer.pins {
        table.row(row(pin, now));
    }
    let mut out = if table.is_empty() {
        "No workload has a pin yet. Promote one: pinion pin promote WORKLOAD DIGEST --sha SHA\n"
            .to_owned()
    } else {
        table.render()
    };
    if !answer.unpinned.is_empty() {
        out.push_str(&format!(
            "\nWithout a pin: {}\n",
            text::line(&answer.unpinned.join(", "))
        ));
    }
    out
}

/// The pins that one workload had.
pub(crate) fn history(answer: &v1::ListPinHistoryResponse, workload: &str, now: Now) -> String {
    let mut table = table();
    for pin in &answer.pins {
        table.row(row(pin, now));
    }
    if table.is_empty() {
        return format!(
            "{workload} never had a pin. Promote one: pinion pin promote {workload} DIGEST --sha SHA"
        );
    }
    table.render()
}

/// The current and the stable pin of one workload, in full.
pub(crate) fn show(answer: &v1::GetPinResponse, workload: &str, now: Now) -> String {
    let Some(current) = &answer.current else {
        return format!(
            "{workload} has no pin yet. Promote one: pinion pin promote {workload} DIGEST --sha SHA"
        );
    };
    let stable = match &answer.stable {
        Some(stable) if stable.number == current.number => "this one".to_owned(),
        Some(stable) => format!("pin {} ({})", stable.number, words::digest(&stable.digest)),
        None => "none: no rollout has completed yet".to_owned(),
    };
    let images: Vec<_> = current
        .images
        .iter()
        .map(|image| format!("{} ({})", image.repository, image.registry))
        .collect();
    fields([
        ("workload", current.workload.clone()),
        ("pin", current.number.to_string()),
        ("digest", current.digest.clone()),
        ("source SHA", current.source_sha.clone()),
        ("notes", text::line(&current.notes)),
        (
            "promoted",
            format!(
                "{} by {}",
                now.when(current.promoted_at.as_ref()),
                words::actor(current.promoted_by.as_ref())
            ),
        ),
        ("images", images.join(", ")),
        ("stable", stable),
    ])
}

fn table() -> Table<8> {
    Table::new([
        "WORKLOAD", "PIN", "DIGEST", "SHA", "STABLE", "PROMOTED", "BY", "NOTES",
    ])
}

fn row(pin: &v1::Pin, now: Now) -> [String; 8] {
    [
        pin.workload.clone(),
        pin.number.to_string(),
        words::digest(&pin.digest),
        words::sha(&pin.source_sha),
        if pin.stable { "yes".into() } else { "-".into() },
        now.when(pin.promoted_at.as_ref()),
        words::actor(pin.promoted_by.as_ref()),
        if pin.notes.is_empty() {
            "-".into()
        } else {
            text::cut(&text::line(&pin.notes), 60)
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin() -> v1::Pin {
        v1::Pin {
            workload: "codex".into(),
            number: 3,
            digest: format!("sha256:{}", "ab".repeat(32)),
            ..Default::default()
        }
    }

    #[test]
    fn promoting_the_current_pin_says_that_nothing_changed() {
        let answer = |changed, rollout: &str| v1::PromotePinResponse {
            pin: Some(pin()),
            changed,
            rollout: rollout.into(),
            no_rollout: String::new(),
        };
        assert!(promoted(&answer(false, "")).contains("nothing was changed"));
        assert!(promoted(&answer(true, "")).contains("pinion rollout start codex"));
        assert!(promoted(&answer(true, "codex-3-1")).contains("pinion rollout watch codex-3-1"));
        let rejected = v1::PromotePinResponse {
            no_rollout: "codex-2-1 is under way".into(),
            ..answer(true, "")
        };
        assert!(promoted(&rejected).contains("No rollout began: codex-2-1 is under way"));
    }

    #[test]
    fn an_empty_list_says_what_to_do_next() {
        let none = v1::ListPinsResponse {
            unpinned: vec!["codex".into()],
            ..Default::default()
        };
        let text = list(&none, Now(0));
        assert!(
            text.contains("pinion pin promote") && text.contains("Without a pin: codex"),
            "{text}"
        );
        assert!(
            history(&v1::ListPinHistoryResponse::default(), "codex", Now(0))
                .contains("pinion pin promote codex")
        );
    }

    #[test]
    fn a_pin_is_shown_in_full_with_the_stable_one() {
        let answer = v1::GetPinResponse {
            current: Some(pin()),
            stable: None,
        };
        let text = show(&answer, "codex", Now(0));
        assert!(
            text.contains(&pin().digest) && text.contains("no rollout has completed"),
            "{text}"
        );
    }
}
