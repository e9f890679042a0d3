use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pinion_model::{Revision, Timestamp};
use pinion_rollout::Change;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

use super::open;
use crate::store::audit::REFUSED;
use crate::store::{
    AuditCursor, AuditEntry, AuditKind, AuditQuery, Changes, Commit, Snapshot, StoreError,
};

/// Decisions and observations after a revision, in the order of their commit.
const TAIL: &str = "
    SELECT revision, place, change FROM decision WHERE revision > ?1
    UNION ALL
    SELECT revision, place, change FROM observation WHERE revision > ?1
    ORDER BY 1, 2";

const DECISIONS: &str = "
    SELECT id, at, actor, revision, action, subject, detail, 1 FROM decision
    WHERE (at, id) < (?1, ?2) ORDER BY at DESC, id DESC LIMIT ?3";

const REFUSALS: &str = "
    SELECT id, at, actor, 0, '', subject, detail, count FROM refused_call
    WHERE (at, id) < (?1, ?2) ORDER BY at DESC, id DESC LIMIT ?3";

/// Reads beside the writer. Every answer is of one moment.
#[derive(Debug)]
pub(super) struct Reader(Mutex<Connection>);

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self(Mutex::new(open::open_read_only(path)?)))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn load(&self) -> Result<Snapshot, StoreError> {
        let mut connection = self.connection();
        let moment = connection
            .transaction()
            .map_err(StoreError::sql("begin reading"))?;
        let mut snapshot = last_snapshot(&moment)?;
        for commit in commits_since(&moment, snapshot.revision)? {
            snapshot.apply(&commit);
        }
        Ok(snapshot)
    }

    pub(super) fn changes_since(&self, revision: Revision) -> Result<Changes, StoreError> {
        let mut connection = self.connection();
        let moment = connection
            .transaction()
            .map_err(StoreError::sql("begin reading"))?;
        let cut: u64 = moment
            .query_row("SELECT cut FROM head", [], |row| row.get(0))
            .map_err(StoreError::sql("read the head of the log"))?;
        if revision.0 < cut {
            return Ok(Changes::Compacted);
        }
        Ok(Changes::Commits(commits_since(&moment, revision)?))
    }

    pub(super) fn audit(&self, query: AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        let mut connection = self.connection();
        let moment = connection
            .transaction()
            .map_err(StoreError::sql("begin reading"))?;
        let before = query.before.unwrap_or(AuditCursor::END);
        let mut entries = Vec::new();
        for (kind, sql, id) in [
            (AuditKind::Refusal, REFUSALS, before.refused_id()),
            (AuditKind::Decision, DECISIONS, before.decision_id()),
        ] {
            if query.wants(kind) {
                entries.extend(read(&moment, sql, before.at(), id, query.limit)?);
            }
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.cursor));
        entries.truncate(query.limit as usize);
        Ok(entries)
    }
}

fn last_snapshot(moment: &Transaction<'_>) -> Result<Snapshot, StoreError> {
    let row: Option<(u64, u64, Vec<u8>)> = moment
        .query_row(
            "SELECT revision, decision_revision, world FROM snapshot",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()
        .map_err(StoreError::sql("read the snapshot"))?;
    let Some((revision, decisions, world)) = row else {
        return Ok(Snapshot::default());
    };
    let revision = Revision(revision);
    let world =
        serde_json::from_slice(&world).map_err(StoreError::decode("the snapshot", revision))?;
    Ok(Snapshot {
        world,
        revision,
        decisions: Revision(decisions),
    })
}

fn commits_since(moment: &Transaction<'_>, after: Revision) -> Result<Vec<Commit>, StoreError> {
    let doing = "read the log";
    let mut statement = moment
        .prepare_cached(TAIL)
        .map_err(StoreError::sql(doing))?;
    let mut rows = statement.query([after.0]).map_err(StoreError::sql(doing))?;
    let mut commits: Vec<(Revision, Vec<Change>)> = Vec::new();
    while let Some(row) = rows.next().map_err(StoreError::sql(doing))? {
        let revision = Revision(row.get(0).map_err(StoreError::sql(doing))?);
        let text = row.get_ref(2).and_then(|value| Ok(value.as_str()?));
        let change = serde_json::from_str(text.map_err(StoreError::sql(doing))?)
            .map_err(StoreError::decode("a change", revision))?;
        match commits.last_mut() {
            Some((last, changes)) if *last == revision => changes.push(change),
            _ => commits.push((revision, vec![change])),
        }
    }
    let commit = |(revision, changes)| Commit {
        revision,
        changes: Arc::from(changes),
    };
    Ok(commits.into_iter().map(commit).collect::<Vec<Commit>>())
}

fn read(
    moment: &Transaction<'_>,
    query: &str,
    at: u64,
    id: u64,
    limit: u32,
) -> Result<Vec<AuditEntry>, StoreError> {
    let doing = "read the audit log";
    let mut statement = moment
        .prepare_cached(query)
        .map_err(StoreError::sql(doing))?;
    let mut rows = statement
        .query(params![at, id, limit])
        .map_err(StoreError::sql(doing))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(StoreError::sql(doing))? {
        entries.push(entry(row).map_err(StoreError::sql(doing))?);
    }
    Ok(entries)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<AuditEntry> {
    let (id, at) = (row.get(0)?, Timestamp(row.get(1)?));
    let actor: String = row.get(2)?;
    let revision: u64 = row.get(3)?;
    let refused = revision == 0;
    let cursor = if refused {
        AuditCursor::refused(at, id)
    } else {
        AuditCursor::decision(at, id)
    };
    Ok(AuditEntry {
        cursor,
        revision: (!refused).then_some(Revision(revision)),
        at,
        actor: serde_json::from_str(&actor).ok(),
        action: if refused {
            REFUSED.to_owned()
        } else {
            row.get(4)?
        },
        subject: row.get(5)?,
        detail: row.get(6)?,
        count: row.get(7)?,
    })
}
