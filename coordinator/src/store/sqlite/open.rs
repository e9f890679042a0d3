use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::store::StoreError;

mod embedded {
    #![allow(missing_docs, unreachable_pub)]
    refinery::embed_migrations!("src/store/sqlite/migrations");
}

/// Marks a database as ours ("Pini").
const APPLICATION_ID: i32 = 0x5069_6e69;
/// How long to wait for someone who reads our file with a tool of their own.
const BUSY: Duration = Duration::from_secs(2);

/// The open database and the lock that comes with it.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    _lock: File,
}

/// Locks `path`, checks it without writing, then opens it at the newest schema.
pub(super) fn open(path: &Path) -> Result<Database, StoreError> {
    let lock = lock(path)?;
    let is_new = create(path)?;
    if !is_new {
        check(path)?;
    }
    let mut connection = Connection::open(path).map_err(|source| refused(path, source))?;
    prepare(&connection).map_err(|source| refused(path, source))?;
    migrate(path, &mut connection)?;
    Ok(Database {
        connection,
        _lock: lock,
    })
}

/// A connection that can only read, beside the one that writes.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|source| refused(path, source))?;
    connection
        .busy_timeout(BUSY)
        .map_err(|source| refused(path, source))?;
    Ok(connection)
}

/// An advisory lock ends with the process, however it ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = private(&PathBuf::from(name))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(io(path, source)),
    }
}

/// Makes the file for its owner alone. True if there is nothing in it.
fn create(path: &Path) -> Result<bool, StoreError> {
    let file = private(path)?;
    let length = file.metadata().map_err(|source| io(path, source))?.len();
    Ok(length == 0)
}

fn private(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| io(path, source))
}

fn io(path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Open {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

/// Refuses a file that is damaged, someone else's or newer. Reads only.
fn check(path: &Path) -> Result<(), StoreError> {
    let connection = open_read_only(path)?;
    let (application, tables) = identity(&connection).map_err(|source| refused(path, source))?;
    if tables == 0 && application == 0 {
        // A first start was cut short before its first commit.
        return Ok(());
    }
    if application != APPLICATION_ID {
        return Err(StoreError::Foreign {
            path: path.to_owned(),
        });
    }
    check_content(path, &connection)?;
    check_version(path, &connection)
}

fn identity(connection: &Connection) -> rusqlite::Result<(i32, i64)> {
    let application = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((application, tables))
}

fn check_content(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| refused(path, source))?;
    if found == "ok" {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        path: path.to_owned(),
        detail: found,
    })
}

fn check_version(path: &Path, connection: &Connection) -> Result<(), StoreError> {
    let has_history: bool = connection
        .query_row(
            "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'refinery_schema_history'",
            [],
            |row| row.get(0),
        )
        .map_err(|source| refused(path, source))?;
    if !has_history {
        return Ok(());
    }
    let found: Option<i64> = connection
        .query_row(
            "SELECT max(version) FROM refinery_schema_history",
            [],
            |row| row.get(0),
        )
        .map_err(|source| refused(path, source))?;
    let known = known_version();
    match found {
        Some(found) if found > known => Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        }),
        _ => Ok(()),
    }
}

fn known_version() -> i64 {
    let runner = embedded::migrations::runner();
    runner
        .get_migrations()
        .iter()
        .map(|migration| i64::from(migration.version()))
        .max()
        .unwrap_or(0)
}

/// FULL: an acknowledged commit survives power loss, not only a crash.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(32);
    Ok(())
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<(), StoreError> {
    let error = |source| StoreError::Migrate {
        path: path.to_owned(),
        source: Arc::new(source),
    };
    embedded::migrations::runner()
        .run(connection)
        .map(|_| ())
        .map_err(error)
}

/// What SQLite's own words mean for a person.
fn refused(path: &Path, source: rusqlite::Error) -> StoreError {
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Locked {
            path: path.to_owned(),
        },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => StoreError::Corrupt {
            path: path.to_owned(),
            detail: source.to_string(),
        },
        _ => StoreError::Sql {
            doing: "open the database",
            source: Arc::new(source),
        },
    }
}
