//! Which of the two comes first: is the old container stopped, or the next one
//! started? And what stands in the way of running both at once.
//!
//! ```text
//!   label pinion.order=start-first ─┐
//!   claims of the container        ─┼─▶ check ─▶ start-first, stop-first, or refused with every reason
//!   who is replaced with it        ─┘
//! ```
//!
//! Asked for on the container, by who made it: whether two of a program may
//! run at once is known to nobody else, least of all to who rolls out.

mod claims;

use pinion_model::{Failure, FailureKind};

use crate::Container;
use crate::group::Member;

pub use claims::{Claim, claims};

/// Label that says in which order a container is replaced: [`STOP_FIRST`]
/// (also without it) or [`START_FIRST`].
pub const ORDER_LABEL: &str = "pinion.order";
/// The old one is stopped, then the next one started.
pub const STOP_FIRST: &str = "stop-first";
/// The next one is started and proven beside the old one, which is stopped then.
pub const START_FIRST: &str = "start-first";
/// Label that, set to `true`, says that two of them may write to their
/// volumes at once.
pub const SHARED_WRITES_LABEL: &str = "pinion.shared-writes";

/// Whether it asks for it; whether it can be is [`check`]'s to say.
pub(crate) fn asks_for_start_first(container: &Container) -> bool {
    container.labels.get(ORDER_LABEL).map(String::as_str) == Some(START_FIRST)
}

