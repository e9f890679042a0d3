//! The end, of what went well and of what did not.

use pinion_model::AgentPhase;

use crate::itself::replacer_of;
use crate::{Call, Home, OwnCall, Stage, Step};

use super::super::{View, abandon, finish, settle};
use super::cut::{tried, with_replacer};
use super::judge::judge;

/// Confirmed: watched for as long as any container. In a slot, the launcher
/// counts crashes; a container is watched by the replacer, which says when it
/// has done.
pub(super) fn soak(view: View<'_>) -> Step {
    let itself = view.observed.itself;
    if let Some(verdict) = itself.verdict(&view.operation.id) {
        return judge(view, verdict);
    }
    if let Home::Container(_) = itself.home {
        return with_replacer(view);
    }
    let end = view.operation.since + view.operation.assignment.soak;
    if view.now < end || tried(view).is_none() {
        return Step::Rest {
            wake_at: Some(end.max(view.now + super::ENGINE_PAUSE)),
        };
    }
    view.write(view.operation.clone().at(Stage::Settle, view.now))
}

pub(super) fn next(view: View<'_>) -> Step {
    let itself = view.observed.itself;
    // Also where the journal that knew of it is lost: it has been assigned.
    if let (Home::Slot(_), Some(candidate)) = (&itself.home, itself.tried(view.machine.0)) {
        let op = candidate.op.clone();
        return Step::Call(Call::Own(match candidate.confirmed {
            true => OwnCall::Keep(op),
            false => OwnCall::Confirm(op),
        }));
    }
    remove_replacer(view).unwrap_or_else(|| settle::next(view))
}

/// The old program is back, which it knows from being asked.
pub(super) fn back(view: View<'_>) -> Step {
    if let Some(step) = words_of_replacer(view)
        .or_else(|| remove_replacer(view))
        .or_else(|| remove_next(view))
        .or_else(|| restore_policy(view))
    {
        return step;
    }
    let old = view.operation.units.first().map(|unit| &unit.old);
    let running = old.and_then(|old| old.digest.clone());
    let mut record = view.observed.record.clone();
    if let Some(digest) = &running {
        record.clear_failures(digest);
    }
    finish::close(view, AgentPhase::RolledBack, running, record)
}

fn words_of_replacer(view: View<'_>) -> Option<Step> {
    let is_due = view.operation.units.iter().any(|u| u.culprit && !u.words);
    let has_words = view
        .operation
        .failure
        .as_ref()
        .is_some_and(|f| !f.log_tail.is_empty());
    let replacer =
        replacer_of(view.machine.0, &view.operation.id).filter(|_| is_due && !has_words)?;
    Some(Step::Call(Call::LastWords(replacer.id.clone())))
}

fn remove_replacer(view: View<'_>) -> Option<Step> {
    abandon::remove(view, replacer_of(view.machine.0, &view.operation.id)?)
}

/// A replacer that failed may have left what it made; it never ran.
fn remove_next(view: View<'_>) -> Option<Step> {
    let unit = view.operation.units.first()?;
    abandon::remove(view, view.machine.next_of(view.operation, &unit.old.id)?)
}

fn restore_policy(view: View<'_>) -> Option<Step> {
    let unit = view.operation.units.first()?;
    let own = view.machine.by_id(&unit.old.id)?;
    if own.restart_policy == unit.old.restart_policy {
        return None;
    }
    view.unless_skipped(Call::SetRestartPolicy {
        id: own.id.clone(),
        policy: unit.old.restart_policy.clone(),
        retries: unit.old.restart_retries,
    })
}
