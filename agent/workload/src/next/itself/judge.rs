//! Whose fault it was that a new agent was taken back.
//!
//! ```text
//!   cause                              the old one's session        so it was
//!   crashed, cannot be run                                          the version's
//!   no session, coordinator took       at once                      the version's
//!     connections meanwhile            none within the patience     nobody's to say
//!   no session, it took none                                        nobody's to say
//!   interrupted from outside                                        nobody's to say
//! ```

use std::time::Duration;

use pinion_model::{Failure, FailureKind};

use crate::{Cause, Stage, Step, Verdict};

use super::super::View;

/// How long the old program may take to have a session: where the coordinator
/// is there, it takes a second.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn judge(view: View<'_>, verdict: &Verdict) -> Step {
    let failure = match &verdict.cause {
        Cause::Kept => {
            let mut operation = view.operation.clone().at(Stage::Settle, view.now);
            operation.units.iter_mut().for_each(|u| u.proven = true);
            return view.write(operation);
        }
        Cause::Crashed { how } => crashed(how),
        Cause::Unusable { why } => unusable(why),
        Cause::Interrupted => indeterminate(
            "its starts were interrupted from outside, such as by losses of power or a kill of the launcher",
        ),
        Cause::Unconfirmed { reachable: false } => indeterminate(
            "the coordinator took no connections meanwhile, so nobody could have had a session",
        ),
        Cause::Unconfirmed { reachable: true } => {
            let itself = view.observed.itself;
            let end = itself.since + PATIENCE;
            match itself.session {
                Some(_) => without_session(view),
                None if view.now < end => {
                    return Step::Rest { wake_at: Some(end) };
                }
                None => indeterminate(
                    "the old agent, back in its place, had none at once either: the coordinator or the network is away",
                ),
            }
        }
    };
    view.take_back(0, failure.with_log(verdict.words.clone()))
}

fn crashed(how: &str) -> Failure {
    Failure::new(
        FailureKind::Start,
        format!(
            "the new agent ended by itself as often as it may ({how}); the old one is back. Its last lines are below: mend it, and roll out another image"
        ),
    )
}

fn unusable(why: &str) -> Failure {
    Failure::new(
        FailureKind::Start,
        format!(
            "the new agent cannot be run on this machine: {why}; the old one is back. Look at the image's platform and its /pinion-agent"
        ),
    )
}

fn without_session(view: View<'_>) -> Failure {
    let seconds = view.operation.assignment.healthy_deadline.as_secs();
    Failure::new(
        FailureKind::Health,
        format!(
            "the new agent ran and had no session with the coordinator within {seconds} s (healthy_deadline), and the old one, back in its place, had one at once. \
             Its last lines are below: mend it, and roll out another image"
        ),
    )
}

fn indeterminate(why: &str) -> Failure {
    Failure::new(
        FailureKind::Indeterminate,
        format!(
            "the new agent could not be confirmed, and that tells nothing of it: {why}. The old one is back; once the coordinator is reachable, retry this machine"
        ),
    )
}
