//! Fields of requests, parsed. What cannot be is refused with its name.

use std::str::FromStr;
use std::time::Duration;

use pinion_model::ParseError;
use pinion_proto::convert;

use super::CallError;

/// A field that must be there.
pub(super) fn text<T: FromStr<Err = ParseError>>(field: &str, text: &str) -> Result<T, CallError> {
    Ok(convert::text(field, text)?)
}

/// A field in which empty means absent.
pub(super) fn optional_text<T: FromStr<Err = ParseError>>(
    field: &str,
    text: &str,
) -> Result<Option<T>, CallError> {
    Ok(convert::optional_text(field, text)?)
}

/// A repeated field.
pub(super) fn texts<T: FromStr<Err = ParseError>>(
    field: &str,
    texts: &[String],
) -> Result<Vec<T>, CallError> {
    let each = texts.iter().enumerate();
    each.map(|(n, text)| self::text(&format!("{field}[{n}]"), text))
        .collect()
}

/// A duration; absent stays absent.
pub(super) fn duration(
    field: &str,
    duration: Option<&prost_types::Duration>,
) -> Result<Option<Duration>, CallError> {
    Ok(convert::from_duration(field, duration)?)
}
