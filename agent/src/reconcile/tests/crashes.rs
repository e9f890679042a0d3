//! The agent dies at every call of an update, before the effect and after it,
//! and the next one goes on from the journal, or without it.

mod scenes;

use std::collections::BTreeMap;

use pinion_model::AgentPhase;
use proptest::prelude::*;

use scenes::{COMPOSE, SCENARIOS};

use super::rig::{Rig, SECOND, desired, digest, image, image_in};
use crate::driver::fake::{Behaviour, Crash, Need};

/// An update from image 1 to image 2.
#[derive(Debug, Clone, Copy)]
struct Scenario {
    name: &'static str,
    next: Behaviour,
    policy: &'static str,
    /// Name, and whether it runs.
    containers: &'static [(&'static str, bool)],
    /// What depends on "web", each on the image of its own or on the workload's.
    dependants: &'static [(&'static str, Dependence, Image)],
    /// What is on all of them.
    labels: &'static [(&'static str, &'static str)],
    end: AgentPhase,
}

/// What a dependant has of "web".
#[derive(Debug, Clone, Copy)]
enum Dependence {
    Network,
    Volumes,
    Link,
}

/// What a dependant runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Image {
    Own,
    Workloads,
}

/// What else happens while the agent is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    Nothing,
    JournalLost,
    EngineRestarts,
}

fn sidecar() -> pinion_model::ImageRef {
    image_in("ghcr.io/acme/sidecar", 9)
}

impl Scenario {
    fn rig(self) -> Rig {
        let rig = Rig::new();
        let mut machine = rig.engine.machine();
        machine.load(&image(1), Behaviour::Healthy(SECOND));
        machine.publish(&image(2), Ok(self.next));
        for (name, running) in self.containers {
            machine.seed(name, &image(1), self.policy, *running);
            for (key, value) in self.labels {
                machine.label(name, key, value);
            }
        }
        machine.load(&sidecar(), Behaviour::Runs);
        for (name, dependence, runs) in self.dependants {
            let runs = if *runs == Image::Own {
                sidecar()
            } else {
                image(1)
            };
            machine.seed(name, &runs, self.policy, true);
            let on = machine.id_of("web").expect("it is there");
            let need = match dependence {
                Dependence::Network => Need::Network(on.0),
                Dependence::Volumes => Need::Volumes(on.0),
                Dependence::Link => Need::Link(on),
            };
            machine.need(name, need);
        }
        drop(machine);
        rig
    }

    /// Loses the answer to one call; the agent lives on.
    async fn play_with_a_lost_answer(self, index: usize, when: Crash) {
        let rig = self.rig();
        rig.engine.lose_answer_at(index, when);
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        let outcome = agent.outcome(1).await;
        self.check(&rig, outcome.phase, Some((index, when, Meanwhile::Nothing)));
        agent.kill().await;
    }

    /// Dies several times, each a few calls after the last.
    async fn play_with_many_deaths(self, deaths: &[(usize, Crash, Meanwhile)]) {
        let rig = self.rig();
        for (after, when, meanwhile) in deaths {
            rig.engine.crash_at(rig.engine.calls() + after, *when);
            let agent = rig.agent();
            agent.accept(&desired(1, 2));
            let ended = tokio::select! {
                () = rig.engine.died() => false,
                _ = agent.outcome(1) => true,
            };
            agent.kill().await;
            rig.engine.revive();
            if *meanwhile == Meanwhile::JournalLost && !ended {
                rig.lose_journal();
            }
        }
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        let outcome = agent.outcome(1).await;
        let lost = deaths
            .iter()
            .find(|(.., meanwhile)| *meanwhile == Meanwhile::JournalLost);
        self.check(&rig, outcome.phase, lost.copied());
        agent.kill().await;
    }

    /// Lets an agent die where the engine was told to, another one take over,
    /// and looks at what is left.
    async fn play(self, crash: Option<(usize, Crash, Meanwhile)>) -> usize {
        let rig = self.rig();
        if let Some((index, when, meanwhile)) = crash {
            rig.engine.crash_at(index, when);
            let agent = rig.agent();
            agent.accept(&desired(1, 2));
            rig.engine.died().await;
            agent.kill().await;
            rig.engine.revive();
            match meanwhile {
                Meanwhile::Nothing => {}
                Meanwhile::JournalLost => rig.lose_journal(),
                Meanwhile::EngineRestarts => rig.engine.restart(),
            }
        }
        let agent = rig.agent();
        agent.accept(&desired(1, 2));
        let outcome = agent.outcome(1).await;
        self.check(&rig, outcome.phase, crash);
        let calls = rig.engine.calls();
        agent.kill().await;
        calls
    }

