//! What machines do and say.

use std::collections::BTreeSet;

use pinion_model::{AgentId, AgentPhase, Digest, Failure, FailureKind, Generation, WorkloadName};
use pinion_rollout::{Placement, Report};

use super::bench::{Bench, digest};
use super::fleet;
use super::words::Words;

/// What is said of which workload, on which machines.
struct Event {
    machines: BTreeSet<AgentId>,
    /// `all`: those of which something is asked, others are passed over.
    all: bool,
    workload: WorkloadName,
}

/// `m1 m3..m5 settle`, `all settle`, `m2 web fails health "…"`.
pub(super) fn event(bench: &mut Bench, mut words: Words) -> Result<(), String> {
    let event = who(bench, &mut words)?;
    let verb = words.next("what the machine does")?;
    match verb.as_str() {
        "goes" | "go" => {
            words
                .next("offline")
                .and_then(|word| expect(&word, "offline"))?;
            each(bench, &event, fleet::offline);
        }
        "comes" | "come" => {
            words.next("back").and_then(|word| expect(&word, "back"))?;
            each(bench, &event, fleet::hello);
        }
        "sickens" | "sicken" | "heals" | "heal" => {
            let sick = verb.starts_with("sicken");
            each(bench, &event, |bench, id| {
                if let Some(machine) = bench.machines.get_mut(id) {
                    machine.sick = sick;
                }
                fleet::inventory(bench, id);
            });
        }
        "runs" | "run" => {
            let version = words.next("v1 to v99")?;
            let digest = digest(&version).ok_or_else(|| format!("{version:?} is not v1 to v99"))?;
            each(bench, &event, |bench, id| {
                runs(bench, id, &event.workload, Some(&digest));
                fleet::inventory(bench, id);
            });
        }
        verb => said(bench, &event, verb, &mut words)?,
    }
    words.end()?;
    bench.plan();
    Ok(())
}

fn expect(word: &str, wanted: &str) -> Result<(), String> {
    (word == wanted)
        .then_some(())
        .ok_or_else(|| format!("{word:?} should be {wanted:?}"))
}

fn who(bench: &Bench, words: &mut Words) -> Result<Event, String> {
    let mut machines = BTreeSet::new();
    let all = words.take("all");
    if all {
        machines.extend(bench.machines.keys().cloned());
    }
    let first = words.peek().unwrap_or_default().to_owned();
    while let Some(named) = words.peek().and_then(|word| named(bench, word)) {
        words.next("a machine")?;
        machines.extend(named);
    }
    if machines.is_empty() {
        let like_one = first.trim_end_matches(|c: char| c.is_ascii_digit()) == "m";
        return Err(match like_one {
            true => format!("there is no machine {first:?}"),
            false => format!("{first:?} is neither a command nor a machine"),
        });
    }
    let known = |word: &str| {
        word.parse()
            .is_ok_and(|name: WorkloadName| bench.world.workloads.contains_key(&name))
    };
    let workload = words.maybe(known).unwrap_or_else(Bench::workload);
    Ok(Event {
        machines,
        all,
        workload,
    })
}

fn named(bench: &Bench, word: &str) -> Option<Vec<AgentId>> {
    let names = fleet::names(word).ok()?;
    names
        .iter()
        .all(|id| bench.machines.contains_key(id))
        .then_some(names)
}

fn each(bench: &mut Bench, event: &Event, act: impl Fn(&mut Bench, &AgentId)) {
    for id in &event.machines {
        act(bench, id);
    }
}

/// What an agent reports, and how.
struct Saying {
    phase: AgentPhase,
    waiting_for: String,
    failure: Option<Failure>,
    generation: Option<Generation>,
}

fn said(bench: &mut Bench, event: &Event, verb: &str, words: &mut Words) -> Result<(), String> {
    let mut report = report(verb, words)?;
    if words.take("for") {
        words
            .next("generation")
            .and_then(|word| expect(&word, "generation"))?;
        report.generation = Some(Generation(words.parse("a number")?));
    }
    let mut spoke = false;
    for id in &event.machines {
        match asked(bench, id, event, &report) {
            Ok(said) => {
                let after = after(bench, id, event, report.phase, &said);
                runs(bench, id, &event.workload, after.as_ref());
                cured(bench, id, report.phase);
                let said = Report {
                    running: after,
                    containers: bench
                        .containers(id)
                        .remove(&event.workload)
                        .unwrap_or_default(),
                    ..said
                };
                bench.reported(id, said);
                spoke = true;
            }
            Err(_) if event.all => {}
            Err(message) => return Err(format!("{id}: {message}")),
        }
    }
    match spoke {
        true => Ok(()),
        false => Err("nothing is asked of any machine".to_owned()),
    }
}

