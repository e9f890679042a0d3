//! What the machine must be in the end, and must never have been.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::AgentPhase;
use pinion_workload::Outcome;
use pinion_workload::names::{Part, split_part};

use super::super::rig::{Rig, digest};
use super::faults::Fault;
use super::scenes::{Scene, Stands};

impl Scene {
    pub(super) fn check(&self, rig: &Rig, fault: &Fault, outcome: &Outcome) {
        let case = format!("{}, {fault:?}: {:#?}", self.name, rig.engine.log());
        let may_end = self.may_end(fault);
        let phase = outcome.phase;
        let why = outcome.failure.as_ref().map(ToString::to_string);
        assert!(
            may_end.contains(&phase),
            "{phase} {why:?}, may be {may_end:?}; {case}"
        );
        self.check_what_was(rig, fault, &case);
        let runs = match phase {
            AgentPhase::Settled | AgentPhase::Staged => digest(2),
            _ => digest(1),
        };
        let mut machine = rig.engine.machine();
        machine.watch_names();
        let standing = machine.standing();
        let failed = standing.keys().filter(|name| {
            let part = split_part(name).map(|(_, part, _)| part);
            phase == AgentPhase::RollbackFailed && part == Some(Part::Failed)
        });
        let left_for_a_person: BTreeSet<_> = failed.cloned().collect();
        let names: BTreeMap<_, _> = standing
            .iter()
            .filter(|(name, _)| !left_for_a_person.contains(*name))
            .map(|(name, (digest, _))| (name.clone(), digest.clone()))
            .collect();
        let expected: BTreeMap<_, _> = self
            .containers
            .iter()
            .map(|stands| (stands.name.to_owned(), runs.clone()))
            .collect();
        assert_eq!(names, expected, "one for each name and no other; {case}");
        for stands in self.containers {
            let is_up = standing[stands.name].1;
            if let Some(expected) = self.is_up(*stands, fault, phase) {
                assert_eq!(is_up, expected, "{} runs; {case}", stands.name);
            }
            let (policy, env) = machine.settings(stands.name).expect("it stands");
            assert_eq!(policy, stands.policy, "the user's restart policy; {case}");
            let name = stands.name;
            assert_eq!(
                env,
                serde_json::json!([format!("NAME={name}")]),
                "settings; {case}"
            );
            let volumes = BTreeSet::from([format!("data-of-{name}")]);
            assert_eq!(machine.volumes(name), volumes, "volumes; {case}");
        }
    }

    /// How it may end: as without the fault, or as is said of that fault.
    fn may_end(&self, fault: &Fault) -> BTreeSet<AgentPhase> {
        let mut may = BTreeSet::from([self.end]);
        if fault.is_a_no() {
            may.extend([AgentPhase::Refused, AgentPhase::RolledBack]);
        }
        if fault.takes_long() {
            // A pull may take as long as its deadline.
            may.insert(AgentPhase::Refused);
        }
        if fault.ends_the_engine() && self.containers.iter().any(|c| c.policy == "no") {
            // It was stopped before it was touched: what is stopped is waited for.
            may.insert(AgentPhase::Refused);
            // Nobody saw that the engine ended: its end is the image's.
            if matches!(fault, Fault::Death { .. }) {
                may.insert(AgentPhase::RolledBack);
                may.insert(AgentPhase::Staged);
            }
        }
        may
    }

    /// Whether it must be up, or must not.
    fn is_up(&self, stands: Stands, fault: &Fault, phase: AgentPhase) -> Option<bool> {
        match fault.ends_the_engine() {
            // An engine starts by itself what a user stopped, where the policy is "always".
            true if !stands.runs || stands.policy == "no" => None,
            _ if phase == AgentPhase::RollbackFailed => None,
            _ => Some(stands.runs),
        }
    }

    fn check_what_was(&self, rig: &Rig, fault: &Fault, case: &str) {
        let may_be_down = fault.takes_long()
            || fault.ends_the_engine() && self.containers.iter().any(|c| c.policy == "no");
        let machine = rig.engine.machine();
        let violations: Vec<_> = machine
            .violations
            .iter()
            .filter(|note| !(may_be_down && note.contains("led to nothing")))
            .collect();
        assert!(violations.is_empty(), "{violations:#?}; {case}");
    }
}
