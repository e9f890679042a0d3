use pinion_model::{LabelSelector, check_labels};
use pinion_proto::convert::{InvalidField, duration, from_duration, optional_text};
use pinion_proto::v1;
use pinion_rollout::{
    Amount, Approval, Cohort, FailureAction, OfflinePolicy, Spec, StageRules, StageSpec, Strategy,
};

use super::checks;

/// What was asked for; the field's path stands in every error.
pub(crate) fn from_message(message: &v1::Strategy) -> Result<Strategy, InvalidField> {
    let time = |field: &str, value: Option<&prost_types::Duration>| {
        from_duration(&format!("strategy.{field}"), value)
    };
    Ok(Strategy {
        name: optional_text("strategy.name", &message.name)?,
        stages: message
            .stages
            .iter()
            .enumerate()
            .map(|(n, stage)| stage_from(n, stage))
            .collect::<Result<_, _>>()?,
        on_failure: on_failure(message.on_failure)?,
        max_in_flight: amount("strategy.max_in_flight", message.max_in_flight.as_ref())?,
        failure_budget: amount("strategy.failure_budget", message.failure_budget.as_ref())?
            .map(Into::into),
        min_healthy: time("min_healthy", message.min_healthy.as_ref())?,
        healthy_deadline: time("healthy_deadline", message.healthy_deadline.as_ref())?,
        progress_deadline: time("progress_deadline", message.progress_deadline.as_ref())?,
        start_within: time("start_within", message.start_within.as_ref())?,
        soak: time("soak", message.soak.as_ref())?,
        offline: offline(message.offline)?,
        ..Strategy::default()
    })
}

/// `asked`, with what it leaves out taken from `base`.
pub(crate) fn over(base: &Strategy, asked: Strategy) -> Strategy {
    Strategy {
        name: base.name.clone(),
        stages: if asked.stages.is_empty() {
            base.stages.clone()
        } else {
            asked.stages
        },
        on_failure: asked.on_failure.or(base.on_failure),
        max_in_flight: asked.max_in_flight.or(base.max_in_flight),
        failure_budget: asked.failure_budget.or(base.failure_budget),
        min_healthy: asked.min_healthy.or(base.min_healthy),
        healthy_deadline: asked.healthy_deadline.or(base.healthy_deadline),
        progress_deadline: asked.progress_deadline.or(base.progress_deadline),
        start_within: asked.start_within.or(base.start_within),
        soak: asked.soak.or(base.soak),
        offline: asked.offline.or(base.offline),
        ..base.clone()
    }
}

/// Labels that select agents; absent selects all.
pub(crate) fn selector(
    field: &str,
    message: Option<&v1::LabelSelector>,
) -> Result<LabelSelector, InvalidField> {
    let labels = message
        .map(|selector| selector.match_labels.clone())
        .unwrap_or_default();
    check_labels(&labels).map_err(|error| InvalidField::new(field, error.to_string()))?;
    Ok(LabelSelector(labels))
}

fn stage_from(index: usize, message: &v1::StageSpec) -> Result<StageSpec, InvalidField> {
    let field = |name: &str| format!("strategy.stages[{index}].{name}");
    Ok(StageSpec {
        name: optional_text(&field("name"), &message.name)?,
        approval: approval(&field("approval"), message.approval)?,
        max_in_flight: amount(&field("max_in_flight"), message.max_in_flight.as_ref())?,
        failure_budget: amount(&field("failure_budget"), message.failure_budget.as_ref())?
            .map(Into::into),
        bake: from_duration(&field("bake"), message.bake.as_ref())?,
        min_proven: message.min_proven,
        checks: checks::from_messages(&field("checks"), &message.checks)?,
        ..StageSpec::of(cohort(&field("cohort"), message.cohort.as_ref())?)
    })
}

fn cohort(field: &str, message: Option<&v1::stage_spec::Cohort>) -> Result<Cohort, InvalidField> {
    use v1::stage_spec::Cohort as Message;
    match message {
        Some(Message::Count(count)) => Ok(Cohort::Count(*count)),
        Some(Message::Percent(percent)) => Ok(Cohort::Percent(*percent)),
        Some(Message::Selector(labels)) => Ok(Cohort::Selector(selector(field, Some(labels))?)),
        Some(Message::Rest(true)) => Ok(Cohort::Rest),
        Some(Message::Rest(false)) | None => Err(InvalidField::new(
            field,
            "must be one of count, percent, selector, or rest = true",
        )),
    }
}

