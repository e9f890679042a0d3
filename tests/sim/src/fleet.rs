//! How a run begins: machines get their identities and their containers, a
//! coordinator starts, and the first digests are promoted.

use std::time::Duration;

use pinion_model::Timestamp;
use pinion_rollout::commands::{self, Claim, CreateToken, NewToken, Redeem};
use pinion_rollout::{Certificate, Change, Outcome, Refusal};

use crate::event::Event;
use crate::invariants::{Held, Violation, violated};
use crate::operators::alice;
use crate::random::mix;
use crate::scenario::{BEGIN, Scenario};
use crate::sim::Sim;

/// Keys that may redeem the token of a rack: more than it has machines.
const USES: u32 = 10;

impl Sim {
    pub(crate) fn begin_all(&mut self) -> Held {
        for machine in 0..self.machines.len() {
            self.furnish(machine);
        }
        for machine in 0..self.scenario.first {
            self.enrol(machine)?;
        }
        self.store.begun = self.store.history.len();
        self.start_coordinator();
        for machine in 0..self.scenario.first {
            self.wake(machine);
        }
        for line in 0..self.scenario.lines.len() {
            self.queue_first(line);
        }
        self.put_in(Duration::from_secs(40), Event::Operate);
        self.put_in(Duration::from_secs(60), Event::Fault);
        self.queue.put(self.scenario.calm_at, Event::Calm);
        Ok(())
    }

    /// The first digests come once most machines are there.
    fn queue_first(&mut self, line: usize) {
        let delay = self.random.seconds(10, 90);
        self.put_in(delay, Event::First(line));
    }

    /// The containers that a machine has of its own.
    fn furnish(&mut self, machine: usize) {
        let now = self.now;
        for (number, line) in self.scenario.lines.iter().enumerate() {
            let draw = mix([self.scenario.seed, machine as u64, number as u64]);
            let build = &line.builds[0];
            let behaviour = self.scenario.behaviour(build, machine);
            let engine = &mut self.machines[machine].engine;
            let (count, running) = match draw % 20 {
                0 | 1 => (0, false),
                2 => (1, false),
                3 => (2, true),
                _ => (1, true),
            };
            for copy in 0..count {
                let name = if copy == 0 {
                    line.name.to_string()
                } else {
                    format!("{}-{copy}", line.name)
                };
                engine.seed(machine, name, build, behaviour, running, now);
            }
        }
        self.engine_changes_at(machine);
    }

    /// A machine gets its identity.
    pub(crate) fn enrol(&mut self, machine: usize) -> Held {
        let labels = Scenario::labels(machine);
        let rack = labels.get("rack").cloned().unwrap_or_default();
        let id = format!("t-{rack}");
        let token = CreateToken {
            secret_hash: format!("hash-{id}"),
            id,
            kind: NewToken::Enrollment {
                agent: None,
                labels,
                max_uses: USES,
            },
            expires_at: Some(BEGIN + Duration::from_secs(30 * 86_400)),
        };
        let name = self.machines[machine].name.clone();
        let claim = Claim {
            secret_hash: token.secret_hash.clone(),
            key: format!("key{machine}"),
            wanted: Some(name.clone()),
        };
        let certificate = Certificate {
            fingerprint: format!("print{machine}"),
            serial: format!("{machine:x}"),
            not_after: Timestamp(u64::MAX),
        };
        let redeem = Redeem {
            claim,
            agent: name,
            certificate,
            encoded: "pem".to_owned(),
        };
        let now = self.now;
        // Of those that enrol with it, the first makes it.
        self.set_up(|sim| commands::create_token(&sim.store.truth.world, token, &alice(), now))?;
        self.set_up(|sim| commands::redeem(&sim.store.truth.world, redeem, now))?;
        self.machines[machine].is_enrolled = true;
        Ok(())
    }

    fn set_up<T>(
        &mut self,
        command: impl FnOnce(&Self) -> Result<Outcome<T>, Refusal>,
    ) -> Result<(), Violation> {
        let outcome: Result<Vec<Change>, _> = command(self).map(|outcome| outcome.changes);
        match outcome {
            Ok(changes) => self
                .commit(Some(self.store.truth.decisions), &changes)
                .map(|_| ()),
            Err(refusal) => violated("a machine can be enrolled", refusal.to_string()),
        }
    }
}
