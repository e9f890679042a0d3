//! How a rollout goes, as options. What is not given is the strategy's.

use std::time::Duration;

use clap::{Args, ValueEnum};
use pinion_model::{StrategyName, parse_duration};
use pinion_proto::v1;

use super::values::{amount, budget, stage};

/// Overrides of the workload's strategy.
#[derive(Debug, Args)]
#[command(next_help_heading = "Strategy")]
pub(crate) struct StrategyArgs {
    /// A strategy by its name, as `pinion strategy ls` lists it [default: the workload's]
    #[arg(long, value_name = "NAME")]
    strategy: Option<StrategyName>,
    /// A stage: 1, 10%, label=value or rest, with an optional name (canary:1); repeat in order
    #[arg(long = "stage", value_name = "COHORT", value_parser = stage)]
    pub(crate) stages: Vec<v1::StageSpec>,
    /// Machines at once: 3, or a share of the stage such as 10%
    #[arg(long, value_name = "N|P%", value_parser = amount)]
    max_in_flight: Option<v1::Amount>,
    /// Machines of all stages in flight or newly sick at once: 3, or a share of those machines
    #[arg(long, value_name = "N|P%", value_parser = amount)]
    max_unavailable: Option<v1::Amount>,
    /// Failures that are borne: 1, or a share of the stage such as 2%
    #[arg(long, value_name = "N|P%", value_parser = budget)]
    failure_budget: Option<v1::Budget>,
    /// Have no more in flight than may still fail, and one
    #[arg(long)]
    strict: bool,
    /// First let every machine log in, check and pull, without touching a container
    #[arg(long)]
    prefetch: bool,
    /// Label whose values share a fate: no stage is made of one value alone
    #[arg(long, value_name = "LABEL")]
    spread_by: Option<String>,
    /// On how many machines the image may fail before its digest is quarantined
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    quarantine_after: Option<u32>,
    /// What to do about a rollout of the workload that is not over
    #[arg(long, value_enum)]
    supersede: Option<Supersede>,
    /// What to do when more fail
    #[arg(long, value_enum)]
    on_failure: Option<OnFailure>,
    /// How long to watch a machine that is healthy before the old container goes
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    soak: Option<Duration>,
    /// How long a container must be healthy to count as healthy
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    min_healthy: Option<Duration>,
    /// How long a machine may take to become healthy
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    healthy_deadline: Option<Duration>,
    /// How long a stage may go without progress
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    progress_deadline: Option<Duration>,
    /// How long after its assignment a machine may still begin
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    start_within: Option<Duration>,
    /// What a machine does that is in use for longer than --defer-within
    #[arg(long, value_enum)]
    in_use: Option<InUse>,
    /// How long a machine may put off its cut-over because it is in use; 0 with
    /// --in-use force: nobody is asked
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    defer_within: Option<Duration>,
    /// What to do about machines that are offline
    #[arg(long, value_enum)]
    offline: Option<Offline>,
    /// How long a machine may be offline before that counts
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    offline_grace: Option<Duration>,
    /// What to do about machines that were sick before
    #[arg(long, value_enum)]
    sick: Option<Sick>,
    /// Every stage after the first waits for `pinion rollout approve`
    #[arg(long)]
    pub(crate) manual: bool,
}

/// What a stage does when its failure budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFailure {
    /// Stop, and wait for a person
    Halt,
    /// Take every changed machine back
    Rollback,
}

/// What a stage does about machines that are offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Offline {
    /// Wait until they are back
    Wait,
    /// Go on without them
    Skip,
    /// Count them as failed
    Fail,
}

/// What a machine does that is in use for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InUse {
    /// It stays as it is, and counts as failed
    Fail,
    /// It stays as it is, and the rollout goes on without it
    Skip,
    /// It is updated all the same
    Force,
}

/// What becomes of machines that were sick before the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sick {
    /// Update them like any other
    Include,
    /// Go round them
    Skip,
}

/// What becomes of a rollout of the workload that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Supersede {
    /// Take its place
    Replace,
    /// Begin when it is over
    Queue,
    /// Do not begin
    Reject,
}

