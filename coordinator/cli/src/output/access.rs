//! Tokens and operators.

use pinion_proto::v1;

use super::age::Now;
use super::table::Table;
use super::{text, words};

/// Tokens, one a line.
pub(crate) fn tokens(answer: &v1::ListTokensResponse, now: Now) -> String {
    let mut table = Table::new([
        "ID", "KIND", "NAME", "ROLE", "USES", "CREATED", "BY", "EXPIRES", "IS", "LABELS",
    ]);
    for token in &answer.tokens {
        let enrols = token.kind() == v1::TokenKind::Enrollment;
        table.row([
            token.id.clone(),
            words::token_kind(token.kind),
            if token.name.is_empty() {
                "-".into()
            } else {
                text::line(&token.name)
            },
            words::role(token.role),
            if enrols {
                format!("{} of {}", token.uses, token.max_uses.max(1))
            } else {
                "-".into()
            },
            now.when(token.created_at.as_ref()),
            text::line(&token.created_by),
            token
                .expires_at
                .as_ref()
                .map_or_else(|| "never".into(), |at| now.when(Some(at))),
            token_is(token, now).into(),
            words::labels(&token.labels),
        ]);
    }
    if table.is_empty() {
        return "No tokens. For a machine: pinion token create --kind enrollment; for a pipeline: pinion token create --kind api --role promoter --name ci".into();
    }
    table.render()
}

fn token_is(token: &v1::Token, now: Now) -> &'static str {
    let used_up = token.kind() == v1::TokenKind::Enrollment && token.uses >= token.max_uses.max(1);
    match () {
        () if token.revoked => "revoked",
        () if token.expires_at.is_some_and(|at| at.seconds <= now.0) => "expired",
        () if used_up => "used",
        () => "good",
    }
}

/// What to do with a token that was made; its secret is not in it.
pub(crate) fn token_made(token: &v1::Token, now: Now) -> String {
    let ends = token.expires_at.as_ref().map_or_else(
        || "never ends".into(),
        |at| format!("ends {}", now.when(Some(at))),
    );
    let id = &token.id;
    if token.kind() == v1::TokenKind::Api {
        return format!(
            "API token {id} of {} with role {}, {ends}. It is shown this once.",
            text::line(&token.name),
            words::role(token.role)
        );
    }
    let whose = if token.name.is_empty() {
        "any machine".to_owned()
    } else {
        format!("machine {}", text::line(&token.name))
    };
    format!(
        "enrolment token {id} for {whose}, {}, {ends}. It is shown this once. On the machine:\n  pinion-agent enroll --token TOKEN --state-dir /var/lib/pinion-agent --allow REPOSITORY_PREFIX",
        text::count(token.max_uses.max(1), "use"),
    )
}

/// Operators, one a line.
pub(crate) fn operators(answer: &v1::ListOperatorsResponse, now: Now) -> String {
    let mut table = Table::new(["NAME", "ROLE", "CREATED", "BY", "CERTIFICATE ENDS", "IS"]);
    for operator in &answer.operators {
        let expired = operator
            .certificate_expires_at
            .is_some_and(|at| at.seconds <= now.0);
        table.row([
            operator.name.clone(),
            words::role(operator.role),
            now.when(operator.created_at.as_ref()),
            text::line(&operator.created_by),
            now.when(operator.certificate_expires_at.as_ref()),
            if operator.revoked {
                "revoked"
            } else if expired {
                "expired"
            } else {
                "good"
            }
            .into(),
        ]);
    }
    if table.is_empty() {
        return "No operators. Make one: pinion operator create NAME --role operator --out DIR"
            .into();
    }
    table.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whether_it_is_still_good() {
        let now = Now(1_000);
        let token = v1::Token {
            kind: v1::TokenKind::Enrollment.into(),
            ..Default::default()
        };
        assert_eq!(token_is(&token, now), "good");
        assert_eq!(
            token_is(
                &v1::Token {
                    uses: 1,
                    ..token.clone()
                },
                now
            ),
            "used"
        );
        assert_eq!(
            token_is(
                &v1::Token {
                    revoked: true,
                    uses: 1,
                    ..token.clone()
                },
                now
            ),
            "revoked"
        );
        let past = prost_types::Timestamp {
            seconds: 999,
            nanos: 0,
        };
        assert_eq!(
            token_is(
                &v1::Token {
                    expires_at: Some(past),
                    ..token
                },
                now
            ),
            "expired"
        );
    }

    #[test]
    fn an_enrolment_token_comes_with_the_command_that_redeems_it() {
        let token = v1::Token {
            kind: v1::TokenKind::Enrollment.into(),
            name: "t1".into(),
            ..Default::default()
        };
        let text = token_made(&token, Now(0));
        assert!(
            text.contains("machine t1") && text.contains("pinion-agent enroll"),
            "{text}"
        );
    }

    #[test]
    fn empty_lists_say_what_to_do_next() {
        assert!(tokens(&v1::ListTokensResponse::default(), Now(0)).contains("token create"));
        assert!(
            operators(&v1::ListOperatorsResponse::default(), Now(0)).contains("operator create")
        );
    }
}
