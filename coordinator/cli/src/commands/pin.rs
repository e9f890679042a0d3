//! `pinion pin`.

use pinion_proto::v1;

use super::App;
use crate::args::{PinCommand, PromoteArgs};
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::pins;

/// Pins asked for at once.
const PAGE: u32 = 1_000;

pub(super) async fn run(app: &App, command: PinCommand) -> Result<Exit, Error> {
    let link = app.link().await?;
    match command {
        PinCommand::Promote(args) => promote(app, &link, args).await?,
        PinCommand::List => {
            let answer = link
                .ask(
                    "PinService/ListPins",
                    link.pins().list_pins(v1::ListPinsRequest {}),
                )
                .await?;
            app.out.show("ListPinsResponse", &answer, |answer| {
                pins::list(answer, app.now)
            })?;
        }
        PinCommand::Show { workload } => {
            let request = v1::GetPinRequest {
                workload: workload.to_string(),
            };
            let answer = link
                .ask("PinService/GetPin", link.pins().get_pin(request))
                .await?;
            app.out.show("GetPinResponse", &answer, |answer| {
                pins::show(answer, workload.as_str(), app.now)
            })?;
        }
        PinCommand::History { workload, limit } => {
            let answer = history(&link, workload.as_str(), limit).await?;
            app.out.show("ListPinHistoryResponse", &answer, |answer| {
                pins::history(answer, workload.as_str(), app.now)
            })?;
        }
    }
    Ok(Exit::Done)
}

async fn promote(app: &App, link: &Link, args: PromoteArgs) -> Result<(), Error> {
    let request = v1::PromotePinRequest {
        workload: args.workload.to_string(),
        digest: args.digest.to_string(),
        source_sha: args.sha.to_string(),
        notes: args.notes,
    };
    let answer = link
        .ask("PinService/PromotePin", link.pins().promote_pin(request))
        .await?;
    app.out.show("PromotePinResponse", &answer, pins::promoted)
}

async fn history(
    link: &Link,
    workload: &str,
    limit: u32,
) -> Result<v1::ListPinHistoryResponse, Error> {
    let mut all = v1::ListPinHistoryResponse::default();
    loop {
        let left = limit.saturating_sub(all.pins.len() as u32);
        let request = v1::ListPinHistoryRequest {
            workload: workload.to_owned(),
            page_size: left.min(PAGE),
            page_token: std::mem::take(&mut all.next_page_token),
        };
        let page = link
            .ask(
                "PinService/ListPinHistory",
                link.pins().list_pin_history(request),
            )
            .await?;
        all.pins.extend(page.pins);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() || all.pins.len() as u32 >= limit {
            return Ok(all);
        }
    }
}
