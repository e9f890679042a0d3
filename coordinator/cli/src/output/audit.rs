//! Who changed what.

use pinion_proto::v1;

use super::table::Table;
use super::{age, text, words};

/// Entries, one a line, in the order they came.
pub(crate) fn list(answer: &v1::ListAuditEntriesResponse, refused: bool) -> String {
    let mut table = Table::new(["AT", "WHO", "ROLE", "ACTION", "SUBJECT", "DETAIL"]);
    for entry in &answer.entries {
        table.row(row(entry));
    }
    match (table.is_empty(), refused) {
        (false, _) => table.render(),
        (true, true) => "No call was refused.".into(),
        (true, false) => "Nothing was changed yet.".into(),
    }
}

/// One entry as a line of a stream.
pub(crate) fn line(entry: &v1::AuditEntry) -> String {
    let [at, who, _, action, subject, detail] = row(entry);
    format!("{at} {who} {action} {subject} {detail}")
        .trim_end_matches([' ', '-'])
        .to_owned()
}

fn row(entry: &v1::AuditEntry) -> [String; 6] {
    let detail = text::line(&entry.detail);
    let detail = if entry.count > 1 {
        format!("{} times: {detail}", entry.count)
    } else {
        detail
    };
    let dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    [
        age::instant(entry.at.as_ref()),
        dash(words::actor(entry.actor.as_ref())),
        words::role(entry.actor.as_ref().map_or(0, |actor| actor.role)),
        dash(text::line(&entry.action)),
        dash(text::line(&entry.subject)),
        dash(detail),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_were_summed_say_how_many() {
        let entry = v1::AuditEntry {
            action: "call.refused".into(),
            detail: "no token".into(),
            count: 12,
            ..Default::default()
        };
        assert!(
            line(&entry).contains("12 times: no token"),
            "{}",
            line(&entry)
        );
        let list = list(
            &v1::ListAuditEntriesResponse {
                entries: vec![entry],
                ..Default::default()
            },
            false,
        );
        assert_eq!(list.lines().count(), 2);
    }
}
