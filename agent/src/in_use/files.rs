//! Update locks as files on this host, for whoever cannot reach the socket.
//!
//! A file lasts for as long as it says from when it was last written or
//! touched: touching it is the heartbeat. What cannot be read counts as a
//! lock, for nobody knows what it says.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use pinion_model::{Timestamp, WorkloadName, parse_duration};
use pinion_workload::in_use::Lease;
use serde::Deserialize;

use super::leases::Leases;

/// Bytes of a file.
const SIZE_LIMIT: u64 = 4 * 1024;
/// Files that are read; with more, the machine counts as locked.
const FILE_LIMIT: usize = 1024;

/// What stands in a file; an empty one is a lock of the whole machine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    owner: Option<String>,
    reason: Option<String>,
    workload: Option<WorkloadName>,
    ttl: Option<String>,
}

/// The locks of a directory that have not ended; one that is not there has none. Names that begin
/// with a dot are left out, so that a file can be written beside and renamed.
pub(super) fn read(dir: &Path, now: Timestamp) -> Vec<Lease> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => return vec![unknown(dir, &error)],
    };
    let mut names = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => names.push(entry.file_name()),
            Err(error) => return vec![unknown(dir, &error)],
        }
    }
    names.retain(|name| !name.as_encoded_bytes().starts_with(b"."));
    names.sort();
    if names.len() > FILE_LIMIT {
        let many = format!("it has more than {FILE_LIMIT} files; remove those that are over");
        return vec![unknown(dir, &io::Error::other(many))];
    }
    let wall = SystemTime::now();
    let leases = names.iter().filter_map(|name| {
        let path = dir.join(name);
        match lease(&path, wall, now) {
            Ok(lease) => Some(lease),
            // Released since the directory was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(unknown(&path, &error)),
        }
    });
    let is_over = |lease: &Lease| lease.expires_at.is_some_and(|end| end <= now);
    leases.filter(|lease| !is_over(lease)).collect()
}

fn lease(path: &Path, wall: SystemTime, now: Timestamp) -> io::Result<Lease> {
    let (text, written) = content(path)?;
    // One of the future was written when the wall clock was wrong.
    let age = wall.duration_since(written).unwrap_or_default();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let content = match text.as_deref().map(str::trim) {
        None => Err("the agent may not read it; make it readable for everybody".to_owned()),
        Some("") => Ok(Content::default()),
        Some(text) => serde_json::from_str(text).map_err(|error| error.to_string()),
    };
    let content = content.and_then(|content: Content| {
        let ttl = content.ttl.as_deref().map(parse_duration).transpose();
        let ttl = ttl.map_err(|error| error.to_string())?;
        Ok((content, ttl))
    });
    let (content, ttl) = content.unwrap_or_else(|fault| {
        let reason = format!("its content is no lock, so nobody knows what it says: {fault}");
        let content = Content {
            reason: Some(reason),
            ..Content::default()
        };
        (content, None)
    });
    let ttl = ttl.unwrap_or(Leases::USUAL_TTL).min(Leases::LONGEST_TTL);
    Ok(Lease {
        workload: content.workload,
        owner: line(&content.owner.unwrap_or_else(|| name.into_owned())),
        reason: match content.reason {
            Some(reason) => line(&reason),
            None => format!("the file {} is there", path.display()),
        },
        expires_at: Some(end(now, ttl, age)),
    })
}

fn end(now: Timestamp, ttl: Duration, age: Duration) -> Timestamp {
    match ttl.checked_sub(age) {
        Some(left) => now + left,
        None => now,
    }
}

/// What stands in it, none if that may not be read, and when it was last
/// written. Never follows a link, and never waits for a pipe.
fn content(path: &Path) -> io::Result<(Option<String>, SystemTime)> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file: Option<File> = match file {
        Ok(file) => Some(file),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
        Err(error) => return Err(error),
    };
    let metadata = match &file {
        Some(file) => file.metadata()?,
        None => std::fs::symlink_metadata(path)?,
    };
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let text = file.map(|file| {
        let mut bytes = Vec::new();
        file.take(SIZE_LIMIT).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    });
    Ok((text.transpose()?, touched(&metadata)?))
}

/// When it was last written or touched, whatever somebody set that to: the
/// kernel's own mark of the last change is never in the future, as long as the
/// clock was right (`inode(7)`).
fn touched(metadata: &Metadata) -> io::Result<SystemTime> {
    let changed = u64::try_from(metadata.ctime()).unwrap_or_default();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed);
    Ok(metadata.modified()?.min(changed + Duration::from_secs(1)))
}

fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn unknown(path: &Path, error: &io::Error) -> Lease {
    Lease {
        workload: None,
        owner: path.display().to_string(),
        reason: format!("it cannot be read, so nobody knows whether it is a lock: {error}"),
        expires_at: None,
    }
}

#[cfg(test)]
mod tests;
