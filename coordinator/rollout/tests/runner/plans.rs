//! Hashes of plans, by names that a script can say.

/// `plan-1` is the first that was told.
#[derive(Default)]
pub(super) struct Plans(Vec<String>);

/// Hex digits of a plan's hash.
const LENGTH: usize = 20;

impl Plans {
    /// The hash that was told by this name.
    pub(super) fn of(&self, name: &str) -> Result<String, String> {
        let number = name.strip_prefix("plan-").and_then(|n| n.parse().ok());
        let place = number.and_then(|n: usize| n.checked_sub(1));
        let told = place.and_then(|place| self.0.get(place));
        told.cloned()
            .ok_or_else(|| format!("no {name} was told; the last is plan-{}", self.0.len()))
    }

    /// A line with names for the hashes in it.
    pub(super) fn name(&mut self, line: &str) -> String {
        let mut named = String::new();
        let mut rest = line;
        while let Some(start) = rest.find(is_hex) {
            let end = rest[start..].find(|c| !is_hex(c));
            let end = end.map_or(rest.len(), |length| start + length);
            named.push_str(&rest[..start]);
            match end - start {
                LENGTH => named.push_str(&self.told(&rest[start..end])),
                _ => named.push_str(&rest[start..end]),
            }
            rest = &rest[end..];
        }
        named + rest
    }

    fn told(&mut self, hash: &str) -> String {
        let known = self.0.iter().position(|told| told == hash);
        let place = known.unwrap_or_else(|| {
            self.0.push(hash.to_owned());
            self.0.len() - 1
        });
        format!("plan-{}", place + 1)
    }
}

fn is_hex(c: char) -> bool {
    matches!(c, '0'..='9' | 'a'..='f')
}
