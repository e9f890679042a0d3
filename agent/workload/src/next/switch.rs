//! A proxy before the containers, which a hook points from one to the other
//! while both run; then what is under way has its time to end.
//!
//! That the hook is run is written down before it is: whatever becomes of it,
//! whoever goes back points the proxy back.

use crate::{Call, Container, ContainerId, Hook, HookPoint, Step, Switch, Unit};

use super::{View, in_use};

/// What is due until the proxy points at the next one, and the old one has ended
/// what it had.
pub(super) fn to_next(view: View<'_>, index: usize, next: &Container) -> Option<Step> {
    let unit = &view.operation.units[index];
    if !view.observed.in_use.switch {
        return None;
    }
    let old = view.machine.by_id(&unit.old.id);
    match unit.switch {
        Some(Switch::Next(since)) => drain(view, since, old),
        Some(Switch::Begun) => Some(Step::Call(call(view, unit, &next.id, old))),
        None | Some(Switch::Old(_)) => {
            let mut operation = view.operation.clone();
            operation.units[index].switch = Some(Switch::Begun);
            Some(view.write(operation))
        }
    }
}

/// On the way back, the same: only where it may have been pointed away.
pub(super) fn to_old(view: View<'_>, index: usize, old: &Container) -> Option<Step> {
    let unit = &view.operation.units[index];
    let next = view.machine.next_of(view.operation, &unit.old.id);
    match unit.switch? {
        Switch::Old(since) => drain(view, since, next),
        Switch::Begun | Switch::Next(_) if view.observed.in_use.switch => {
            Some(Step::Call(back(view, unit, old, next)))
        }
        Switch::Begun | Switch::Next(_) => None,
    }
}

/// The hook could not be brought to point it back.
pub(super) fn is_stuck(view: View<'_>, unit: &Unit, old: &Container) -> bool {
    let key = back(view, unit, old, None).key();
    let is_away = matches!(unit.switch, Some(Switch::Begun | Switch::Next(_)));
    is_away && view.operation.skipped.contains(&key)
}

fn back(view: View<'_>, unit: &Unit, old: &Container, next: Option<&Container>) -> Call {
    match call(view, unit, &old.id, next) {
        Call::Hook(hook) => Call::Hook(Hook {
            old: hook.new,
            new: hook.old,
            ..hook
        }),
        call => call,
    }
}

fn call(view: View<'_>, unit: &Unit, to: &ContainerId, from: Option<&Container>) -> Call {
    Call::Hook(Hook {
        point: HookPoint::Switch,
        container: to.clone(),
        from: from.map(|from| from.id.clone()),
        ..in_use::told(view, unit)
    })
}

/// What was under way in the one that served until `since` gets its time to end.
fn drain(
    view: View<'_>,
    since: pinion_model::Timestamp,
    served: Option<&Container>,
) -> Option<Step> {
    let end = since + view.observed.in_use.drain;
    let waits = view.now < end && served.is_some_and(Container::is_up);
    waits.then_some(Step::Rest { wake_at: Some(end) })
}
