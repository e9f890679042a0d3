//! What the machine must be in the end, and must never have been.

use std::collections::{BTreeMap, BTreeSet};

use pinion_model::{AgentPhase, Digest};
use pinion_workload::Outcome;
use pinion_workload::names::{Part, split_part};

use super::super::rig::{Rig, digest};
use super::faults::Fault;
use super::scenes::{POLICY, Scene, Stands};
use crate::driver::fake::Machine;

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
            AgentPhase::Refused if self.may_be_adopted(fault) => self.stands(rig),
            _ => digest(1),
        };
        let mut machine = rig.engine.machine();
        machine.watch_names();
        let standing = machine.standing();
        let is_left = |name: &&String| is_left_for_a_person(name, phase);
        let names: BTreeMap<_, _> = standing
            .iter()
            .filter(|(name, _)| !is_left(name))
            .map(|(name, (digest, _))| (name.clone(), digest.clone()))
            .collect();
        let stand = self.containers.iter().map(|s| (s.name, runs.clone()));
        let depend = self.dependants.iter().map(|d| (d.name, d.runs(&runs)));
        let expected: BTreeMap<_, _> = stand
            .chain(depend)
            .map(|(name, digest)| (name.to_owned(), digest))
            .collect();
        assert_eq!(names, expected, "one for each name and no other; {case}");
        for dependant in self.dependants {
            let needs = machine.needs_of(dependant.name);
            assert_eq!(needs, ["web"], "it depends on what stands there; {case}");
        }
        let depend = self.dependants.iter().map(|d| Stands {
            name: d.name,
            policy: POLICY,
            runs: true,
        });
        for stands in self.containers.iter().copied().chain(depend) {
            let is_up = standing[stands.name].1;
            if let Some(expected) = self.is_up(stands, fault, phase) {
                assert_eq!(is_up, expected, "{} runs; {case}", stands.name);
            }
            check_settings(&machine, stands, &case);
            let volumes = machine.volumes(stands.name);
            assert_eq!(volumes, self.volumes(stands.name), "volumes; {case}");
        }
    }

    /// What is in its place without its old one says nothing of a soak: it is
    /// adopted while it is well, and one that is sick has nothing to go back to.
    fn may_be_adopted(&self, fault: &Fault) -> bool {
        self.is_of_compose() && fault.loses_the_journal()
    }

    fn stands(&self, rig: &Rig) -> Digest {
        let name = self.containers[0].name;
        let found = rig.engine.machine().digest_of_name(name);
        found.expect("its name leads to one")
    }

    /// How it may end: as without the fault, or as is said of that fault.
    fn may_end(&self, fault: &Fault) -> BTreeSet<AgentPhase> {
        let mut may = BTreeSet::from([self.end]);
        if self.may_be_adopted(fault) {
            may.extend([AgentPhase::Refused, AgentPhase::Settled]);
        }
        if fault.is_a_no() {
            may.extend([AgentPhase::Refused, AgentPhase::RolledBack]);
        }
        if fault.ends_the_engine() && self.end == AgentPhase::RollbackFailed {
            // The engine itself starts what an agent could not.
            may.insert(AgentPhase::RolledBack);
        }
        if fault.takes_long() {
            // A pull may take as long as its deadline.
            may.insert(AgentPhase::Refused);
        }
        if fault.ends_the_engine() && self.containers.iter().any(|c| c.policy == "no") {
            // It was stopped before it was touched: what is stopped is waited for.
            may.insert(AgentPhase::Refused);
            // Nobody saw that the engine ended: its end is the image's.
            if matches!(fault, Fault::Deaths(_)) {
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

/// Where going back failed, the failed one is kept.
fn is_left_for_a_person(name: &str, phase: AgentPhase) -> bool {
    let part = split_part(name).map(|(_, part, _)| part);
    phase == AgentPhase::RollbackFailed && part == Some(Part::Failed)
}

fn check_settings(machine: &Machine, stands: Stands, case: &str) {
    let name = stands.name;
    let (policy, env) = machine.settings(name).expect("it stands");
    assert_eq!(policy, stands.policy, "the user's restart policy; {case}");
    let expected = serde_json::json!([format!("NAME={name}")]);
    assert_eq!(env, expected, "settings; {case}");
}
