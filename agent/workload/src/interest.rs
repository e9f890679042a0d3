use crate::Record;

/// The images to ask the engine about before [`next`](crate::next) is asked:
/// those that are wanted, and those of the containers that are replaced.
#[must_use]
pub fn images_of_interest(record: &Record) -> Vec<String> {
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
