//! What people and pipelines ask for.

use pinion_model::{Actor, LabelSelector, Labels, Role, RolloutId, StageName, WorkloadName};
use pinion_rollout::commands::{
    self, Abort, AbortMode, Approve, Promote, RetryAgents, StartRollout, Steer,
};
use pinion_rollout::{Observation, Strategy, World, plan_hash};

use super::bench::{Bench, digest};
use super::kept;
use super::orders;
use super::words::Words;

/// The words that commands begin with.
pub(super) const ALL: [&str; 23] = [
    "established",
    "promote",
    "start",
    "pause",
    "resume",
    "approve",
    "abort",
    "override",
    "roll",
    "retry",
    "hold",
    "lift",
    "quarantine",
    "release",
    "refresh",
    "label",
    "unlabel",
    "revoke",
    "remove",
    "coordinator",
    "enrol",
    "keep",
    "forget",
];

/// The operator who does what no other is named for.
pub(super) fn alice() -> Actor {
    Actor::Operator {
        name: "alice".parse().expect("a name"),
        role: Role::Operator,
    }
}

pub(super) fn command(bench: &mut Bench, mut words: Words) -> Result<(), String> {
    let verb = words.next("a command")?;
    match verb.as_str() {
        "established" => established(bench, &mut words),
        "promote" => promote(bench, &mut words),
        "start" => {
            let request = start(bench, &mut words)?;
            words.end()?;
            bench.decide(|world, now| commands::start_rollout(world, request, &alice(), now));
            Ok(())
        }
        "approve" => approve(bench, &mut words),
        "pause" | "resume" | "abort" | "roll" | "override" => steer(bench, &verb, &mut words),
        "retry" => retry(bench, &mut words),
        "quarantine" => orders::quarantine(bench, &mut words),
        "lift" => orders::lift(bench, &mut words),
        "coordinator" => restart(bench, &mut words),
        "keep" => kept::keep(bench, &mut words),
        "forget" => kept::forget(bench, &mut words),
        verb => orders::fleet(bench, verb, &mut words),
    }
}

/// `established v1`: every machine runs it, by a rollout that has completed.
fn established(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let (workload, version) = image(words)?;
    words.end()?;
    let strategy = Strategy {
        stages: vec![pinion_rollout::StageSpec {
            min_proven: Some(0),
            ..pinion_rollout::StageSpec::of(pinion_rollout::Cohort::Rest)
        }],
        max_in_flight: Some(pinion_rollout::Amount::Percent(100)),
        ..Strategy::default()
    };
    let request = StartRollout {
        workload: workload.clone(),
        pin: None,
        strategy,
        agents: LabelSelector::default(),
        reason: String::new(),
    };
    let machines = bench.machines.iter();
    let sick: Vec<_> = machines
        .filter(|(_, machine)| machine.sick)
        .map(|(id, _)| id.to_string())
        .collect();
    bench.quietly(|bench| {
        pin(bench, &workload, &version, None)?;
        bench.decide(|world, now| commands::start_rollout(world, request, &alice(), now));
        let happen =
            |bench: &mut Bench, what: String| super::machine::event(bench, Words::of(&what)?);
        happen(bench, format!("all {workload} settle"))?;
        match sick.is_empty() {
            true => Ok(()),
            false => happen(bench, format!("{} sicken", sick.join(" "))),
        }
    })?;
    let last = last(&bench.world, &workload).ok_or("no machine is there to run it")?;
    let phase = bench.world.rollouts.get(&last).map(|rollout| rollout.phase);
    if phase != Some(pinion_model::RolloutPhase::Completed) {
        return Err(format!("{last} did not complete; is every machine online?"));
    }
    bench.say(format!("{last} has completed: {version} is stable"));
    Ok(())
}

/// `v2`, or `web v2`.
pub(super) fn image(words: &mut Words) -> Result<(WorkloadName, String), String> {
    let workload = words.maybe(|word| digest(word).is_none());
    let version = words.next("v1 to v99")?;
    Ok((workload.unwrap_or_else(Bench::workload), version))
}

fn pin(
    bench: &mut Bench,
    workload: &WorkloadName,
    version: &str,
    auto: Option<Strategy>,
) -> Result<(), String> {
    let request = Promote {
        workload: workload.clone(),
        digest: digest(version).ok_or_else(|| format!("{version:?} is not v1 to v99"))?,
        source_sha: None,
        notes: String::new(),
        images: vec![pinion_model::Image {
            registry: "ghcr".parse().expect("a registry"),
            repository: format!("ghcr.io/example/{workload}")
                .parse()
                .expect("a repository"),
        }],
        local_tag: "current".to_owned(),
        auto,
    };
    bench.decide(|world, now| commands::promote(world, request, &alice(), now));
    Ok(())
}

/// `promote [WORKLOAD] v2 [and start with STRATEGY]`: the latter is `rollout = "auto"`.
fn promote(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let (workload, version) = image(words)?;
    let auto = match words.take("and") && words.take("start") {
        true => Some(strategy(bench, words)?),
        false => None,
    };
    words.end()?;
    pin(bench, &workload, &version, auto)
}

/// `[WORKLOAD] [with STRATEGY] [for key=value …] ["reason"]`.
pub(super) fn start(bench: &Bench, words: &mut Words) -> Result<StartRollout, String> {
    let workload = words.maybe(|word| word != "with" && word != "for");
    let strategy = strategy(bench, words)?;
    let agents = if words.take("for") {
        LabelSelector(labels(words)?)
    } else {
        LabelSelector::default()
    };
    Ok(StartRollout {
        workload: workload.unwrap_or_else(Bench::workload),
        pin: None,
        strategy,
        agents,
        reason: words.quoted(),
    })
}