fn report(verb: &str, words: &mut Words) -> Result<Saying, String> {
    let (phase, fails) = match verb {
        "settles" | "settle" => (AgentPhase::Settled, false),
        "soaks" | "soak" => (AgentPhase::Soaking, false),
        "waits" | "wait" => (AgentPhase::Waiting, false),
        "prefetches" | "prefetch" => (AgentPhase::Prefetched, false),
        "withdraws" | "withdraw" => (AgentPhase::Withdrawn, false),
        "fails" | "fail" => (AgentPhase::RolledBack, true),
        "refuses" | "refuse" => (AgentPhase::Refused, true),
        "breaks" | "break" => (AgentPhase::RollbackFailed, true),
        "is" | "are" => (word_of(words, AgentPhase::ALL, "a phase")?, false),
        _ => return Err(format!("{verb:?} is nothing that a machine does")),
    };
    let kind = fails.then(|| word_of(words, FailureKind::ALL, "a kind of failure"));
    let text = words.quoted();
    let failure = kind
        .transpose()?
        .map(|kind| Failure::new(kind, text.clone()));
    Ok(Saying {
        phase,
        waiting_for: if fails { String::new() } else { text },
        failure,
        generation: None,
    })
}

/// One of the model's words, which may be two: `cutting over`, `not found`.
fn word_of<T: Copy + ToString>(words: &mut Words, all: &[T], what: &str) -> Result<T, String> {
    let first = words.next(what)?;
    let both = format!("{first} {}", words.peek().unwrap_or_default());
    let find = |text: &str| all.iter().find(|one| one.to_string() == text).copied();
    if let Some(found) = find(&both) {
        words.next(what)?;
        return Ok(found);
    }
    find(&first).ok_or_else(|| format!("{first:?} is not {what}"))
}

/// The report about what is asked of a machine now, or of the generation named.
fn asked(bench: &Bench, id: &AgentId, event: &Event, words: &Saying) -> Result<Report, String> {
    if !bench.is_online(id) {
        return Err("it is not online, nobody hears it".to_owned());
    }
    let agent = bench.world.agents.get(id);
    let placement = agent.and_then(|agent| agent.placements.get(&event.workload));
    let asked = placement.and_then(|placement| Some((placement, placement.told()?)));
    let Some((placement, told)) =
        asked.filter(|(placement, _)| words.generation.is_some() || is_open(placement))
    else {
        return Err("nothing is asked of it, or that is done".to_owned());
    };
    let recalled = placement
        .withdrawn
        .filter(|_| words.phase != AgentPhase::Withdrawn && !placement.is_pulling_ahead());
    Ok(Report {
        workload: event.workload.clone(),
        generation: words.generation.or(recalled).unwrap_or(told.generation),
        attempt: told.attempt,
        phase: words.phase,
        waiting_for: words.waiting_for.as_str().into(),
        deferral: None,
        failure: words.failure.clone(),
        containers: Vec::new(),
        running: None,
    })
}

/// Something is asked that has not come to its end.
fn is_open(placement: &Placement) -> bool {
    placement.is_in_flight()
        || placement.is_pulling_ahead()
        || placement.phase == Some(AgentPhase::Soaking)
}

/// What the machine runs after it has said that.
fn after(
    bench: &Bench,
    id: &AgentId,
    event: &Event,
    phase: AgentPhase,
    report: &Report,
) -> Option<Digest> {
    let running = bench
        .machines
        .get(id)?
        .running
        .get(&event.workload)
        .cloned();
    let placement = bench
        .world
        .agents
        .get(id)?
        .placements
        .get(&event.workload)?;
    match phase {
        AgentPhase::Verifying | AgentPhase::Soaking | AgentPhase::Settled => {
            placement.asked.clone()
        }
        _ if report.failure.is_some() => before(placement).or(running),
        _ => running,
    }
}

/// What the machine goes back to by itself.
fn before(placement: &Placement) -> Option<Digest> {
    placement
        .proven
        .clone()
        .or_else(|| placement.observed_digest().cloned())
}

fn runs(bench: &mut Bench, id: &AgentId, workload: &WorkloadName, digest: Option<&Digest>) {
    if let (Some(machine), Some(digest)) = (bench.machines.get_mut(id), digest) {
        machine.running.insert(workload.clone(), digest.clone());
    }
}

/// What was proven is healthy, whatever was there before.
fn cured(bench: &mut Bench, id: &AgentId, phase: AgentPhase) {
    if let Some(machine) = bench.machines.get_mut(id).filter(|_| phase.is_proven()) {
        machine.sick = false;
    }
}
