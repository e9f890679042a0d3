//! `pinion audit`.

use pinion_proto::v1;

use super::App;
use crate::args::{AuditCommand, AuditListArgs};
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::age::clock;
use crate::output::audit;
use crate::watch::follow::{Event, follow};

/// Entries asked for at once.
const PAGE: u32 = 1_000;

pub(super) async fn run(app: &App, command: AuditCommand) -> Result<Exit, Error> {
    let AuditCommand::List(args) = command;
    let link = app.link().await?;
    if args.follow {
        return follow_entries(app, &link, &args).await;
    }
    let answer = list(&link, &args).await?;
    app.out
        .show("ListAuditEntriesResponse", &answer, |answer| {
            audit::list(answer, args.refused)
        })?;
    Ok(Exit::Done)
}

async fn list(link: &Link, args: &AuditListArgs) -> Result<v1::ListAuditEntriesResponse, Error> {
    let mut all = v1::ListAuditEntriesResponse::default();
    loop {
        let left = args.limit.saturating_sub(all.entries.len() as u32);
        let request = v1::ListAuditEntriesRequest {
            page_size: left.min(PAGE),
            page_token: std::mem::take(&mut all.next_page_token),
            refused: args.refused,
        };
        let page = link
            .ask(
                "AuditService/ListAuditEntries",
                link.audit().list_audit_entries(request),
            )
            .await?;
        all.entries.extend(page.entries);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() || all.entries.len() as u32 >= args.limit {
            return Ok(all);
        }
    }
}

/// What was, oldest first, then each entry as it is made.
async fn follow_entries(app: &App, link: &Link, args: &AuditListArgs) -> Result<Exit, Error> {
    let mut past = list(link, args).await?.entries;
    past.reverse();
    let mut last = 0;
    for entry in &past {
        last = last.max(entry.revision);
        show(app, entry)?;
    }
    follow(
        link,
        "AuditService/WatchAudit",
        async || link.audit().watch_audit(v1::WatchAuditRequest {}).await,
        |event| {
            match event {
                Event::Message(answer) => {
                    if let Some(entry) = answer
                        .entry
                        .filter(|entry| is_new(entry, last, args.refused))
                    {
                        last = last.max(entry.revision);
                        show(app, &entry)?;
                    }
                }
                Event::Broken { why, wait } => eprintln!(
                    "{} lost sight of the log ({why}); looking again in {wait:?}",
                    clock()
                ),
                Event::Quiet => {}
                Event::Back => eprintln!("{} the coordinator answers again", clock()),
            }
            Ok(None)
        },
    )
    .await
}

/// Refused calls have no revision; of the others none is shown twice.
fn is_new(entry: &v1::AuditEntry, last: u64, refused: bool) -> bool {
    if refused {
        entry.revision == 0
    } else {
        entry.revision == 0 || entry.revision > last
    }
}

fn show(app: &App, entry: &v1::AuditEntry) -> Result<(), Error> {
    app.out.show("AuditEntry", entry, audit::line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_entry_is_shown_twice_and_refusals_always() {
        let entry = |revision| v1::AuditEntry {
            revision,
            ..Default::default()
        };
        assert!(!is_new(&entry(5), 5, false));
        assert!(is_new(&entry(6), 5, false));
        assert!(is_new(&entry(0), 5, false));
        assert!(!is_new(&entry(6), 5, true));
    }
}
