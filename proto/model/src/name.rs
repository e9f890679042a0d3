use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// Bytes of a text that is kept in place.
const SHORT: usize = 30;

/// A text that is mostly short, and then kept where it stands.
///
/// Maps of machines are searched by name: to compare names must not fetch each
/// of them from somewhere else in memory, and to copy a map's node must not
/// count a reference for each.
#[derive(Clone)]
pub(crate) enum Name {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Arc<str>),
}

impl Name {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Long(text) => text.as_bytes(),
        }
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(start), Ok(len)) => {
                start.copy_from_slice(text.as_bytes());
                Self::Short { len, bytes }
            }
            _ => Self::Long(text.into()),
        }
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Short { .. } => {
                std::str::from_utf8(self.bytes()).expect("a text was put there whole")
            }
            Self::Long(text) => text,
        }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As texts are ordered.
impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_its_text_however_long(one in ".{0,40}", other in ".{0,40}") {
            let (first, second) = (Name::from(one.as_str()), Name::from(other.as_str()));
            prop_assert_eq!(&*first, one.as_str());
            prop_assert_eq!(first.cmp(&second), one.cmp(&other));
            prop_assert_eq!(first == second, one == other);
            prop_assert_eq!(format!("{first:?}"), format!("{one:?}"));
        }
    }

    #[test]
    fn a_name_takes_as_much_room_whether_or_not_it_is_there() {
        assert_eq!(size_of::<Name>(), 32);
        assert_eq!(size_of::<Option<Name>>(), 32);
    }
}