impl StrategyArgs {
    /// The overrides; `None` if nothing was given but `--manual`.
    pub(crate) fn overrides(&self) -> Option<v1::Strategy> {
        let strategy = v1::Strategy {
            name: self
                .strategy
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            stages: self.stages.clone(),
            on_failure: self.on_failure().into(),
            max_in_flight: self.max_in_flight,
            max_unavailable: self.max_unavailable,
            failure_budget: self.failure_budget,
            strict: self.strict.then_some(true),
            prefetch: self.prefetch.then(v1::PrefetchSpec::default),
            spread_by: self.spread_by.clone().unwrap_or_default(),
            quarantine_after: self.quarantine_after.unwrap_or_default(),
            supersede: self.supersede().into(),
            offline_grace: self.offline_grace.map(wire),
            sick: self.sick().into(),
            min_healthy: self.min_healthy.map(wire),
            healthy_deadline: self.healthy_deadline.map(wire),
            progress_deadline: self.progress_deadline.map(wire),
            start_within: self.start_within.map(wire),
            soak: self.soak.map(wire),
            in_use: self.in_use().into(),
            defer_within: self.defer_within.map(wire),
            offline: self.offline().into(),
            ..v1::Strategy::default()
        };
        (strategy != v1::Strategy::default()).then_some(strategy)
    }

    fn on_failure(&self) -> v1::FailureAction {
        match self.on_failure {
            None => v1::FailureAction::Unspecified,
            Some(OnFailure::Halt) => v1::FailureAction::Halt,
            Some(OnFailure::Rollback) => v1::FailureAction::Rollback,
        }
    }

    fn supersede(&self) -> v1::Supersede {
        match self.supersede {
            None => v1::Supersede::Unspecified,
            Some(Supersede::Replace) => v1::Supersede::Replace,
            Some(Supersede::Queue) => v1::Supersede::Queue,
            Some(Supersede::Reject) => v1::Supersede::Reject,
        }
    }

    fn sick(&self) -> v1::SickPolicy {
        match self.sick {
            None => v1::SickPolicy::Unspecified,
            Some(Sick::Include) => v1::SickPolicy::Include,
            Some(Sick::Skip) => v1::SickPolicy::Skip,
        }
    }

    fn in_use(&self) -> v1::InUsePolicy {
        match self.in_use {
            None => v1::InUsePolicy::Unspecified,
            Some(InUse::Fail) => v1::InUsePolicy::Fail,
            Some(InUse::Skip) => v1::InUsePolicy::Skip,
            Some(InUse::Force) => v1::InUsePolicy::Force,
        }
    }

    fn offline(&self) -> v1::OfflinePolicy {
        match self.offline {
            None => v1::OfflinePolicy::Unspecified,
            Some(Offline::Wait) => v1::OfflinePolicy::Wait,
            Some(Offline::Skip) => v1::OfflinePolicy::Skip,
            Some(Offline::Fail) => v1::OfflinePolicy::Fail,
        }
    }
}

/// A duration as the protocol carries it.
pub(crate) fn wire(duration: Duration) -> prost_types::Duration {
    prost_types::Duration::try_from(duration).expect("parse_duration allows at most 366 days")
}

/// Makes every stage after the first wait for an approval.
pub(crate) fn approve_by_hand(stages: &mut [v1::StageSpec]) {
    for stage in stages.iter_mut().skip(1) {
        stage.approval = v1::Approval::Manual.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Only {
        #[command(flatten)]
        strategy: StrategyArgs,
    }

    fn parse(args: &[&str]) -> StrategyArgs {
        let args = std::iter::once("x").chain(args.iter().copied());
        Only::try_parse_from(args)
            .expect("valid arguments")
            .strategy
    }

    #[test]
    fn without_options_the_workloads_own_strategy_is_asked_for() {
        assert_eq!(parse(&[]).overrides(), None);
        assert_eq!(parse(&["--manual"]).overrides(), None);
    }

    #[test]
    fn what_is_given_is_sent_and_nothing_else() {
        let strategy = parse(&[
            "--stage",
            "1",
            "--stage",
            "rest",
            "--soak",
            "5m",
            "--on-failure",
            "rollback",
        ])
        .overrides()
        .expect("overrides");
        assert_eq!(strategy.stages.len(), 2);
        assert_eq!(strategy.soak.map(|soak| soak.seconds), Some(300));
        assert_eq!(strategy.on_failure(), v1::FailureAction::Rollback);
        assert_eq!(strategy.healthy_deadline, None);
        assert_eq!(strategy.offline(), v1::OfflinePolicy::Unspecified);
        let forced = parse(&["--in-use", "force", "--defer-within", "0"]);
        let forced = forced.overrides().expect("overrides");
        assert_eq!(forced.in_use(), v1::InUsePolicy::Force);
        assert_eq!(forced.defer_within.map(|time| time.seconds), Some(0));
    }

    #[test]
    fn approval_by_hand_spares_the_first_stage() {
        let mut stages = parse(&["--stage", "1", "--stage", "50%", "--stage", "rest"]).stages;
        approve_by_hand(&mut stages);
        let manual: Vec<_> = stages
            .iter()
            .map(|s| s.approval() == v1::Approval::Manual)
            .collect();
        assert_eq!(manual, [false, true, true]);
    }
}
