use pinion_model::ParseError;
use serde::{Deserialize, Serialize};

/// How a value is compared with a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

impl Comparison {
    /// Those of two signs first: `<=` begins like `<`.
    const ALL: [Self; 6] = [
        Self::AtMost,
        Self::AtLeast,
        Self::Equal,
        Self::Unequal,
        Self::Less,
        Self::More,
    ];

    /// Its sign, as in PromQL.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::More => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
            Self::Unequal => "!=",
        }
    }
}

/// A comparison and a finite number: `< 0.01`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    comparison: Comparison,
    number: f64,
}

/// The number is finite, so it equals itself.
impl Eq for Condition {}

impl Condition {
    /// None if the number is not finite.
    #[must_use]
    pub fn new(comparison: Comparison, number: f64) -> Option<Self> {
        // Of the two zeros the one without a sign.
        let number = number + 0.0;
        number.is_finite().then_some(Self { comparison, number })
    }

    /// Whether a value fulfils it. What is not a number fulfils nothing, not
    /// even `!=`.
    #[must_use]
    #[allow(clippy::float_cmp, reason = "a person asked for exactly this number")]
    pub fn holds(self, value: f64) -> bool {
        let number = self.number;
        match self.comparison {
            Comparison::Less => value < number,
            Comparison::AtMost => value <= number,
            Comparison::More => value > number,
            Comparison::AtLeast => value >= number,
            Comparison::Equal => value == number,
            Comparison::Unequal => !value.is_nan() && value != number,
        }
    }

    /// A value that fulfils both, if there is one.
    pub(super) fn common(self, other: Self) -> Option<f64> {
        let (low, high) = (self.number.min(other.number), self.number.max(other.number));
        let between = low / 2.0 + high / 2.0;
        let beyond = [low - 1.0, high + 1.0, low.next_down(), high.next_up()];
        [low, high, between]
            .into_iter()
            .chain(beyond)
            .find(|value| self.holds(*value) && other.holds(*value))
    }
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.comparison.sign(), self.number)
    }
}

impl std::str::FromStr for Condition {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let mut signs = Comparison::ALL.into_iter();
        signs
            .find_map(|sign| Some((sign, trimmed.strip_prefix(sign.sign())?)))
            .and_then(|(sign, number)| Self::new(sign, number.trim().parse().ok()?))
            .ok_or_else(|| {
                ParseError::new(
                    "a condition",
                    "<, <=, >, >=, == or != and a number, such as \"< 0.01\"",
                    text,
                )
            })
    }
}

impl TryFrom<String> for Condition {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.to_string()
    }
}
