use pinion_model::{AgentId, OperatorName, ParseError};

/// The part of every name that says whose it is, such as `pinion`: lower-case
/// letters, digits, `.`, `_` and `-`, 1 to 63 bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `spiffe://<trust-domain>`: what stands in the authority's own certificate.
    #[must_use]
    pub fn uri(&self) -> String {
        format!("spiffe://{}", self.0)
    }

    /// Reads what [`uri`](Self::uri) wrote.
    pub(super) fn from_uri(uri: &str) -> Option<Self> {
        uri.strip_prefix("spiffe://")?.parse().ok()
    }
}

impl Default for TrustDomain {
    /// `pinion`.
    fn default() -> Self {
        Self("pinion".to_owned())
    }
}

impl std::str::FromStr for TrustDomain {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if (1..=63).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.to_owned()));
        }
        Err(ParseError::new(
            "a trust domain",
            "1 to 63 of a-z, 0-9, '.', '_' and '-'",
            text,
        ))
    }
}

impl std::fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom a client certificate names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A machine.
    Agent(AgentId),
    /// A person or a pipeline.
    Operator(OperatorName),
}

impl Subject {
    /// The name as a URI in `domain`.
    #[must_use]
    pub fn uri(&self, domain: &TrustDomain) -> String {
        match self {
            Self::Agent(agent) => format!("spiffe://{domain}/agent/{agent}"),
            Self::Operator(name) => format!("spiffe://{domain}/operator/{name}"),
        }
    }

    /// Reads what [`uri`](Self::uri) wrote; `None` for another domain, another
    /// kind of name, or anything more or less.
    #[must_use]
    pub fn from_uri(uri: &str, domain: &TrustDomain) -> Option<Self> {
        let path = uri
            .strip_prefix("spiffe://")?
            .strip_prefix(domain.as_str())?;
        if let Some(agent) = path.strip_prefix("/agent/") {
            return agent.parse().ok().map(Self::Agent);
        }
        path.strip_prefix("/operator/")?
            .parse()
            .ok()
            .map(Self::Operator)
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent(agent) => write!(f, "agent {agent}"),
            Self::Operator(name) => write!(f, "operator {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written_and_in_its_own_domain_only() {
        let domain = TrustDomain::default();
        let agent = Subject::Agent("tenant-1".parse().expect("name"));
        assert_eq!(Subject::from_uri(&agent.uri(&domain), &domain), Some(agent));
        for foreign in [
            "spiffe://pinion2/agent/a",
            "spiffe://pinion/agent/",
            "spiffe://pinion/agent/a/b",
            "spiffe://pinion/admin/a",
            "spiffe://pinion/agent/A",
            "https://pinion/agent/a",
            "spiffe://pinion",
        ] {
            assert_eq!(Subject::from_uri(foreign, &domain), None, "{foreign}");
        }
    }
}
