use pinion_model::{InUse, Role};
use pinion_proto::convert::InvalidField;
use pinion_proto::v1;
use pinion_rollout::{Approval, FailureAction, OfflinePolicy, SickPolicy, Supersede};

/// A value that this version does not know must not silently become a default.
fn known<T: Copy>(field: &str, value: i32, values: &[(i32, T)]) -> Result<Option<T>, InvalidField> {
    if value == 0 {
        return Ok(None);
    }
    let found = values
        .iter()
        .find(|(number, _)| *number == value)
        .map(|(_, known)| *known);
    let error = || InvalidField::new(field, format!("{value} is not known to this version"));
    found.map(Some).ok_or_else(error)
}

pub(super) fn approval(field: &str, value: i32) -> Result<Option<Approval>, InvalidField> {
    let values = [Approval::Automatic, Approval::Manual]
        .map(|approval| (approval_message(approval).into(), approval));
    known(field, value, &values)
}

/// Whether a person opens a stage.
pub fn approval_message(approval: Approval) -> v1::Approval {
    match approval {
        Approval::Automatic => v1::Approval::Automatic,
        Approval::Manual => v1::Approval::Manual,
    }
}

/// Who may approve a stage: a person's role that can.
pub(super) fn approver(field: &str, value: i32) -> Result<Option<Role>, InvalidField> {
    let values = [Role::Operator, Role::Admin].map(|role| (v1::Role::from(role).into(), role));
    known(field, value, &values)
}

pub(super) fn on_failure(value: i32) -> Result<Option<FailureAction>, InvalidField> {
    let values = [FailureAction::Halt, FailureAction::Rollback]
        .map(|action| (on_failure_message(action).into(), action));
    known("strategy.on_failure", value, &values)
}

pub(super) fn on_failure_message(action: FailureAction) -> v1::FailureAction {
    match action {
        FailureAction::Halt => v1::FailureAction::Halt,
        FailureAction::Rollback => v1::FailureAction::Rollback,
    }
}

pub(super) fn offline(value: i32) -> Result<Option<OfflinePolicy>, InvalidField> {
    let values = [
        OfflinePolicy::Wait,
        OfflinePolicy::Skip,
        OfflinePolicy::Fail,
    ]
    .map(|policy| (offline_message(policy).into(), policy));
    known("strategy.offline", value, &values)
}

pub(super) fn offline_message(policy: OfflinePolicy) -> v1::OfflinePolicy {
    match policy {
        OfflinePolicy::Wait => v1::OfflinePolicy::Wait,
        OfflinePolicy::Skip => v1::OfflinePolicy::Skip,
        OfflinePolicy::Fail => v1::OfflinePolicy::Fail,
    }
}

pub(super) fn in_use(value: i32) -> Result<Option<InUse>, InvalidField> {
    let values = InUse::ALL.iter();
    let values: Vec<_> = values
        .map(|policy| (v1::InUsePolicy::from(*policy).into(), *policy))
        .collect();
    known("strategy.in_use", value, &values)
}

pub(super) fn sick(value: i32) -> Result<Option<SickPolicy>, InvalidField> {
    let values =
        [SickPolicy::Include, SickPolicy::Skip].map(|policy| (sick_message(policy).into(), policy));
    known("strategy.sick", value, &values)
}

pub(super) fn sick_message(policy: SickPolicy) -> v1::SickPolicy {
    match policy {
        SickPolicy::Include => v1::SickPolicy::Include,
        SickPolicy::Skip => v1::SickPolicy::Skip,
    }
}

pub(super) fn supersede(value: i32) -> Result<Option<Supersede>, InvalidField> {
    let values = [Supersede::Replace, Supersede::Queue, Supersede::Reject]
        .map(|kind| (supersede_message(kind).into(), kind));
    known("strategy.supersede", value, &values)
}

pub(super) fn supersede_message(kind: Supersede) -> v1::Supersede {
    match kind {
        Supersede::Replace => v1::Supersede::Replace,
        Supersede::Queue => v1::Supersede::Queue,
        Supersede::Reject => v1::Supersede::Reject,
    }
}