fn amount(field: &str, message: Option<&v1::Amount>) -> Result<Option<Amount>, InvalidField> {
    match message.map(|message| message.amount) {
        None => Ok(None),
        Some(Some(v1::amount::Amount::Count(count))) => Ok(Some(Amount::Count(count))),
        Some(Some(v1::amount::Amount::Percent(percent))) if percent <= 100 => {
            Ok(Some(Amount::Percent(percent)))
        }
        Some(_) => Err(InvalidField::new(
            field,
            "must be a count, or a percent from 0 to 100",
        )),
    }
}

/// A value that this version does not know must not silently become a default.
fn known<T: Copy>(field: &str, value: i32, values: &[(i32, T)]) -> Result<Option<T>, InvalidField> {
    if value == 0 {
        return Ok(None);
    }
    let found = values
        .iter()
        .find(|(number, _)| *number == value)
        .map(|(_, known)| *known);
    let error = || InvalidField::new(field, format!("{value} is not known to this coordinator"));
    found.map(Some).ok_or_else(error)
}

fn approval(field: &str, value: i32) -> Result<Option<Approval>, InvalidField> {
    let values = [
        (v1::Approval::Automatic.into(), Approval::Automatic),
        (v1::Approval::Manual.into(), Approval::Manual),
    ];
    known(field, value, &values)
}

fn on_failure(value: i32) -> Result<Option<FailureAction>, InvalidField> {
    let values = [
        (v1::FailureAction::Halt.into(), FailureAction::Halt),
        (v1::FailureAction::Rollback.into(), FailureAction::Rollback),
    ];
    known("strategy.on_failure", value, &values)
}

fn offline(value: i32) -> Result<Option<OfflinePolicy>, InvalidField> {
    let values = [
        (v1::OfflinePolicy::Wait.into(), OfflinePolicy::Wait),
        (v1::OfflinePolicy::Skip.into(), OfflinePolicy::Skip),
        (v1::OfflinePolicy::Fail.into(), OfflinePolicy::Fail),
    ];
    known("strategy.offline", value, &values)
}

/// What a rollout was started with, every default filled in.
pub(crate) fn spec(spec: &Spec) -> v1::Strategy {
    v1::Strategy {
        name: spec
            .strategy
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        stages: spec.stages.iter().map(rules).collect(),
        on_failure: match spec.on_failure {
            FailureAction::Halt => v1::FailureAction::Halt,
            FailureAction::Rollback => v1::FailureAction::Rollback,
        }
        .into(),
        max_in_flight: Some(to_amount(spec.max_in_flight)),
        failure_budget: Some(to_amount(spec.failure_budget.amount)),
        min_healthy: Some(duration(spec.timing.min_healthy)),
        healthy_deadline: Some(duration(spec.timing.healthy_deadline)),
        progress_deadline: Some(duration(spec.progress_deadline)),
        start_within: Some(duration(spec.timing.start_within)),
        soak: Some(duration(spec.timing.soak)),
        offline: match spec.offline {
            OfflinePolicy::Wait => v1::OfflinePolicy::Wait,
            OfflinePolicy::Skip => v1::OfflinePolicy::Skip,
            OfflinePolicy::Fail => v1::OfflinePolicy::Fail,
        }
        .into(),
    }
}

fn rules(rules: &StageRules) -> v1::StageSpec {
    use v1::stage_spec::Cohort as Message;
    v1::StageSpec {
        name: rules.name.to_string(),
        cohort: Some(match &rules.cohort {
            Cohort::Count(count) => Message::Count(*count),
            Cohort::Percent(percent) => Message::Percent(*percent),
            Cohort::Selector(labels) => Message::Selector(v1::LabelSelector {
                match_labels: labels.0.clone(),
            }),
            Cohort::Rest => Message::Rest(true),
        }),
        approval: approval_message(rules.approval).into(),
        max_in_flight: Some(to_amount(rules.max_in_flight)),
        failure_budget: Some(to_amount(rules.failure_budget.amount)),
        bake: Some(duration(rules.bake)),
        min_proven: Some(rules.min_proven),
        checks: rules.checks.iter().map(checks::message).collect(),
    }
}

/// Whether a person opens a stage.
pub(crate) fn approval_message(approval: Approval) -> v1::Approval {
    match approval {
        Approval::Automatic => v1::Approval::Automatic,
        Approval::Manual => v1::Approval::Manual,
    }
}

fn to_amount(amount: Amount) -> v1::Amount {
    let amount = match amount {
        Amount::Count(count) => v1::amount::Amount::Count(count),
        Amount::Percent(percent) => v1::amount::Amount::Percent(percent),
    };
    v1::Amount {
        amount: Some(amount),
    }
}
