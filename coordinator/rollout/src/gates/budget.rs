use super::{Verdict, View, awaits_machines};
use crate::naming::few_failed;
use crate::world::{Class, Mark};
use crate::{Amount, Budget, FailureGroup, Gate};

/// How many machines of a stage may fail: of one kind, or at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// None: of any kind.
    pub(crate) group: Option<FailureGroup>,
    pub(crate) budget: Budget,
    /// After rounding.
    pub(crate) allowed: usize,
}

impl Limit {
    /// Every limit of a stage that can trip, those of one kind first.
    pub(crate) fn all(view: View<'_>) -> impl Iterator<Item = Self> {
        let stage = view.stage;
        let kinds = stage.rules.budgets.iter().map(|(group, budget)| {
            let allowed = stage.budgets.get(group).copied().unwrap_or_default();
            (Some(*group), *budget, allowed)
        });
        let whole = (None, stage.rules.failure_budget, stage.failure_budget);
        let all = kinds.chain([whole]).map(|(group, budget, allowed)| Self {
            group,
            budget,
            allowed: allowed as usize,
        });
        // All of them may fail, however many join them.
        all.filter(|limit| limit.budget.amount != Amount::Percent(100))
    }

    /// How many failures that nobody has acknowledged count against it.
    pub(crate) fn failed(&self, view: View<'_>) -> usize {
        match self.group {
            Some(group) => view.tally.marks.count(Mark::Failed(group)),
            None => view.tally.count(Class::Failed),
        }
    }

    /// Too many have failed, and that can be told from the machines that have
    /// an outcome: enough have one, or no more are to come. Where strictness
    /// lets no more machines go once too many have failed, none are to come.
    fn is_exceeded(&self, view: View<'_>) -> bool {
        self.failed(view) > self.allowed
            && (view.rollout.spec.strict
                || outcomes(view) >= self.budget.min_sample
                || !awaits_machines(view))
    }

    fn reason(&self, view: View<'_>) -> String {
        let stage = view.stage;
        let (whole, failed, allowed) = (stage.order.len(), self.failed(view), self.allowed);
        let kind = self.group.map(|group| format!(" by {group}"));
        let share = match self.budget.amount {
            Amount::Percent(percent) => format!(" ({percent} % of {whole})"),
            Amount::Count(_) => String::new(),
        };
        let sample = match self.budget.min_sample {
            0 | 1 => String::new(),
            _ => format!(" ({} have an outcome)", outcomes(view)),
        };
        format!(
            "stage {}: {failed} of {whole} machine(s) failed{}{sample} and {allowed} may{share}: {}",
            stage.rules.name,
            kind.unwrap_or_default(),
            named(view, self.group)
        )
    }
}

/// No more machines of a stage may fail than its budgets, counting those that
/// nobody has acknowledged and that were well before. An old container that
/// did not come back stops the rollout whatever the budgets say, and whether or
/// not the machine was sick before.
pub(crate) fn check(view: View<'_>) -> Verdict {
    let mut lost = view.at(view.tally.marks.places(Mark::Lost));
    if let Some((agent, member)) = lost.next() {
        let failure = member
            .failure
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let reason = format!(
            "stage {}: the old container on {agent} did not come back ({failure}); look at that machine first",
            view.stage.rules.name
        );
        return Verdict::stop(Gate::RollbackFailed, reason);
    }
    let exceeded = Limit::all(view).find(|limit| limit.is_exceeded(view));
    exceeded.map_or(Verdict::Pass, |limit| {
        Verdict::stop(Gate::FailureBudget, limit.reason(view))
    })
}

/// A budget that is used up, and is not judged before more have an outcome.
pub(crate) fn unjudged(view: View<'_>) -> Option<String> {
    let mut limits = Limit::all(view);
    let limit =
        limits.find(|limit| limit.failed(view) > limit.allowed && !limit.is_exceeded(view))?;
    Some(format!(
        "{}, judged once {} have an outcome",
        limit.reason(view),
        limit.budget.min_sample
    ))
}

/// Machines of the stage that have an outcome.
fn outcomes(view: View<'_>) -> u32 {
    let counts = view.tally.counts(view.rollout.spec.offline);
    counts.settled + counts.staged + counts.failed
}

fn named(view: View<'_>, group: Option<FailureGroup>) -> String {
    let places: Box<dyn Iterator<Item = usize>> = match group {
        Some(group) => Box::new(view.tally.marks.places(Mark::Failed(group))),
        None => Box::new(view.tally.places(Class::Failed)),
    };
    let members = view.at(places);
    few_failed(members.map(|(agent, member)| (agent, member.failure.as_deref())))
}
