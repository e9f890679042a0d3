//! `pinion quarantine`.

use pinion_model::{Digest, WorkloadName};
use pinion_proto::v1;

use super::App;
use crate::args::{QuarantineArgs, QuarantineCommand};
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::quarantine;

/// Digests asked for at once.
const PAGE: u32 = 1_000;

pub(super) async fn run(app: &App, command: QuarantineCommand) -> Result<Exit, Error> {
    let link = &app.link().await?;
    match command {
        QuarantineCommand::List { workload } => {
            let answer = all(link, workload).await?;
            app.out.show("ListQuarantinedResponse", &answer, |answer| {
                quarantine::list(answer, app.now)
            })?;
        }
        QuarantineCommand::Add(args) => add(app, link, args).await?,
        QuarantineCommand::Lift { digest, reason } => lift(app, link, &digest, reason).await?,
    }
    Ok(Exit::Done)
}

async fn all(
    link: &Link,
    workload: Option<WorkloadName>,
) -> Result<v1::ListQuarantinedResponse, Error> {
    let workload = workload.map(|name| name.to_string()).unwrap_or_default();
    let mut all = v1::ListQuarantinedResponse::default();
    loop {
        let request = v1::ListQuarantinedRequest {
            workload: workload.clone(),
            page_size: PAGE,
            page_token: std::mem::take(&mut all.next_page_token),
        };
        let page = link
            .ask(
                "QuarantineService/ListQuarantined",
                link.quarantine().list_quarantined(request),
            )
            .await?;
        all.quarantined.extend(page.quarantined);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn add(app: &App, link: &Link, args: QuarantineArgs) -> Result<(), Error> {
    let request = v1::QuarantineDigestRequest {
        workload: args.workload.to_string(),
        digest: args.digest.to_string(),
        reason: args.reason,
    };
    let answer = link
        .ask(
            "QuarantineService/QuarantineDigest",
            link.quarantine().quarantine_digest(request),
        )
        .await?;
    app.out.show("QuarantineDigestResponse", &answer, |answer| {
        quarantine::added(answer, app.now)
    })
}

async fn lift(app: &App, link: &Link, digest: &Digest, reason: String) -> Result<(), Error> {
    let request = v1::LiftQuarantineRequest {
        digest: digest.to_string(),
        reason,
    };
    let answer = link
        .ask(
            "QuarantineService/LiftQuarantine",
            link.quarantine().lift_quarantine(request),
        )
        .await?;
    app.out
        .show("LiftQuarantineResponse", &answer, quarantine::lifted)
}
