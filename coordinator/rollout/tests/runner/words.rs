use std::str::FromStr;

/// The words of a command, taken one by one from the front.
pub(super) struct Words {
    words: std::collections::VecDeque<Word>,
}

struct Word {
    text: String,
    quoted: bool,
}

impl Words {
    /// Splits at blanks; what stands in quotes is one word.
    pub(super) fn of(line: &str) -> Result<Self, String> {
        let mut words = std::collections::VecDeque::new();
        let mut rest = line.trim_start();
        while !rest.is_empty() {
            let (text, quoted, after) = match rest.strip_prefix('"') {
                Some(inside) => {
                    let (text, after) = inside
                        .split_once('"')
                        .ok_or_else(|| format!("a quote is not closed: {rest}"))?;
                    (text, true, after)
                }
                None => {
                    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                    (&rest[..end], false, &rest[end..])
                }
            };
            let text = text.to_owned();
            words.push_back(Word { text, quoted });
            rest = after.trim_start();
        }
        Ok(Self { words })
    }

    /// The next word, if it stands in no quotes.
    pub(super) fn peek(&self) -> Option<&str> {
        let word = self.words.front()?;
        (!word.quoted).then_some(word.text.as_str())
    }

    pub(super) fn next(&mut self, what: &str) -> Result<String, String> {
        let word = self.words.pop_front().filter(|word| !word.quoted);
        Ok(word.ok_or_else(|| format!("{what} is missing"))?.text)
    }

    /// Takes the next word if it is this one.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is = self.peek() == Some(word);
        if is {
            self.words.pop_front();
        }
        is
    }

    /// Takes the next word if it can be one of these.
    pub(super) fn maybe<T: FromStr>(&mut self, fits: impl Fn(&str) -> bool) -> Option<T> {
        let found = self.peek().filter(|word| fits(word))?.parse().ok();
        if found.is_some() {
            self.words.pop_front();
        }
        found
    }

    pub(super) fn parse<T: FromStr>(&mut self, what: &str) -> Result<T, String>
    where
        T::Err: std::fmt::Display,
    {
        self.next(what)?
            .parse()
            .map_err(|error: T::Err| error.to_string())
    }

    /// What stands in quotes next; empty if nothing does.
    pub(super) fn quoted(&mut self) -> String {
        match self.words.pop_front() {
            Some(word) if word.quoted => word.text,
            Some(word) => {
                self.words.push_front(word);
                String::new()
            }
            None => String::new(),
        }
    }

    /// All that is left, as it was.
    pub(super) fn rest(&mut self) -> String {
        let words = self.words.drain(..).map(|word| match word.quoted {
            true => format!("\"{}\"", word.text),
            false => word.text,
        });
        words.collect::<Vec<_>>().join(" ")
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), String> {
        match self.words.front() {
            Some(word) => Err(format!("{:?} is one word too many", word.text)),
            None => Ok(()),
        }
    }
}
