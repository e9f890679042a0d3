use pinion_proto::convert::{InvalidField, from_duration, optional_text, text};
use pinion_proto::v1;
use pinion_rollout::{Cohort, PrefetchSpec, StageSpec, Strategy};

use super::calendar::calendar;
use super::fields::{InvalidFields, each};
use super::limits::{amount, budget, budgets};
use super::{checks, selector, words};
use crate::Faults;

/// What was asked for.
///
/// # Errors
///
/// Every field that cannot be what it is, with its path from `strategy` on.
pub fn from_message(message: &v1::Strategy) -> Result<Strategy, InvalidFields> {
    let time = |field: &str, value: Option<&prost_types::Duration>| {
        from_duration(&format!("strategy.{field}"), value)
    };
    let share =
        |field: &str, value: Option<&v1::Amount>| amount(&format!("strategy.{field}"), value);
    let name = |path: &str, name: &String| text(path, name);
    let mut faults = Faults::default();
    let strategy = Strategy {
        name: faults.keep(optional_text("strategy.name", &message.name)),
        version: (message.version > 0).then_some(message.version),
        stages: faults.keep(each("strategy.stages", &message.stages, stage)),
        spread_by: (!message.spread_by.is_empty()).then(|| message.spread_by.clone()),
        prefetch: faults.keep(message.prefetch.as_ref().map(prefetch).transpose()),
        on_failure: faults.keep(words::on_failure(message.on_failure)),
        rollback_in_flight: faults.keep(share(
            "rollback_in_flight",
            message.rollback_in_flight.as_ref(),
        )),
        max_in_flight: faults.keep(share("max_in_flight", message.max_in_flight.as_ref())),
        max_unavailable: faults.keep(share("max_unavailable", message.max_unavailable.as_ref())),
        count_baseline: message.count_baseline,
        strict: message.strict,
        failure_budget: faults.keep(budget(
            "strategy.failure_budget",
            message.failure_budget.as_ref(),
        )),
        budgets: faults.keep(budgets("strategy.budgets", &message.budgets)),
        min_healthy: faults.keep(time("min_healthy", message.min_healthy.as_ref())),
        healthy_deadline: faults.keep(time("healthy_deadline", message.healthy_deadline.as_ref())),
        progress_deadline: faults.keep(time(
            "progress_deadline",
            message.progress_deadline.as_ref(),
        )),
        start_within: faults.keep(time("start_within", message.start_within.as_ref())),
        soak: faults.keep(time("soak", message.soak.as_ref())),
        in_use: faults.keep(words::in_use(message.in_use)),
        defer_within: faults.keep(time("defer_within", message.defer_within.as_ref())),
        offline: faults.keep(words::offline(message.offline)),
        offline_grace: faults.keep(time("offline_grace", message.offline_grace.as_ref())),
        sick: faults.keep(words::sick(message.sick)),
        quarantine_after: (message.quarantine_after > 0).then_some(message.quarantine_after),
        supersede: faults.keep(words::supersede(message.supersede)),
        after: faults
            .keep(each("strategy.after", &message.after, name))
            .into_iter()
            .collect(),
        calendar: faults.keep(calendar(message)),
    };
    faults.finish(Some(strategy))
}

/// `asked`, with what it leaves out taken from `base`.
pub fn over(base: &Strategy, asked: Strategy) -> Strategy {
    let base = base.clone();
    Strategy {
        name: base.name,
        version: base.version,
        stages: if asked.stages.is_empty() {
            base.stages
        } else {
            asked.stages
        },
        spread_by: asked.spread_by.or(base.spread_by),
        prefetch: asked.prefetch.or(base.prefetch),
        on_failure: asked.on_failure.or(base.on_failure),
        rollback_in_flight: asked.rollback_in_flight.or(base.rollback_in_flight),
        max_in_flight: asked.max_in_flight.or(base.max_in_flight),
        max_unavailable: asked.max_unavailable.or(base.max_unavailable),
        count_baseline: asked.count_baseline.or(base.count_baseline),
        strict: asked.strict.or(base.strict),
        failure_budget: asked.failure_budget.or(base.failure_budget),
        budgets: base.budgets.into_iter().chain(asked.budgets).collect(),
        min_healthy: asked.min_healthy.or(base.min_healthy),
        healthy_deadline: asked.healthy_deadline.or(base.healthy_deadline),
        progress_deadline: asked.progress_deadline.or(base.progress_deadline),
        start_within: asked.start_within.or(base.start_within),
        soak: asked.soak.or(base.soak),
        in_use: asked.in_use.or(base.in_use),
        defer_within: asked.defer_within.or(base.defer_within),
        offline: asked.offline.or(base.offline),
        offline_grace: asked.offline_grace.or(base.offline_grace),
        sick: asked.sick.or(base.sick),
        quarantine_after: asked.quarantine_after.or(base.quarantine_after),
        supersede: asked.supersede.or(base.supersede),
        after: base.after.into_iter().chain(asked.after).collect(),
        calendar: if asked.calendar.is_empty() {
            base.calendar
        } else {
            asked.calendar
        },
    }
}

fn prefetch(message: &v1::PrefetchSpec) -> Result<PrefetchSpec, InvalidFields> {
    let (in_flight, failures) = (
        message.max_in_flight.as_ref(),
        message.failure_budget.as_ref(),
    );
    let mut faults = Faults::default();
    let prefetch = PrefetchSpec {
        max_in_flight: faults.keep(amount("strategy.prefetch.max_in_flight", in_flight)),
        failure_budget: faults.keep(budget("strategy.prefetch.failure_budget", failures)),
    };
    faults.finish(Some(prefetch))
}

fn stage(path: &str, message: &v1::StageSpec) -> Result<StageSpec, InvalidFields> {
    let field = |name: &str| format!("{path}.{name}");
    let (in_flight, failures) = (
        message.max_in_flight.as_ref(),
        message.failure_budget.as_ref(),
    );
    let mut faults = Faults::default();
    let cohort = faults.find(cohort(&field("cohort"), message.cohort.as_ref()));
    let stage = StageSpec {
        name: faults.keep(optional_text(&field("name"), &message.name)),
        approval: faults.keep(words::approval(&field("approval"), message.approval)),
        approver: faults.keep(words::approver(&field("approver"), message.approver)),
        max_in_flight: faults.keep(amount(&field("max_in_flight"), in_flight)),
        failure_budget: faults.keep(budget(&field("failure_budget"), failures)),
        budgets: faults.keep(budgets(&field("budgets"), &message.budgets)),
        soak: faults.keep(from_duration(&field("soak"), message.soak.as_ref())),
        bake: faults.keep(from_duration(&field("bake"), message.bake.as_ref())),
        min_proven: message.min_proven,
        checks: faults.keep(checks::from_messages(&field("checks"), &message.checks)),
        ..StageSpec::of(Cohort::Rest)
    };
    faults.finish(cohort.map(|cohort| StageSpec { cohort, ..stage }))
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
