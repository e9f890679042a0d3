//! What people order of the fleet: holds, quarantines, labels, single machines.

use pinion_model::{AgentId, LabelSelector, Labels};
use pinion_rollout::commands::{self, HoldAgent, PlaceHold, QuarantineDigest, Refresh, SetLabels};

use super::bench::{Bench, digest};
use super::fleet;
use super::operators::{alice, image, labels};
use super::words::Words;

fn is_machine(bench: &Bench, word: &str) -> bool {
    fleet::names(word).is_ok_and(|names| names.iter().all(|id| bench.machines.contains_key(id)))
}

/// `hold everything "reason"`, `hold site=eu "reason" for 2h`, `hold workload web "reason"`.
fn place_hold(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let mut request = PlaceHold {
        agents: LabelSelector::default(),
        workload: None,
        reason: String::new(),
        expires_at: None,
    };
    if words.take("workload") {
        request.workload = Some(words.parse("a workload")?);
    } else if !words.take("everything") {
        request.agents = LabelSelector(labels(words)?);
    }
    request.reason = words.quoted();
    if words.take("for") {
        request.expires_at = Some(bench.now + time(words)?);
    }
    words.end()?;
    bench.decide(|world, now| commands::place_hold(world, request, &alice(), now));
    Ok(())
}

/// `quarantine [WORKLOAD] v2 "reason"`.
pub(super) fn quarantine(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let (workload, version) = image(words)?;
    let request = QuarantineDigest {
        digest: digest(&version).ok_or_else(|| format!("{version:?} is not v1 to v99"))?,
        workload,
        reason: words.quoted(),
    };
    words.end()?;
    bench.decide(|world, now| commands::quarantine(world, request, &alice(), now));
    Ok(())
}

/// `lift hold-1 "reason"`, `lift quarantine v2 "reason"`.
pub(super) fn lift(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    match words.take("quarantine") {
        true => lift_quarantine(bench, words),
        false => lift_hold(bench, words),
    }
}

fn lift_quarantine(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let version = words.next("v1 to v99")?;
    let digest = digest(&version).ok_or_else(|| format!("{version:?} is not v1 to v99"))?;
    let reason = words.quoted();
    words.end()?;
    bench.decide(|world, now| commands::lift_quarantine(world, &digest, &reason, &alice(), now));
    Ok(())
}

fn lift_hold(bench: &mut Bench, words: &mut Words) -> Result<(), String> {
    let id = words.next("a hold")?;
    let reason = words.quoted();
    words.end()?;
    bench.decide(|world, now| commands::lift_hold(world, &id, &reason, &alice(), now));
    Ok(())
}

/// `hold m1..m2 "reason" for 2h`, `release m1`, `label m1 site=eu`, …
pub(super) fn fleet(bench: &mut Bench, verb: &str, words: &mut Words) -> Result<(), String> {
    if verb == "hold" && !words.peek().is_some_and(|word| is_machine(bench, word)) {
        return place_hold(bench, words);
    }
    let word = words.next("a machine")?;
    if verb == "enrol" {
        return fleet::one(bench, &format!("{word} {}", words.rest()));
    }
    let names = fleet::names(&word)?;
    if let Some(unknown) = names.iter().find(|id| !bench.machines.contains_key(*id)) {
        return Err(format!("there is no machine {:?}", unknown.as_str()));
    }
    let labels = match verb {
        "label" | "unlabel" => labels(words)?,
        _ => Labels::new(),
    };
    let reason = words.quoted();
    let expires_at = match verb == "hold" && words.take("for") {
        true => Some(bench.now + time(words)?),
        false => None,
    };
    words.end()?;
    for id in names {
        match verb {
            "hold" => {
                let reason = reason.clone();
                let request = HoldAgent {
                    agent: id,
                    reason,
                    expires_at,
                };
                bench.decide(|world, now| commands::hold(world, request, &alice(), now));
            }
            "label" | "unlabel" => label(bench, id, labels.clone(), verb == "unlabel"),
            "refresh" => refresh(bench, id, &reason),
            verb => about(bench, id, verb, &reason),
        }
    }
    Ok(())
}

fn about(bench: &mut Bench, id: AgentId, verb: &str, reason: &str) {
    let command = match verb {
        "release" => commands::release,
        "revoke" => commands::revoke_agent,
        _ => commands::remove_agent,
    };
    bench.decide(|world, now| command(world, id, reason, &alice(), now));
}

fn label(bench: &mut Bench, agent: AgentId, mut labels: Labels, remove: bool) {
    if remove {
        labels.values_mut().for_each(String::clear);
    }
    let request = SetLabels { agent, labels };
    bench.decide(|world, now| commands::set_labels(world, request, &alice(), now));
}

fn refresh(bench: &mut Bench, agent: AgentId, reason: &str) {
    let request = Refresh {
        agents: vec![agent],
        workloads: Vec::new(),
        reason: reason.to_owned(),
    };
    let answers = bench.decide(|world, now| commands::refresh(world, request, &alice(), now));
    for answer in answers.into_iter().flatten() {
        for (workload, failure) in answer.failed {
            bench.say(format!("{} {workload}: {failure}", answer.agent));
        }
    }
}

fn time(words: &mut Words) -> Result<std::time::Duration, String> {
    let text = words.next("a duration")?;
    pinion_model::parse_duration(&text).map_err(|error| error.to_string())
}
