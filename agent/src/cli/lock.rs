//! `pinion-agent lock`: update locks, through the running agent's socket.

use std::path::Path;

use clap::{Args, Subcommand};
use http::Method;
use hyper::body::Bytes;
use pinion_model::WorkloadName;

use super::StateDir;
use crate::socket::{Asked, LockAnswer, LockList, SOCKET};
use crate::status_table::{StatusError, ask};

#[derive(Debug, Args)]
pub(super) struct LockArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Show who holds this machine, why and until when
    List {
        #[command(flatten)]
        state_dir: StateDir,
        /// Print the socket's own JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a lock and print its id; the same owner takes the same lock
    Take {
        #[command(flatten)]
        state_dir: StateDir,
        /// Who holds it, such as "backup"
        #[arg(long)]
        owner: String,
        /// Why, for whoever waits
        #[arg(long, default_value = "")]
        reason: String,
        /// Keep this workload alone [default: the whole machine]
        #[arg(long, value_name = "NAME")]
        workload: Option<WorkloadName>,
        /// It ends by itself after this unless it is renewed, at most 24h [default: 10m]
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
    },
    /// Hold a lock longer, from now on
    Renew {
        #[command(flatten)]
        state_dir: StateDir,
        /// As `take` printed it
        id: String,
        /// For how long [default: as it was taken]
        #[arg(long, value_name = "DURATION")]
        ttl: Option<String>,
    },
    /// End a lock
    Release {
        #[command(flatten)]
        state_dir: StateDir,
        /// As `take` printed it
        id: String,
    },
}

pub(super) async fn act(args: LockArgs) -> Result<(), StatusError> {
    match args.act {
        Act::List { state_dir, json } => list(&state_dir.path, json).await,
        Act::Take {
            state_dir,
            owner,
            reason,
            workload,
            ttl,
        } => {
            let asked = Asked {
                owner: Some(owner),
                reason: Some(reason),
                workload,
                ttl,
            };
            let lock = post(&state_dir.path, "/v1/locks", &asked).await?;
            println!("{}", lock.id);
            eprintln!("held until {}", lock.expires_at);
            Ok(())
        }
        Act::Renew { state_dir, id, ttl } => {
            let asked = Asked {
                ttl,
                ..Asked::default()
            };
            let path = format!("/v1/locks/{}/renew", segment(&id));
            let lock = post(&state_dir.path, &path, &asked).await?;
            println!("held until {}", lock.expires_at);
            Ok(())
        }
        Act::Release { state_dir, id } => {
            let path = format!("/v1/locks/{}", segment(&id));
            let socket = state_dir.path.join(SOCKET);
            ask(&socket, Method::DELETE, &path, Bytes::new()).await?;
            println!("released");
            Ok(())
        }
    }
}

/// What is no id is asked for as one that nobody has.
fn segment(id: &str) -> &str {
    let is_plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric());
    if is_plain { id } else { "-" }
}

async fn post(state_dir: &Path, path: &str, asked: &Asked) -> Result<LockAnswer, StatusError> {
    let body = Bytes::from(serde_json::to_vec(asked)?);
    let answer = ask(&state_dir.join(SOCKET), Method::POST, path, body).await?;
    Ok(serde_json::from_slice(&answer)?)
}

async fn list(state_dir: &Path, json: bool) -> Result<(), StatusError> {
    let body = ask(
        &state_dir.join(SOCKET),
        Method::GET,
        "/v1/locks",
        Bytes::new(),
    )
    .await?;
    if json {
        println!("{}", String::from_utf8_lossy(&body));
        return Ok(());
    }
    let list: LockList = serde_json::from_slice(&body)?;
    for line in lines(&list) {
        println!("{line}");
    }
    Ok(())
}

fn lines(list: &LockList) -> Vec<String> {
    if list.locks.is_empty() && list.files.is_empty() {
        return vec!["Nobody holds a lock.".to_owned()];
    }
    let of = |workload: &Option<WorkloadName>| {
        let name = workload.as_ref().map(ToString::to_string);
        name.unwrap_or_else(|| "the machine".to_owned())
    };
    let taken = list.locks.iter().map(|lock| {
        let (id, owner, until) = (&lock.id, &lock.owner, &lock.expires_at);
        let of = of(&lock.workload);
        format!("{id:16}  {of}, by {owner} until {until}: {}", lock.reason)
    });
    let files = list.files.iter().map(|file| {
        let until = file.expires_at.as_deref();
        let until = until.unwrap_or("it can be read");
        let (of, owner) = (of(&file.workload), &file.owner);
        format!(
            "{:16}  {of}, by {owner} until {until}: {}",
            "file", file.reason
        )
    });
    taken.chain(files).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_tells_of_whom_by_whom_until_when_and_why() {
        let nobody = LockList {
            locks: Vec::new(),
            files: Vec::new(),
        };
        assert_eq!(lines(&nobody), ["Nobody holds a lock."]);
        let json = r#"{
          "locks": [{"id": "00c0ffee00c0ffee", "workload": "codex", "owner": "build-7", "reason": "a build runs",
            "taken_at": "a", "renewed_at": "b", "expires_at": "C", "expires_in_seconds": 9, "ttl": "10m"}],
          "files": [{"workload": null, "owner": "backup", "reason": "dump", "expires_at": null}]
        }"#;
        let list: LockList = serde_json::from_str(json).expect("a list");
        assert_eq!(
            lines(&list),
            [
                "00c0ffee00c0ffee  codex, by build-7 until C: a build runs",
                "file              the machine, by backup until it can be read: dump"
            ]
        );
    }

    #[test]
    fn what_is_no_id_cannot_become_another_path() {
        for text in ["", "../workloads", "a/b", "a b", "a?b"] {
            assert_eq!(segment(text), "-");
        }
        assert_eq!(segment("00c0ffee"), "00c0ffee");
    }
}
