//! A strategy between the wire and the engine.

mod asked;
mod calendar;
mod checks;
mod fields;
mod limits;
mod told;
mod words;

use pinion_model::{LabelSelector, check_labels};
use pinion_proto::convert::InvalidField;
use pinion_proto::v1;

pub use asked::{from_message, over};
pub use fields::InvalidFields;
pub use told::{spec, strategy};
pub use words::approval_message;

/// Labels that select agents; absent selects all.
pub fn selector(
    field: &str,
    message: Option<&v1::LabelSelector>,
) -> Result<LabelSelector, InvalidField> {
    let labels = message
        .map(|selector| selector.match_labels.clone())
        .unwrap_or_default();
    check_labels(&labels).map_err(|error| InvalidField::new(field, error.to_string()))?;
    Ok(LabelSelector(labels))
}

/// Labels that select agents, as a message; none if they select all.
fn selector_message(selector: &LabelSelector) -> Option<v1::LabelSelector> {
    (!selector.0.is_empty()).then(|| v1::LabelSelector {
        match_labels: selector.0.clone(),
    })
}
