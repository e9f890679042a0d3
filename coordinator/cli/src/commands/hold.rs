//! `pinion hold`.

use pinion_proto::v1;

use super::{App, machine};
use crate::args::values::selector;
use crate::args::{HoldArgs, HoldCommand, LiftArgs, PlaceArgs, Reasoned};
use crate::connect::Link;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::holds;

/// Holds asked for at once.
const PAGE: u32 = 1_000;

pub(super) async fn run(app: &App, command: HoldCommand) -> Result<Exit, Error> {
    let link = &app.link().await?;
    match command {
        HoldCommand::List => {
            let answer = all(link).await?;
            app.out.show("ListHoldsResponse", &answer, |answer| {
                holds::list(answer, app.now)
            })?;
        }
        HoldCommand::Place(args) => place(app, link, args).await?,
        HoldCommand::Lift(args) => lift(app, link, args).await?,
    }
    Ok(Exit::Done)
}

async fn all(link: &Link) -> Result<v1::ListHoldsResponse, Error> {
    let mut all = v1::ListHoldsResponse::default();
    loop {
        let request = v1::ListHoldsRequest {
            page_size: PAGE,
            page_token: std::mem::take(&mut all.next_page_token),
        };
        let page = link
            .ask("FleetService/ListHolds", link.fleet().list_holds(request))
            .await?;
        all.holds.extend(page.holds);
        all.next_page_token = page.next_page_token;
        if all.next_page_token.is_empty() {
            return Ok(all);
        }
    }
}

async fn place(app: &App, link: &Link, args: PlaceArgs) -> Result<(), Error> {
    if let Some(agent) = args.agent {
        let one = HoldArgs {
            agent,
            reason: args.reason,
            duration: args.duration,
        };
        return machine::hold(app, link, one).await;
    }
    let request = v1::PlaceHoldRequest {
        agents: selector(&args.select),
        workload: args
            .workload
            .map(|name| name.to_string())
            .unwrap_or_default(),
        reason: args.reason,
        expires_at: args.duration.map(|duration| app.after(duration)),
    };
    let answer = link
        .ask("FleetService/PlaceHold", link.fleet().place_hold(request))
        .await?;
    app.out.show("PlaceHoldResponse", &answer, |answer| {
        holds::placed(answer, app.now)
    })
}

async fn lift(app: &App, link: &Link, args: LiftArgs) -> Result<(), Error> {
    let LiftArgs {
        hold,
        agent,
        reason,
    } = args;
    if let Some(agent) = agent {
        return machine::release(app, link, Reasoned { agent, reason }).await;
    }
    let request = v1::LiftHoldRequest {
        hold: hold.unwrap_or_default(),
        reason,
    };
    let answer = link
        .ask("FleetService/LiftHold", link.fleet().lift_hold(request))
        .await?;
    app.out.show("LiftHoldResponse", &answer, holds::lifted)
}
