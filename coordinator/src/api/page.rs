use super::CallError;

/// How many lines an answer may hold.
const LARGEST: u32 = 1000;
const DEFAULT: usize = 100;

/// The size of a page: 1 to 1,000; 0 means 100.
pub(super) fn size(asked: u32) -> Result<usize, CallError> {
    match asked {
        0 => Ok(DEFAULT),
        1..=LARGEST => Ok(asked as usize),
        _ => Err(CallError::invalid(
            "page_size",
            format!("must be 1 to {LARGEST}, or 0 for {DEFAULT}; got {asked}"),
        )),
    }
}

/// The first `size` of `lines`, and whether there are more.
pub(super) fn cut<T>(lines: impl Iterator<Item = T>, size: usize) -> (Vec<T>, bool) {
    let mut page: Vec<_> = lines.take(size + 1).collect();
    let more = page.len() > size;
    page.truncate(size);
    (page, more)
}

/// A page token that is not one of ours.
pub(super) fn invalid_token() -> CallError {
    CallError::invalid(
        "page_token",
        "must be empty, or the next_page_token of an answer before",
    )
}
