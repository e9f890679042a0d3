use pinion_model::{Actor, AgentId, LabelSelector, ParseError};
use pinion_proto::convert::from_timestamp;
use pinion_proto::v1;
use pinion_rollout::commands::{self, PlaceHold};
use pinion_rollout::{FleetHold, World};

use super::convert::holds::{of_fleet, of_machine};
use super::{CallError, Context, page};

/// What stands before the name of a machine in a page's token; no id of a hold
/// begins so.
const MACHINE: &str = "agent:";

/// What rollouts go round, page by page.
pub(super) fn list(
    context: &Context,
    request: &v1::ListHoldsRequest,
) -> Result<v1::ListHoldsResponse, CallError> {
    let size = page::size(request.page_size)?;
    let start = Start::parse(&request.page_token)?;
    let (holds, more) = context.ledger.read(|world| {
        let fleet = newest_first(world, &start);
        let fleet = fleet.into_iter().map(|(id, hold)| of_fleet(id, hold));
        let agents = world.agents.after(start.machine.as_ref());
        let machines = agents.filter_map(|(name, agent)| {
            let hold = agent.hold.as_ref()?;
            Some(of_machine(name, hold))
        });
        page::cut(fleet.chain(machines), size)
    });
    let next = holds.last().filter(|_| more).map(token);
    Ok(v1::ListHoldsResponse {
        holds,
        next_page_token: next.unwrap_or_default(),
    })
}

/// Where a page begins: holds of the fleet with a lower number, the newest
/// first, then machines after this one.
struct Start {
    below: u64,
    machine: Option<AgentId>,
}

impl Start {
    fn parse(token: &str) -> Result<Self, CallError> {
        let (below, machine) = match token.strip_prefix(MACHINE) {
            Some(name) => {
                let name = name.parse();
                let name = name.map_err(|_: ParseError| page::invalid_token())?;
                (0, Some(name))
            }
            None if token.is_empty() => (u64::MAX, None),
            None => (number(token).ok_or_else(page::invalid_token)?, None),
        };
        Ok(Self { below, machine })
    }
}

fn token(last: &v1::Hold) -> String {
    if last.id.is_empty() {
        return format!("{MACHINE}{}", last.agent);
    }
    last.id.clone()
}

/// Of `hold-<n>`; none if it is no id of a hold.
fn number(id: &str) -> Option<u64> {
    id.strip_prefix("hold-")?.parse().ok()
}

fn newest_first<'a>(world: &'a World, start: &Start) -> Vec<(&'a str, &'a FleetHold)> {
    let holds = world.holds.iter().map(|(id, hold)| (id.as_str(), hold));
    let mut holds: Vec<_> = holds
        .filter(|(id, _)| number(id).is_some_and(|number| number < start.below))
        .collect();
    holds.sort_by_key(|(id, _)| std::cmp::Reverse(number(id)));
    holds
}

/// Lets rollouts go round machines, a workload or everything.
pub(super) async fn place(
    context: &Context,
    request: v1::PlaceHoldRequest,
    by: &Actor,
) -> Result<v1::PlaceHoldResponse, CallError> {
    let workload = match request.workload.as_str() {
        "" => None,
        name => Some(context.known_workload(name)?),
    };
    let labels = request.agents.unwrap_or_default().match_labels;
    let wanted = PlaceHold {
        agents: LabelSelector(labels),
        workload,
        reason: request.reason,
        expires_at: request.expires_at.as_ref().map(from_timestamp),
    };
    let id = context
        .decide(|world, now| commands::place_hold(world, wanted.clone(), by, now))
        .await?;
    let (hold, agents) = context.ledger.read(|world| {
        let hold = world.holds.get(&id);
        (hold.map(|hold| of_fleet(&id, hold)), kept(world, &wanted))
    });
    Ok(v1::PlaceHoldResponse { hold, agents })
}

/// Enrolled machines that a hold is about now.
fn kept(world: &World, hold: &PlaceHold) -> u32 {
    let agents = world.agents.values();
    let kept = agents
        .filter(|agent| agent.revoked.is_none() && hold.agents.matches(&agent.labels))
        .count();
    u32::try_from(kept).unwrap_or(u32::MAX)
}

/// Ends a hold that [`place`] placed.
pub(super) async fn lift(
    context: &Context,
    request: v1::LiftHoldRequest,
    by: &Actor,
) -> Result<v1::LiftHoldResponse, CallError> {
    let v1::LiftHoldRequest { hold: id, reason } = request;
    if number(&id).is_none() {
        let error = ParseError::new(
            "a hold's id",
            "such as \"hold-3\", as ListHolds has it; a machine's own hold ends with ReleaseAgent",
            &id,
        );
        return Err(CallError::invalid("hold", error.to_string()));
    }
    let hold = context
        .decide(|world, now| commands::lift_hold(world, &id, &reason, by, now))
        .await?;
    Ok(v1::LiftHoldResponse {
        hold: Some(of_fleet(&id, &hold)),
    })
}
