use serde::{Deserialize, Serialize};

/// A number of machines, or a share of a named whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Amount {
    /// That many machines.
    Count(u32),
    /// 0 to 100 percent, rounded up; at least 1 machine unless 0.
    Percent(u32),
}

impl Amount {
    /// How many machines this is of `whole` machines.
    ///
    /// A count may be more than the whole; a share of 1 or more percent is at
    /// least 1 machine, also of an empty whole.
    #[must_use]
    pub fn of(self, whole: usize) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Percent(0) => 0,
            Self::Percent(percent) => share(percent, whole).max(1),
        }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

/// `percent` of `whole`, rounded up.
pub(crate) fn share(percent: u32, whole: usize) -> u32 {
    let part = (whole as u128 * u128::from(percent)).div_ceil(100);
    u32::try_from(part).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_rounded_up_and_at_least_one_unless_it_is_zero() {
        for (amount, whole, machines) in [
            (Amount::Count(0), 10, 0),
            (Amount::Count(3), 1, 3),
            (Amount::Percent(0), 1000, 0),
            (Amount::Percent(1), 0, 1),
            (Amount::Percent(10), 4, 1),
            (Amount::Percent(10), 11, 2),
            (Amount::Percent(50), 4, 2),
            (Amount::Percent(100), 7, 7),
        ] {
            assert_eq!(amount.of(whole), machines, "{amount} of {whole}");
        }
    }
}