/// Checks that each can be replaced in the order that it asks for. `switched`:
/// there is a hook that points a proxy from one container to another.
///
/// # Errors
///
/// If one asks for an order that there is not, or to be replaced start-first
/// though two cannot run at once: every reason, with what would change it.
pub(crate) fn check(members: &[Member<'_>], switched: bool) -> Result<(), Failure> {
    members.iter().try_for_each(|member| {
        let with_it =
            |m: &&Member<'_>| m.group == member.group && m.container.id != member.container.id;
        let fellow = members.iter().find(with_it).map(|m| m.container);
        check_one(member.container, fellow, switched)
    })
}

/// Checks that the agent's own container asks for nothing that cannot be.
///
/// # Errors
///
/// If it asks to be replaced start-first.
pub(crate) fn check_agent(own: &Container) -> Result<(), Failure> {
    if asks_for_start_first(own) {
        let why = "it is the agent itself, and two of one identity would be held by the coordinator. \
                   Remove the label: its replacement is watched by a container of its own";
        return Err(refusal(
            own,
            &format!("it asks to be replaced {START_FIRST} (label {ORDER_LABEL}), and {why}"),
        ));
    }
    check_one(own, None, false)
}

fn check_one(
    container: &Container,
    fellow: Option<&Container>,
    switched: bool,
) -> Result<(), Failure> {
    match container.labels.get(ORDER_LABEL).map(String::as_str) {
        None | Some(STOP_FIRST) => return Ok(()),
        Some(START_FIRST) => {}
        Some(other) => {
            let why = format!(
                "its label {ORDER_LABEL} says {other:?}, which is neither {STOP_FIRST} nor {START_FIRST}. Correct it"
            );
            return Err(refusal(container, &why));
        }
    }
    let reasons = in_the_way(container, fellow, switched);
    if reasons.is_empty() {
        return Ok(());
    }
    let why = format!(
        "it asks to be replaced {START_FIRST} (label {ORDER_LABEL}), and two of it cannot run at once: {}. \
         Change that, or remove the label to have the old one stopped first",
        reasons.join("; ")
    );
    Err(refusal(container, &why))
}

fn in_the_way(container: &Container, fellow: Option<&Container>, switched: bool) -> Vec<String> {
    let shared = container.labels.get(SHARED_WRITES_LABEL);
    let shared = shared.map(String::as_str) == Some("true");
    let counts = |claim: &&Claim| match claim {
        Claim::WritableMount(_) => !shared,
        Claim::OpenPort(_) => !switched,
        _ => true,
    };
    let claims = container.claims.iter().filter(counts);
    let mut reasons: Vec<_> = claims.map(Claim::words).collect();
    reasons.extend(fellow.map(|fellow| {
        format!(
            "it is replaced as one with {:?}, since one of them shares a namespace or the volumes of the other, or links to it",
            fellow.name
        )
    }));
    reasons
}

fn refusal(container: &Container, why: &str) -> Failure {
    let message = format!(
        "container {:?} is not replaced: {why}; nothing was touched",
        container.name
    );
    Failure::new(FailureKind::Policy, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::next::tests::sample;

    #[test]
    fn only_who_asks_for_it_and_claims_nothing_is_replaced_start_first() {
        let all_claims = [
            (Claim::HostPort("80/tcp".into()), "80/tcp"),
            (Claim::Address("172.18.0.9 on n".into()), "172.18.0.9"),
            (Claim::Namespace("PidMode host".into()), "PidMode host"),
            (Claim::WritableMount("/data".into()), "/data"),
        ];
        let mut asks = sample("web");
        asks.labels.insert(ORDER_LABEL.into(), START_FIRST.into());
        assert_eq!(check_one(&asks, None, false), Ok(()));
        for (claim, named) in &all_claims {
            let mut claiming = asks.clone();
            claiming.claims = vec![claim.clone()];
            let refused = check_one(&claiming, None, false).expect_err("it cannot be");
            assert_eq!(refused.kind, FailureKind::Policy);
            assert!(refused.message.contains(named), "{}", refused.message);
            claiming.labels.remove(ORDER_LABEL);
            assert_eq!(check_one(&claiming, None, false), Ok(()));
            claiming
                .labels
                .insert(ORDER_LABEL.into(), STOP_FIRST.into());
            assert_eq!(check_one(&claiming, None, false), Ok(()));
        }
        let mut all = asks.clone();
        all.claims = all_claims.iter().map(|(claim, _)| claim.clone()).collect();
        let refused = check_one(&all, None, false)
            .expect_err("it cannot be")
            .message;
        for (_, named) in &all_claims {
            assert!(refused.contains(named), "every reason at once: {refused}");
        }
        let mut typo = asks;
        typo.labels.insert(ORDER_LABEL.into(), "startfirst".into());
        let refused = check_one(&typo, None, false).expect_err("nobody knows that order");
        assert!(refused.message.contains("\"startfirst\""), "{refused}");
    }

    #[test]
    fn writes_of_two_at_once_may_be_allowed_and_nothing_else() {
        let mut asks = sample("web");
        asks.labels.insert(ORDER_LABEL.into(), START_FIRST.into());
        asks.labels
            .insert(SHARED_WRITES_LABEL.into(), "true".into());
        asks.claims = vec![Claim::WritableMount("/data".into())];
        assert_eq!(check_one(&asks, None, false), Ok(()));
        asks.claims.push(Claim::HostPort("80/tcp".into()));
        let refused = check_one(&asks, None, false)
            .expect_err("a port is a port")
            .message;
        assert!(!refused.contains("/data"), "{refused}");
        asks.claims.pop();
        asks.labels.insert(SHARED_WRITES_LABEL.into(), "yes".into());
        assert!(check_one(&asks, None, false).is_err());
    }

    #[test]
    fn a_port_that_the_engine_chooses_is_no_reason_where_a_hook_switches() {
        let mut asks = sample("web");
        asks.labels.insert(ORDER_LABEL.into(), START_FIRST.into());
        asks.claims = vec![Claim::OpenPort("80/tcp".into())];
        let refused = check_one(&asks, None, false)
            .expect_err("nobody is told")
            .message;
        assert!(
            refused.contains("80/tcp") && refused.contains("switch hook"),
            "{refused}"
        );
        assert_eq!(check_one(&asks, None, true), Ok(()));
        asks.claims = vec![Claim::HostPort("80/tcp".into())];
        assert!(
            check_one(&asks, None, true).is_err(),
            "one port is one port"
        );
    }

    #[test]
    fn what_is_replaced_as_one_with_another_is_not_replaced_start_first() {
        let (mut asks, other, alone) = (sample("web"), sample("sidecar"), sample("db"));
        asks.labels.insert(ORDER_LABEL.into(), START_FIRST.into());
        let member = |container, group| Member {
            container,
            group,
            own_image: false,
        };
        let beside = [member(&asks, 0), member(&alone, 1)];
        assert_eq!(check(&beside, false), Ok(()));
        let as_one = [member(&other, 0), member(&asks, 0)];
        let refused = check(&as_one, true).expect_err("both go at once").message;
        assert!(
            refused.contains("\"web\" is not") && refused.contains("\"sidecar\""),
            "{refused}"
        );
    }

    #[test]
    fn the_agent_itself_is_not_replaced_start_first() {
        let mut own = sample("agent");
        assert_eq!(check_agent(&own), Ok(()));
        own.labels.insert(ORDER_LABEL.into(), START_FIRST.into());
        assert!(check_agent(&own).is_err());
    }
}
