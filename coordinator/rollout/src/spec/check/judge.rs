use serde::{Deserialize, Serialize};

use super::{HttpGet, PromQuery};

/// Most bytes of a sample's words.
const DETAIL: usize = 512;

/// What one sample says; the worst of several is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// As it should be.
    Success,
    /// Nothing can be said: no answer, no value, or one that is neither good nor bad.
    Inconclusive,
    /// Not as it should be.
    Failure,
}

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// What it says.
    pub outcome: Judgement,
    /// The value and what was asked, for people; at most 512 bytes.
    pub detail: String,
}

impl Sample {
    /// A sample, its words on one line and cut to what is kept.
    #[must_use]
    pub fn new(outcome: Judgement, detail: impl AsRef<str>) -> Self {
        let words = detail
            .as_ref()
            .split(|letter: char| letter.is_whitespace() || letter.is_control());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
        let mut detail = words.join(" ");
        if detail.len() > DETAIL {
            detail.truncate(detail.floor_char_boundary(DETAIL - '…'.len_utf8()));
            detail.push('…');
        }
        Self { outcome, detail }
    }

    /// Nothing could be measured.
    #[must_use]
    pub fn inconclusive(why: impl AsRef<str>) -> Self {
        Self::new(Judgement::Inconclusive, why)
    }
}

/// What a query gave.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// One number.
    Scalar(f64),
    /// Any number of series, with one value each.
    Vector(Vec<Series>),
}

/// One series of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// As PromQL writes them: `{job="codex"}`; empty if it has none.
    pub labels: String,
    /// Its value now.
    pub value: f64,
}

impl PromQuery {
    /// Judges an answer; of several series the worst counts.
    #[must_use]
    pub fn judge(&self, answer: &Answer) -> Sample {
        let (outcome, words) = match answer {
            Answer::Scalar(value) => (self.weigh(*value), self.words(*value)),
            Answer::Vector(series) => match self.worst(series) {
                Some((outcome, worst)) => {
                    (outcome, self.words(worst.value) + &place(worst, series))
                }
                None => (Judgement::Inconclusive, "no series has a value".to_owned()),
            },
        };
        Sample::new(outcome, format!("{words}: {}", self.query))
    }

    /// The first of the worst series.
    fn worst<'a>(&self, series: &'a [Series]) -> Option<(Judgement, &'a Series)> {
        let judged = series.iter().map(|one| (self.weigh(one.value), one));
        judged.reduce(|worst, next| if next.0 > worst.0 { next } else { worst })
    }

    fn weigh(&self, value: f64) -> Judgement {
        if value.is_nan() {
            return Judgement::Inconclusive;
        }
        match (self.success.holds(value), self.failure) {
            (_, Some(failure)) if failure.holds(value) => Judgement::Failure,
            (true, _) => Judgement::Success,
            (false, None) => Judgement::Failure,
            (false, Some(_)) => Judgement::Inconclusive,
        }
    }

    fn words(&self, value: f64) -> String {
        let success = self.success;
        match (self.weigh(value), self.failure) {
            _ if value.is_nan() => "the value is not a number".to_owned(),
            (Judgement::Success, _) => format!("{value} is {success}"),
            (Judgement::Failure, Some(failure)) => format!("{value} is {failure}"),
            (_, None) => format!("{value} is not {success}"),
            (_, Some(failure)) => format!("{value} is neither {success} nor {failure}"),
        }
    }
}

/// Which of several series it is.
fn place(worst: &Series, all: &[Series]) -> String {
    match (worst.labels.as_str(), all.len()) {
        (_, 1) => String::new(),
        ("", count) => format!(" (the worst of {count} series)"),
        (labels, count) => format!(" for {labels} (the worst of {count} series)"),
    }
}

impl HttpGet {
    /// Judges an answer that came whole; `body` matters only where it is looked at.
    #[must_use]
    pub fn judge(&self, status: u16, body: &str) -> Sample {
        let place = self.place();
        if status != self.status {
            let detail = format!("{status} where {} is right: {place}", self.status);
            return Sample::new(Judgement::Failure, detail);
        }
        match &self.body_contains {
            Some(wanted) if !body.contains(wanted) => {
                let detail = format!("{status}, but the body has no {wanted:?}: {place}");
                Sample::new(Judgement::Failure, detail)
            }
            _ => Sample::new(Judgement::Success, format!("{status}: {place}")),
        }
    }

    /// Its address without what comes after a `?`, which may hold a key.
    #[must_use]
    pub fn place(&self) -> &str {
        self.url
            .split(['?', '#'])
            .next()
            .expect("a split has a first part")
    }
}
