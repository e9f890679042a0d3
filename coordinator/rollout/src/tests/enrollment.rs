//! Tokens, certificates and operators.

use std::time::Duration;

use pinion_model::{AgentId, Labels, Role, Timestamp};

use super::bed::{Bed, agent, alice, certificate};
use crate::commands::{
    self, Answer, Claim, CreateToken, IssueOperator, NewToken, Redeem, Renew, Standing,
};
use crate::{Agent, Certificate, Refusal};

fn token(bed: &mut Bed, max_uses: u32, name: Option<AgentId>) {
    let token = CreateToken {
        id: "t1".into(),
        secret_hash: "hash".into(),
        kind: NewToken::Enrollment {
            agent: name,
            labels: Labels::from([("tier".into(), "free".into())]),
            max_uses,
        },
        expires_at: Some(bed.now + Duration::from_secs(3600)),
    };
    bed.decide(|world, now| commands::create_token(world, token.clone(), &alice(), now))
        .expect("a token");
}

fn claim(key: &str, wanted: &str) -> Claim {
    Claim {
        secret_hash: "hash".into(),
        key: key.into(),
        wanted: Some(agent(wanted)),
    }
}

fn redeem(bed: &mut Bed, key: &str, wanted: &str) -> Result<crate::Use, Refusal> {
    let claim = claim(key, wanted);
    let name = match commands::check_redeem(&bed.world, &claim, bed.now)? {
        Answer::Again(before) => return Ok(before),
        Answer::New { agent, .. } => agent,
    };
    let request = Redeem {
        claim,
        agent: name,
        certificate: certificate(key),
        encoded: format!("pem of {key}"),
    };
    bed.decide(|world, now| commands::redeem(world, request.clone(), now))
}

#[test]
fn a_token_gives_as_many_identities_as_it_may_and_the_same_key_the_same_answer() {
    let mut bed = Bed::new(0);
    token(&mut bed, 2, None);
    let first = redeem(&mut bed, "k1", "m1").expect("the first");
    assert_eq!(bed.world.agents[&agent("m1")].labels["tier"], "free");
    assert_eq!(
        redeem(&mut bed, "k1", "m1"),
        Ok(first),
        "a lost answer costs nothing"
    );
    redeem(&mut bed, "k2", "m2").expect("the second");
    let third = redeem(&mut bed, "k3", "m3").expect_err("used up");
    assert!(third.to_string().contains("used up"), "{third}");
    assert_eq!(bed.world.agents.len(), 2);
}

#[test]
fn a_claim_that_lost_the_race_is_refused_when_it_is_committed() {
    let mut bed = Bed::new(0);
    token(&mut bed, 1, None);
    let slow = Redeem {
        claim: claim("slow", "m1"),
        agent: agent("m1"),
        certificate: certificate("slow"),
        encoded: String::new(),
    };
    assert!(
        commands::check_redeem(&bed.world, &slow.claim, bed.now).is_ok(),
        "both may try"
    );
    redeem(&mut bed, "fast", "m2").expect("one wins");
    assert!(
        bed.decide(|world, now| commands::redeem(world, slow.clone(), now))
            .is_err()
    );
    assert_eq!(bed.world.agents.len(), 1);
}

#[test]
fn the_tokens_name_wins_and_a_name_that_is_taken_is_refused() {
    let mut bed = Bed::new(1);
    token(&mut bed, 1, Some(agent("chosen")));
    redeem(&mut bed, "k1", "wanted").expect("enrolled");
    assert!(bed.world.agents.contains_key(&agent("chosen")));
    let other = CreateToken {
        id: "t2".into(),
        secret_hash: "hash2".into(),
        kind: NewToken::Enrollment {
            agent: None,
            labels: Labels::new(),
            max_uses: 1,
        },
        expires_at: Some(bed.now + Duration::from_secs(60)),
    };
    bed.decide(|world, now| commands::create_token(world, other.clone(), &alice(), now))
        .expect("a token");
    let taken = Claim {
        secret_hash: "hash2".into(),
        key: "k2".into(),
        wanted: Some(agent("m1")),
    };
    assert!(matches!(
        commands::check_redeem(&bed.world, &taken, bed.now),
        Err(Refusal::Conflict { .. })
    ));
    let nameless = Claim {
        wanted: None,
        ..taken
    };
    assert!(matches!(
        commands::check_redeem(&bed.world, &nameless, bed.now),
        Err(Refusal::Invalid { .. })
    ));
}

#[test]
fn a_token_that_ended_or_was_revoked_is_worth_nothing() {
    let mut bed = Bed::new(0);
    token(&mut bed, 5, None);
    redeem(&mut bed, "k1", "m1").expect("in time");
    bed.pass(Duration::from_secs(3600));
    assert!(
        redeem(&mut bed, "k2", "m2")
            .expect_err("late")
            .to_string()
            .contains("expired")
    );
    assert!(
        redeem(&mut bed, "k1", "m1").is_ok(),
        "the same key still gets its answer"
    );
    bed.decide(|world, now| commands::revoke_token(world, "t1", "leaked", &alice(), now))
        .expect("revoked");
    assert!(
        redeem(&mut bed, "k1", "m1")
            .expect_err("revoked")
            .to_string()
            .contains("revoked")
    );
    let unknown = Claim {
        secret_hash: "guess".into(),
        ..claim("k9", "m9")
    };
    let refused = commands::check_redeem(&bed.world, &unknown, bed.now).expect_err("a guess");
    assert!(
        !refused.to_string().contains("guess"),
        "what was sent is not repeated"
    );
}

