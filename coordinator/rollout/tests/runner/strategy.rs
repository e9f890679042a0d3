//! Strategies as operators write them in `coordinator.toml`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Fault;
use pinion_model::{LabelSelector, StageName, StrategyName, parse_duration};
use pinion_rollout::{Amount, Approval, Cohort, FailureAction, OfflinePolicy, StageSpec, Strategy};
use serde::{Deserialize, Deserializer, de::Error};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    strategy: BTreeMap<StrategyName, Asked>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    stage: Vec<AskedStage>,
    on_failure: Option<FailureAction>,
    max_in_flight: Option<Share>,
    failure_budget: Option<Share>,
    min_healthy: Option<Time>,
    healthy_deadline: Option<Time>,
    progress_deadline: Option<Time>,
    start_within: Option<Time>,
    soak: Option<Time>,
    offline: Option<OfflinePolicy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedStage {
    name: Option<StageName>,
    count: Option<u32>,
    percent: Option<u32>,
    selector: Option<LabelSelector>,
    #[serde(default)]
    rest: bool,
    approval: Option<Approval>,
    max_in_flight: Option<Share>,
    failure_budget: Option<Share>,
    bake: Option<Time>,
    min_proven: Option<u32>,
}

/// `"5m"`.
struct Time(Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        parse_duration(&text).map(Self).map_err(D::Error::custom)
    }
}

/// `3` or `"10%"`.
struct Share(Amount);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Count(u32),
            Percent(String),
        }
        let percent = |text: String| text.strip_suffix('%')?.trim().parse().ok();
        match Either::deserialize(from)? {
            Either::Count(count) => Ok(Self(Amount::Count(count))),
            Either::Percent(text) => percent(text)
                .map(|percent| Self(Amount::Percent(percent)))
                .ok_or_else(|| D::Error::custom("a share is written \"10%\"")),
        }
    }
}

/// Reads `[strategy.NAME]` tables.
pub(super) fn read(text: &str) -> Result<BTreeMap<StrategyName, Strategy>, Fault> {
    let file: File = toml::from_str(text).map_err(|error| fault(text, &error))?;
    let read = file.strategy.into_iter().map(|(name, asked)| {
        let strategy = strategy(name.clone(), asked)?;
        Ok((name, strategy))
    });
    read.collect()
}

fn fault(text: &str, error: &toml::de::Error) -> Fault {
    let before = error.span().map_or("", |span| &text[..span.start]);
    Fault::at(before.matches('\n').count() + 1, error.message())
}

fn strategy(name: StrategyName, asked: Asked) -> Result<Strategy, String> {
    let stages = asked.stage.into_iter().map(stage);
    let time = |time: Option<Time>| time.map(|time| time.0);
    Ok(Strategy {
        name: Some(name),
        stages: stages.collect::<Result<_, _>>()?,
        on_failure: asked.on_failure,
        max_in_flight: asked.max_in_flight.map(|share| share.0),
        failure_budget: asked.failure_budget.map(|share| share.0.into()),
        min_healthy: time(asked.min_healthy),
        healthy_deadline: time(asked.healthy_deadline),
        progress_deadline: time(asked.progress_deadline),
        start_within: time(asked.start_within),
        soak: time(asked.soak),
        offline: asked.offline,
        ..Strategy::default()
    })
}

fn stage(asked: AskedStage) -> Result<StageSpec, String> {
    let cohorts = [
        asked.count.map(Cohort::Count),
        asked.percent.map(Cohort::Percent),
        asked.selector.map(Cohort::Selector),
        asked.rest.then_some(Cohort::Rest),
    ];
    let mut cohorts: Vec<_> = cohorts.into_iter().flatten().collect();
    let (Some(cohort), true) = (cohorts.pop(), cohorts.is_empty()) else {
        return Err("a stage has exactly one of count, percent, selector, rest".to_owned());
    };
    Ok(StageSpec {
        name: asked.name,
        approval: asked.approval,
        max_in_flight: asked.max_in_flight.map(|share| share.0),
        failure_budget: asked.failure_budget.map(|share| share.0.into()),
        bake: asked.bake.map(|time| time.0),
        min_proven: asked.min_proven,
        ..StageSpec::of(cohort)
    })
}