    fn check(self, rig: &Rig, phase: AgentPhase, crash: Option<(usize, Crash, Meanwhile)>) {
        let machine = rig.engine.machine();
        let case = format!("{}, crash {crash:?}: {:#?}", self.name, rig.engine.log());
        assert_eq!(machine.violations, Vec::<String>::new(), "{case}");
        // What is in its place without its old one says nothing of a soak: it is
        // adopted while it is well, and one that is sick has nothing to go back to.
        let lost = crash.is_some_and(|(.., meanwhile)| meanwhile == Meanwhile::JournalLost);
        let adopted = lost
            && self.labels.contains(&COMPOSE)
            && matches!(phase, AgentPhase::Refused | AgentPhase::Settled);
        let end = if adopted { phase } else { self.end };
        assert_eq!(phase, end, "{case}");
        let runs = if adopted || matches!(end, AgentPhase::Settled | AgentPhase::Staged) {
            digest(2)
        } else {
            digest(1)
        };
        let own = |image: &Image| match image {
            Image::Own => sidecar().digest,
            Image::Workloads => runs.clone(),
        };
        let mut expected: BTreeMap<_, _> = self
            .containers
            .iter()
            .map(|(name, running)| ((*name).to_owned(), (runs.clone(), *running)))
            .collect();
        for (name, _, image) in self.dependants {
            expected.insert((*name).to_owned(), (own(image), true));
            assert_eq!(
                machine.needs_of(name),
                ["web"],
                "it depends on what stands there; {case}"
            );
        }
        let mut standing = machine.standing();
        if crash.is_some_and(|(.., meanwhile)| meanwhile == Meanwhile::EngineRestarts) {
            // An engine starts by itself what a user stopped, where the policy is "always".
            let stopped = self.containers.iter().filter(|(_, running)| !running);
            stopped.for_each(|(name, _)| {
                drop(
                    standing
                        .entry((*name).to_owned())
                        .and_modify(|c| c.1 = false),
                )
            });
        }
        assert_eq!(
            standing, expected,
            "one container for each name, running as before, and no other; {case}"
        );
        let names = self.containers.iter().map(|(name, _)| name);
        for name in names.chain(self.dependants.iter().map(|(name, ..)| name)) {
            let (policy, env) = machine.settings(name).expect("it stands");
            assert_eq!(policy, self.policy, "the user's restart policy; {case}");
            assert_eq!(
                env,
                serde_json::json!([format!("NAME={name}")]),
                "the user's settings; {case}"
            );
        }
    }
}

async fn every_crash_ends_well(scenarios: &[Scenario], meanwhile: Meanwhile) {
    for scenario in scenarios {
        if meanwhile == Meanwhile::EngineRestarts && scenario.policy == "no" {
            // What ran is stopped by that, with or without Pinion.
            continue;
        }
        let calls = scenario.play(None).await;
        assert!(calls > 0, "an update that calls nothing proves nothing");
        for index in 0..calls {
            for when in [Crash::Before, Crash::After] {
                scenario.play(Some((index, when, meanwhile))).await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_at_any_call_goes_on_from_its_journal() {
    every_crash_ends_well(SCENARIOS, Meanwhile::Nothing).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_and_loses_its_journal_goes_on_from_names_and_labels() {
    every_crash_ends_well(SCENARIOS, Meanwhile::JournalLost).await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_dies_with_its_engine_goes_on() {
    every_crash_ends_well(SCENARIOS, Meanwhile::EngineRestarts).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_is_not_taken_for_a_failure() {
    for scenario in SCENARIOS {
        for index in 0..scenario.play(None).await {
            for when in [Crash::Before, Crash::After] {
                scenario.play_with_a_lost_answer(index, when).await;
            }
        }
    }
}

fn death() -> impl Strategy<Value = (usize, Crash, Meanwhile)> {
    let when = prop_oneof![Just(Crash::Before), Just(Crash::After)];
    let meanwhile = prop_oneof![3 => Just(Meanwhile::Nothing), 1 => Just(Meanwhile::JournalLost)];
    (0..8_usize, when, meanwhile)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn an_agent_that_dies_again_and_again_gets_there(
        scenario in prop::sample::select(SCENARIOS),
        deaths in prop::collection::vec(death(), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(scenario.play_with_many_deaths(&deaths));
    }
}