#[test]
fn an_agent_keeps_the_certificate_that_it_showed_however_often_the_answer_is_lost() {
    let mut bed = Bed::new(1);
    for n in 0..10 {
        let new = Certificate {
            fingerprint: format!("new-{n}"),
            ..certificate("m1")
        };
        let renew = Renew {
            agent: agent("m1"),
            presented: "print-m1".into(),
            certificate: new,
        };
        bed.decide(|world, now| commands::renew(world, renew.clone(), now))
            .expect("renewed");
    }
    let standing = |print: &str| commands::standing(&bed.world, &agent("m1"), print);
    assert_eq!(standing("print-m1"), Standing::Good);
    assert_eq!(
        (standing("new-9"), standing("new-0")),
        (Standing::Good, Standing::Unknown)
    );
    assert_eq!(
        bed.world.agents[&agent("m1")].certificates.len(),
        Agent::CERTIFICATES
    );
}

#[test]
fn certificates_of_revoked_and_of_removed_machines_do_not_count() {
    let mut bed = Bed::new(2);
    bed.decide(|world, now| commands::revoke_agent(world, agent("m1"), "stolen", &alice(), now))
        .expect("revoked");
    assert_eq!(
        commands::standing(&bed.world, &agent("m1"), "print-m1"),
        Standing::Revoked
    );
    bed.decide(|world, now| commands::remove_agent(world, agent("m2"), "gone", &alice(), now))
        .expect("removed");
    assert_eq!(
        commands::standing(&bed.world, &agent("m2"), "print-m2"),
        Standing::Unknown
    );
    token(&mut bed, 1, Some(agent("m2")));
    redeem(&mut bed, "anew", "m2").expect("its name is free");
    assert_eq!(
        commands::standing(&bed.world, &agent("m2"), "print-m2"),
        Standing::Unknown,
        "the old identity stays gone"
    );
    let renew = Renew {
        agent: agent("m1"),
        presented: "print-m1".into(),
        certificate: certificate("x"),
    };
    assert!(
        bed.decide(|world, now| commands::renew(world, renew.clone(), now))
            .is_err()
    );
}

#[test]
fn an_operators_newer_certificate_replaces_the_older_and_revoking_ends_it() {
    let mut bed = Bed::new(0);
    let name = "bob".parse().expect("a name");
    for print in ["one", "two"] {
        let issue = IssueOperator {
            name: "bob".parse().expect("a name"),
            role: Role::Viewer,
            certificate: certificate(print),
        };
        bed.decide(|world, now| commands::issue_operator(world, issue.clone(), &alice(), now))
            .expect("issued");
    }
    assert_eq!(
        bed.world.access.operators[&name].certificate.fingerprint,
        "print-two"
    );
    bed.decide(|world, now| commands::revoke_operator(world, &name, "left", &alice(), now))
        .expect("revoked");
    assert!(bed.world.access.operators[&name].revoked);
    let ended = IssueOperator {
        name,
        role: Role::Viewer,
        certificate: Certificate {
            not_after: Timestamp(1),
            ..certificate("x")
        },
    };
    assert!(
        bed.decide(|world, now| commands::issue_operator(world, ended.clone(), &alice(), now))
            .is_err()
    );
}

#[test]
fn tokens_that_make_no_sense_are_refused() {
    let mut bed = Bed::new(0);
    let make = |agent, max_uses, ttl: Option<u64>| CreateToken {
        id: "t".into(),
        secret_hash: "h".into(),
        kind: NewToken::Enrollment {
            agent,
            labels: Labels::new(),
            max_uses,
        },
        expires_at: ttl.map(|ttl| Timestamp(1_000_000 + ttl)),
    };
    for bad in [
        make(None, 0, Some(1)),
        make(Some(agent("m")), 2, Some(1)),
        make(None, 1, None),
        make(None, 1, Some(0)),
    ] {
        let refused =
            bed.decide(|world, now| commands::create_token(world, bad.clone(), &alice(), now));
        assert!(matches!(refused, Err(Refusal::Invalid { .. })), "{bad:?}");
    }
    let api = CreateToken {
        kind: NewToken::Api {
            holder: "ci".parse().expect("a name"),
            role: Role::Promoter,
        },
        ..make(None, 1, None)
    };
    bed.decide(|world, now| commands::create_token(world, api.clone(), &alice(), now))
        .expect("an API token needs no end");
    let committed = bed.history.len();
    bed.decide(|world, now| commands::create_token(world, api.clone(), &alice(), now))
        .expect("the same again");
    assert_eq!(bed.history.len(), committed);
    let other = CreateToken {
        secret_hash: "x".into(),
        ..api
    };
    assert!(matches!(
        bed.decide(|world, now| commands::create_token(world, other.clone(), &alice(), now)),
        Err(Refusal::Conflict { .. })
    ));
    assert!(
        bed.world
            .access
            .token_of("h")
            .is_some_and(|(_, token)| token.is_valid(bed.now))
    );
}
