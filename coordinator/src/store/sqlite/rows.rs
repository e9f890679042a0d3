use pinion_model::Revision;
use pinion_rollout::Change;
use rusqlite::{Connection, Transaction, params};

use super::cut::EncodedSnapshot;
use crate::store::{RefusedCall, StoreError, Tail};

/// Rows of refused calls kept; the oldest go first.
const REFUSED_KEPT: u32 = 10_000;

/// One change as it will stand in the file.
#[derive(Debug)]
pub(super) struct Encoded {
    change: String,
    /// Of a decision: who, what, to what, for people.
    audit: Option<AuditColumns>,
}

#[derive(Debug)]
struct AuditColumns {
    at: u64,
    actor: String,
    action: &'static str,
    subject: String,
    detail: String,
}

impl Encoded {
    pub(super) fn all(changes: &[Change]) -> Result<Vec<Self>, StoreError> {
        changes.iter().map(Self::new).collect()
    }

    fn new(change: &Change) -> Result<Self, StoreError> {
        let text = serde_json::to_string(change).map_err(StoreError::encode("a change"))?;
        let audit = match change {
            Change::Observation(_) => None,
            Change::Decision(decision) => Some(AuditColumns {
                at: decision.at.0,
                actor: serde_json::to_string(&decision.actor)
                    .map_err(StoreError::encode("an actor"))?,
                action: decision.action(),
                subject: decision.subject(),
                detail: decision.detail(),
            }),
        };
        Ok(Self {
            change: text,
            audit,
        })
    }
}

/// Where the log stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) revision: Revision,
    pub(super) decisions: Revision,
    pub(super) tail: Tail,
}

/// What became of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// A commit of that revision.
    Commit(Revision),
    /// No commit; the last one is of that revision.
    Nothing(Revision),
    /// The decision of that revision came first.
    Conflict(Revision),
}

pub(super) fn read_head(connection: &Connection) -> rusqlite::Result<Head> {
    let query = "SELECT revision, decision_revision, cut FROM head";
    let (revision, decisions, cut) =
        connection.query_row(query, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let decided = read_tail(connection, "decision", cut)?;
    let observed = read_tail(connection, "observation", cut)?;
    let tail = Tail {
        decisions: decided.0,
        changes: decided.0 + observed.0,
        bytes: decided.1 + observed.1,
    };
    Ok(Head {
        revision: Revision(revision),
        decisions: Revision(decisions),
        tail,
    })
}

/// Rows and bytes of a table after the cut.
fn read_tail(connection: &Connection, table: &str, cut: u64) -> rusqlite::Result<(u64, u64)> {
    let query = format!(
        "SELECT count(*), coalesce(sum(length(change)), 0) FROM {table} WHERE revision > ?1"
    );
    connection.query_row(&query, [cut], |row| Ok((row.get(0)?, row.get(1)?)))
}

pub(super) fn write_head(transaction: &Transaction<'_>, head: &Head) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE head SET revision = ?1, decision_revision = ?2")?
        .execute([head.revision.0, head.decisions.0])?;
    Ok(())
}

/// Writes all rows unless another decision came first; moves `head` along.
pub(super) fn write_commit(
    transaction: &Transaction<'_>,
    head: &mut Head,
    expected: Option<Revision>,
    rows: &[Encoded],
) -> rusqlite::Result<Written> {
    if expected.is_some_and(|expected| expected != head.decisions) {
        return Ok(Written::Conflict(head.decisions));
    }
    if rows.is_empty() {
        return Ok(Written::Nothing(head.revision));
    }
    head.revision = head.revision.next();
    for (place, row) in rows.iter().enumerate() {
        write_change(transaction, head.revision, place, row)?;
        head.tail.add(row.audit.is_some(), row.change.len());
    }
    if rows.iter().any(|row| row.audit.is_some()) {
        head.decisions = head.revision;
    }
    Ok(Written::Commit(head.revision))
}

fn write_change(
    transaction: &Transaction<'_>,
    revision: Revision,
    place: usize,
    row: &Encoded,
) -> rusqlite::Result<()> {
    let Some(audit) = &row.audit else {
        transaction
            .prepare_cached("INSERT INTO observation VALUES (?1, ?2, ?3)")?
            .execute(params![revision.0, place, row.change])?;
        return Ok(());
    };
    transaction
        .prepare_cached(
            "INSERT INTO decision (revision, place, at, actor, action, subject, detail, change)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            revision.0,
            place,
            audit.at,
            audit.actor,
            audit.action,
            audit.subject,
            audit.detail,
            row.change
        ])?;
    Ok(())
}

/// Puts the snapshot in the place of what it was made from.
pub(super) fn write_cut(
    transaction: &Transaction<'_>,
    snapshot: &EncodedSnapshot,
) -> rusqlite::Result<()> {
    let revision = snapshot.revision.0;
    transaction.execute(
        "INSERT OR REPLACE INTO snapshot VALUES (1, ?1, ?2, ?3)",
        params![revision, snapshot.decisions.0, snapshot.world],
    )?;
    transaction.execute("DELETE FROM observation WHERE revision <= ?1", [revision])?;
    transaction.execute("UPDATE head SET cut = ?1", [revision])?;
    Ok(())
}

pub(super) fn write_refused(
    transaction: &Transaction<'_>,
    calls: &[RefusedCall],
) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO refused_call (hour, at, actor, subject, detail, count)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (hour, actor, subject, detail)
         DO UPDATE SET count = count + excluded.count, at = excluded.at",
    )?;
    for call in calls {
        let actor = serde_json::to_string(&call.actor).expect("an actor has only text in it");
        insert.execute(params![
            call.hour(),
            call.at.0,
            actor,
            call.subject,
            call.detail,
            call.count
        ])?;
    }
    transaction
        .prepare_cached(
            "DELETE FROM refused_call WHERE id <= (SELECT max(id) FROM refused_call) - ?1",
        )?
        .execute([REFUSED_KEPT])?;
    Ok(())
}
