//! The machines of a scenario: who they are, and what they run.

use std::collections::BTreeMap;
use std::time::Duration;

use pinion_model::{AgentId, Labels};
use pinion_rollout::commands::{self, Claim, CreateToken, NewToken, Redeem};
use pinion_rollout::{Certificate, Observation, Versions};

use super::Fault;
use super::bench::{Bench, Machine, digest};
use super::operators::alice;
use super::words::Words;

/// `m1..m4 runs v1 region=eu`, one line for machines that are alike.
pub(super) fn enrol(bench: &mut Bench, lines: &[String]) -> Result<(), Fault> {
    for (place, line) in lines.iter().enumerate() {
        one(bench, line).map_err(|message| Fault::at(place + 1, message))?;
    }
    Ok(())
}

pub(super) fn one(bench: &mut Bench, line: &str) -> Result<(), String> {
    let mut words = Words::of(line)?;
    let names = names(&words.next("the name of a machine")?)?;
    let mut running = BTreeMap::new();
    let mut labels = Labels::new();
    let (mut online, mut sick) = (true, false);
    while let Ok(word) = words.next("") {
        match word.as_str() {
            "runs" => running = runs(&mut words)?,
            "offline" => online = false,
            "sick" => sick = true,
            word => match word.split_once('=') {
                Some((key, value)) => {
                    labels.insert(key.to_owned(), value.to_owned());
                }
                None => {
                    return Err(format!(
                        "{word:?} is not runs, offline, sick, or label=value"
                    ));
                }
            },
        }
    }
    words.end()?;
    for id in names {
        if bench.machines.contains_key(&id) {
            return Err(format!("there is a machine {:?} already", id.as_str()));
        }
        let machine = Machine {
            running: running.clone(),
            sick,
            ..Machine::default()
        };
        bench.quietly(|bench| {
            identity(bench, &id, labels.clone());
            bench.machines.insert(id.clone(), machine);
            hello(bench, &id);
            if !online {
                offline(bench, &id);
            }
        });
    }
    bench.plan();
    Ok(())
}

/// `v1`, `nothing`, or `app:v1 web:v2`.
fn runs(
    words: &mut Words,
) -> Result<BTreeMap<pinion_model::WorkloadName, pinion_model::Digest>, String> {
    let mut running = BTreeMap::new();
    if words.take("nothing") {
        return Ok(running);
    }
    while let Some(word) = words.maybe::<String>(|word| word.contains(':')) {
        let (workload, version) = word.split_once(':').unwrap_or_default();
        let digest = digest(version).ok_or_else(|| format!("{version:?} is not v1 to v99"))?;
        running.insert(workload.parse().map_err(|e| format!("{e}"))?, digest);
    }
    if running.is_empty() {
        let version = words.next("v1 to v99, app:v1, or nothing")?;
        let digest = digest(&version).ok_or_else(|| format!("{version:?} is not v1 to v99"))?;
        running.insert(Bench::workload(), digest);
    }
    Ok(running)
}

/// `m3`, or all of `m1..m4`.
pub(super) fn names(word: &str) -> Result<Vec<AgentId>, String> {
    let name = |text: &str| text.parse::<AgentId>().map_err(|error| error.to_string());
    let Some((first, last)) = word.split_once("..") else {
        return Ok(vec![name(word)?]);
    };
    let split = |text: &str| {
        let stem = text
            .trim_end_matches(|c: char| c.is_ascii_digit())
            .to_owned();
        let number: Option<u32> = text[stem.len()..].parse().ok();
        number.map(|number| (stem, number))
    };
    let (Some((stem, from)), Some((other, to))) = (split(first), split(last)) else {
        return Err(format!("{word:?} is no range; write m1..m4"));
    };
    if stem != other || from > to {
        return Err(format!("{word:?} is no range; write m1..m4"));
    }
    (from..=to).map(|n| name(&format!("{stem}{n}"))).collect()
}

fn identity(bench: &mut Bench, id: &AgentId, labels: Labels) {
    let name = format!("{id}-{}", bench.world.agents.len());
    let token = CreateToken {
        id: format!("t-{name}"),
        secret_hash: format!("hash-{name}"),
        kind: NewToken::Enrollment {
            agent: Some(id.clone()),
            labels,
            max_uses: 1,
        },
        expires_at: Some(bench.now + Duration::from_secs(3600)),
    };
    let redeem = Redeem {
        claim: Claim {
            secret_hash: token.secret_hash.clone(),
            key: format!("key-{name}"),
            wanted: None,
        },
        agent: id.clone(),
        certificate: Certificate {
            fingerprint: format!("print-{name}"),
            serial: "01".to_owned(),
            not_after: pinion_model::Timestamp(u64::MAX),
        },
        encoded: String::new(),
    };
    bench
        .decide(|world, now| commands::create_token(world, token, &alice(), now))
        .expect("a token");
    bench
        .decide(|world, now| commands::redeem(world, redeem, now))
        .expect("an identity");
}

/// A machine's session begins: who it is, and what it runs.
pub(super) fn hello(bench: &mut Bench, id: &AgentId) {
    let (Some(known), Some(machine)) = (bench.world.agents.get(id), bench.machines.get(id)) else {
        return;
    };
    let hello = Observation::Hello {
        agent: id.clone(),
        epoch: known.epoch.next(),
        generation: machine.generation,
        process_id: format!("process-of-{id}"),
        facts: BTreeMap::new(),
        versions: Versions::default(),
        at: bench.now,
    };
    bench.observe(hello);
    inventory(bench, id);
}

pub(super) fn inventory(bench: &mut Bench, id: &AgentId) {
    let workloads = bench.containers(id);
    bench.observe(Observation::Inventory {
        agent: id.clone(),
        workloads,
        at: bench.now,
    });
}

pub(super) fn offline(bench: &mut Bench, id: &AgentId) {
    let epoch = bench.world.agents.get(id).map(|agent| agent.epoch);
    bench.observe(Observation::Offline {
        agent: id.clone(),
        epoch: epoch.unwrap_or_default(),
        at: bench.now,
    });
}
