use crate::next::collect::{candidates, needed};
use crate::{Record, Stage};

/// The images to ask the engine about before [`next`](crate::next) is asked:
/// those that are wanted, those of the containers that are replaced, and those
/// that may be removed now.
#[must_use]
pub fn images_of_interest(record: &Record) -> Vec<String> {
    let mut images = of_operation(record);
    let operation = record.operation.as_ref();
    let makes_room = operation.is_some_and(|o| matches!(o.stage, Stage::Prepare | Stage::Prefetch));
    if makes_room || record.has_settled() {
        let idle = candidates(record, &needed(record, None));
        images.extend(idle.iter().map(ToString::to_string));
    }
    images
}

fn of_operation(record: &Record) -> Vec<String> {
    let Some(operation) = &record.operation else {
        return Vec::new();
    };
    let assignment = &operation.assignment;
    let wanted = assignment
        .run
        .iter()
        .chain(&assignment.prefetch)
        .map(ToString::to_string);
    let all = wanted.chain(operation.units.iter().map(|unit| unit.old.image_id.clone()));
    // The agent's own program is of no image.
    all.filter(|reference| !reference.is_empty()).collect()
}
