use pinion_proto::convert::InvalidField;

use crate::Several;

/// Fields of a message that are not what they should be, each with its path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", listed(.0))]
pub struct InvalidFields(pub Vec<InvalidField>);

fn listed(fields: &[InvalidField]) -> String {
    let fields: Vec<_> = fields.iter().map(ToString::to_string).collect();
    fields.join("; ")
}

impl From<InvalidField> for InvalidFields {
    fn from(field: InvalidField) -> Self {
        Self(vec![field])
    }
}

impl Several for InvalidFields {
    fn several(errors: Vec<Self>) -> Self {
        Self(errors.into_iter().flat_map(|error| error.0).collect())
    }
}

/// Each message of a repeated field, read by `read`, which is told its path.
pub(super) fn each<'a, M: 'a, T, E: Into<InvalidFields>>(
    path: &str,
    messages: &'a [M],
    read: impl Fn(&str, &'a M) -> Result<T, E>,
) -> Result<Vec<T>, InvalidFields> {
    let mut faults = crate::Faults::<InvalidFields>::default();
    let messages = messages.iter().enumerate();
    let items = messages
        .filter_map(|(place, message)| faults.find(read(&format!("{path}[{place}]"), message)));
    let items = items.collect();
    faults.refuse()?;
    Ok(items)
}