fn strategy(bench: &Bench, words: &mut Words) -> Result<Strategy, String> {
    if !words.take("with") {
        return Ok(Strategy::default());
    }
    kept::find(bench, &words.next("a strategy")?)
}

pub(super) fn labels(words: &mut Words) -> Result<Labels, String> {
    let mut labels = Labels::new();
    while let Some(label) = words.maybe::<String>(|word| word.contains('=')) {
        let (key, value) = label.split_once('=').unwrap_or_default();
        labels.insert(key.to_owned(), value.to_owned());
    }
    match labels.is_empty() {
        true => Err("label=value is missing".to_owned()),
        false => Ok(labels),
    }
}

/// The rollout that is named, else the one that is active, else the last.
pub(super) fn rollout(bench: &Bench, words: &mut Words) -> Result<RolloutId, String> {
    let known = |word: &str| {
        word.parse()
            .is_ok_and(|id: RolloutId| bench.world.rollouts.contains_key(&id))
    };
    let named = words.maybe(known);
    let mut active = bench
        .world
        .active_rollouts()
        .map(|rollout| rollout.id.clone());
    let first = active.next();
    if named.is_none() && active.next().is_some() {
        return Err("several rollouts are active; name one".to_owned());
    }
    named
        .or(first)
        .or_else(|| last(&bench.world, &Bench::workload()))
        .ok_or_else(|| "there is no rollout".to_owned())
}

fn last(world: &World, workload: &WorkloadName) -> Option<RolloutId> {
    world.workloads.get(workload)?.rollouts.last().cloned()
}

fn steer(bench: &mut Bench, verb: &str, words: &mut Words) -> Result<(), String> {
    let second = [("roll", "back"), ("override", "windows")];
    let second = second.into_iter().find(|(first, _)| *first == verb);
    if let Some((first, word)) = second.filter(|(_, word)| !words.take(word)) {
        return Err(format!("it is \"{first} {word}\""));
    }
    let rollout = rollout(bench, words)?;
    let revert = verb == "abort" && words.take("revert");
    let request = Steer {
        rollout,
        reason: words.quoted(),
    };
    words.end()?;
    if verb == "abort" {
        abort(bench, request, revert);
        return Ok(());
    }
    let command = match verb {
        "pause" => commands::pause,
        "resume" => commands::resume,
        "override" => commands::override_windows,
        _ => commands::roll_back,
    };
    bench.decide(|world, now| command(world, request, &alice(), now));
    Ok(())
}

/// `abort [ROLLOUT] [revert] ["reason"]`.
fn abort(bench: &mut Bench, steer: Steer, revert: bool) {
    let request = Abort {
        rollout: steer.rollout,
        mode: match revert {
            true => AbortMode::Revert,
            false => AbortMode::Keep,
        },
        reason: steer.reason,
    };
    bench.decide(|world, now| commands::abort(world, request, &alice(), now));
}

/// `approve [ROLLOUT] [stage NAME] [plan-1] ["reason"] [by carol the admin]`: that
/// plan, or the one that it is now.
fn approve(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let rollout = rollout(bench, words)?;
    let stage = match words.take("stage") {
        true => Some(words.parse("a stage")?),
        false => None,
    };
    let shown = words.maybe::<String>(|word| word.starts_with("plan-"));
    let plan = match shown {
        Some(name) => bench.plans.of(&name)?,
        None => present_plan(bench, &rollout, stage.as_ref()),
    };
    let request = Approve {
        rollout,
        stage,
        plan,
        reason: words.quoted(),
    };
    let by = actor(words)?;
    words.end()?;
    bench.decide(|world, now| commands::approve(world, request, &by, now));
    Ok(())
}

fn present_plan(bench: &Bench, id: &RolloutId, stage: Option<&StageName>) -> String {
    let rollout = &bench.world.rollouts[id];
    let named = stage.and_then(|name| rollout.stage(name));
    let place = named.map_or(rollout.open_stage, |(place, _)| place);
    plan_hash(&bench.world, id, place)
}

/// `by carol the admin`; alice without it.
fn actor(words: &mut Words) -> Result<Actor, String> {
    if !words.take("by") {
        return Ok(alice());
    }
    let name = words.parse("a name")?;
    let role = match words.take("the") {
        true => words.parse("a role")?,
        false => Role::Operator,
    };
    Ok(Actor::Operator { name, role })
}

/// `retry [ROLLOUT] [MACHINE …] ["reason"]`.
fn retry(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let rollout = rollout(bench, words)?;
    let mut agents = Vec::new();
    while let Some(agent) = words.maybe(|_| true) {
        agents.push(agent);
    }
    let request = RetryAgents {
        rollout,
        agents,
        reason: words.quoted(),
    };
    words.end()?;
    bench.decide(|world, now| commands::retry(world, request, &alice(), now));
    Ok(())
}

/// `coordinator restarts`: what it knows is read back from what it wrote, and
/// no machine has come yet.
fn restart(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    if !words.take("restarts") {
        return Err("it is \"coordinator restarts\"".to_owned());
    }
    words.end()?;
    let written = serde_json::to_string(&bench.world).expect("a world is written");
    let read: World = serde_json::from_str(&written).expect("a world is read back");
    assert_eq!(read, bench.world, "the world as it was written");
    bench.world = read;
    bench.observe(Observation::Started { at: bench.now });
    bench.plan();
    Ok(())
}
