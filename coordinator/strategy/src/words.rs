//! The words of TOML for what is one of a few.

use pinion_model::{InUse, Role};
use pinion_rollout::{Approval, FailureAction, OfflinePolicy, SickPolicy, Supersede};

/// Each word with what it means.
pub(crate) type Words<T, const N: usize> = [(&'static str, T); N];

pub(crate) const ON_FAILURE: Words<FailureAction, 2> = [
    ("halt", FailureAction::Halt),
    ("rollback", FailureAction::Rollback),
];
pub(crate) const OFFLINE: Words<OfflinePolicy, 3> = [
    ("wait", OfflinePolicy::Wait),
    ("skip", OfflinePolicy::Skip),
    ("fail", OfflinePolicy::Fail),
];
pub(crate) const SICK: Words<SickPolicy, 2> =
    [("include", SickPolicy::Include), ("skip", SickPolicy::Skip)];
pub(crate) const IN_USE: Words<InUse, 3> = [
    ("fail", InUse::Fail),
    ("skip", InUse::Skip),
    ("force", InUse::Force),
];
pub(crate) const SUPERSEDE: Words<Supersede, 3> = [
    ("replace", Supersede::Replace),
    ("queue", Supersede::Queue),
    ("reject", Supersede::Reject),
];
pub(crate) const APPROVAL: Words<Approval, 2> = [
    ("automatic", Approval::Automatic),
    ("manual", Approval::Manual),
];
pub(crate) const APPROVER: Words<Role, 2> = [("operator", Role::Operator), ("admin", Role::Admin)];

/// The word for `value`; none for what no document can say.
pub(crate) fn word_for<T: PartialEq>(
    words: &[(&'static str, T)],
    value: &T,
) -> Option<&'static str> {
    let found = words.iter().find(|(_, known)| known == value);
    found.map(|(word, _)| *word)
}
