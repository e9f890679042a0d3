//! How sure one must be of what one writes down.
//!
//! ```text
//!   a conclusion   ─▶ written only if a second look at the engine leads to it too
//!   what is found  ─▶ needs no disk: names, labels and states tell it again
//! ```

use pinion_model::{AgentPhase, Generation};

use crate::{Old, Record, Stage};

/// What is concluded from how the engine says that things are, and would not
/// be undone by the next look: one answer that makes no sense must not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    stage: Option<Stage>,
    outcome: Option<AgentPhase>,
    lost: usize,
    /// What stands there, and how: it is put back like that.
    replaces: Vec<Old>,
}

impl Conclusion {
    fn of(record: &Record) -> Self {
        let operation = record.operation.as_ref();
        let units = || operation.into_iter().flat_map(|o| &o.units);
        Self {
            stage: operation.map(|operation| operation.stage.clone()),
            outcome: record.outcome.as_ref().map(|outcome| outcome.phase),
            lost: units().filter(|unit| unit.lost).count(),
            replaces: units().map(|unit| unit.old.clone()).collect(),
        }
    }
}

/// What the planner concludes by going from one record to the next; none if
/// it only notes something, or goes on by what it sees: then the next look
/// corrects a wrong one.
#[must_use]
pub fn concludes(held: &Record, next: &Record) -> Option<Conclusion> {
    let (before, after) = (Conclusion::of(held), Conclusion::of(next));
    // These begin something, or ask for nothing but what stands there.
    let goes_on = matches!(
        after.stage,
        Some(Stage::Create | Stage::Cut | Stage::Soak | Stage::Prefetch)
    ) || (before.stage.is_none() && after.stage.is_some());
    let is_new = before.stage != after.stage && !goes_on
        || before.lost != after.lost
        || (after.stage.is_none() && held.outcome != next.outcome);
    is_new.then_some(after)
}

/// Whether a record that is lost would be found again, by the older one that
/// is on disk and by the containers: then a disk that takes no more writes
/// must not keep containers from being put in place, or back.
#[must_use]
pub fn can_be_found_again(held: &Record, next: &Record) -> bool {
    let has_cut_over = held
        .operation
        .as_ref()
        .is_some_and(|operation| operation.stage.has_cut_over());
    // It was found without a journal in the first place.
    let was_found = next
        .operation
        .as_ref()
        .is_some_and(|operation| operation.assignment.generation == Generation(0));
    has_cut_over || was_found
}

#[cfg(test)]
mod tests {
    use pinion_model::Timestamp;

    use super::*;
    use crate::next::tests::assignment;
    use crate::{Assignment, Operation};

    fn at(stage: Stage, generation: u64) -> Record {
        let assignment = Assignment {
            generation: Generation(generation),
            ..assignment()
        };
        let operation = Operation::new(&assignment, Timestamp(0), 0, Timestamp(0));
        Record {
            operation: Some(operation.at(stage, Timestamp(0))),
            ..Record::default()
        }
    }

    #[test]
    fn what_takes_something_back_or_ends_it_is_a_conclusion() {
        let idle = Record::default();
        let abandon = || Stage::Abandon { withdrawn: false };
        let conclusions = [
            (at(Stage::Preflight, 1), at(Stage::Prepare, 1)),
            (at(Stage::Preflight, 1), at(Stage::Adopt, 1)),
            (at(Stage::Preflight, 1), at(abandon(), 1)),
            (at(Stage::Cut, 1), at(Stage::RollBack, 1)),
            (at(Stage::Soak, 1), at(Stage::RollBack, 1)),
            (at(Stage::Soak, 1), at(Stage::Settle, 1)),
            (at(Stage::Settle, 1), idle.clone()),
            (at(Stage::RollBack, 1), idle.clone()),
        ];
        for (held, next) in conclusions {
            assert!(concludes(&held, &next).is_some(), "{held:?} to {next:?}");
        }
        let steps = [
            (idle, at(Stage::Preflight, 1)),
            (at(Stage::Prepare, 1), at(Stage::Create, 1)),
            (at(Stage::Create, 1), at(Stage::Cut, 1)),
            (at(Stage::Cut, 1), at(Stage::Soak, 1)),
            (at(Stage::Cut, 1), at(Stage::Cut, 1)),
        ];
        for (held, next) in steps {
            assert_eq!(concludes(&held, &next), None, "{held:?} to {next:?}");
        }
    }

    #[test]
    fn what_has_cut_over_or_was_found_needs_no_disk_and_what_begins_does() {
        let idle = Record::default();
        assert!(can_be_found_again(
            &at(Stage::Cut, 1),
            &at(Stage::RollBack, 1)
        ));
        assert!(can_be_found_again(&at(Stage::Settle, 1), &idle));
        assert!(can_be_found_again(&idle, &at(Stage::RollBack, 0)));
        assert!(!can_be_found_again(&idle, &at(Stage::Preflight, 1)));
        assert!(!can_be_found_again(
            &at(Stage::Create, 1),
            &at(Stage::Cut, 1)
        ));
    }
}
