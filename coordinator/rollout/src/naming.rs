//! A few machines are named in a reason, the others counted.

use pinion_model::{AgentId, Failure};

/// How many are named.
const NAMED: usize = 5;

/// The first names, and how many more there are; empty if there is none.
pub(crate) fn few<N: ToString>(names: impl Iterator<Item = N>) -> String {
    first(names, ", ", "")
}

/// The first of those that failed, each with what it failed of, and how many
/// more there are.
pub(crate) fn few_failed<'a>(
    failed: impl Iterator<Item = (&'a AgentId, Option<&'a Failure>)>,
) -> String {
    let sentences = failed.map(|(agent, failure)| match failure {
        Some(failure) => format!("{agent} ({failure})"),
        None => agent.to_string(),
    });
    first(sentences, "; ", ";")
}

fn first<N: ToString>(mut names: impl Iterator<Item = N>, between: &str, before: &str) -> String {
    let named: Vec<_> = names
        .by_ref()
        .take(NAMED)
        .map(|name| name.to_string())
        .collect();
    let named = named.join(between);
    match names.count() {
        0 => named,
        more => format!("{named}{before} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_to_five_are_named_and_the_others_counted() {
        let named = |count: usize| few((1..=count).map(|n| format!("m{n}")));
        assert_eq!(named(0), "");
        assert_eq!(named(1), "m1");
        assert_eq!(named(5), "m1, m2, m3, m4, m5");
        assert_eq!(named(6), "m1, m2, m3, m4, m5 and 1 more");
        assert_eq!(named(12), "m1, m2, m3, m4, m5 and 7 more");
    }

    #[test]
    fn those_that_failed_say_what_of_where_that_is_known() {
        let agents: Vec<AgentId> = (1..=7)
            .map(|n| format!("m{n}").parse().expect("a name"))
            .collect();
        let failure = Failure::new(pinion_model::FailureKind::Disk, "full");
        let failed = |count: usize| {
            let known = |n: usize| (n == 0).then_some(&failure);
            let agents = agents.iter().take(count).enumerate();
            few_failed(agents.map(|(n, agent)| (agent, known(n))))
        };
        assert_eq!(failed(2), format!("m1 ({failure}); m2"));
        assert_eq!(
            failed(7),
            format!("m1 ({failure}); m2; m3; m4; m5; and 2 more")
        );
    }
}
