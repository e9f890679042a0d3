//! Which roles may call which method, as the protos declare it.

use crate::v1::Role;

include!(concat!(env!("OUT_DIR"), "/roles.rs"));

/// Whether a caller of role `has` may call a method that allows `wanted`.
///
/// Among operators, admin includes operator, operator includes promoter, and
/// each includes viewer. [`Role::Anyone`] as `wanted` lets every caller in.
#[must_use]
pub fn includes(has: Role, wanted: Role) -> bool {
    wanted == Role::Anyone || has == wanted || {
        let ladder = [Role::Viewer, Role::Promoter, Role::Operator, Role::Admin];
        let rank = |role| ladder.iter().position(|step| *step == role);
        matches!((rank(has), rank(wanted)), (Some(has), Some(wanted)) if has >= wanted)
    }
}

/// Whether a caller of role `has` may call the method at `path`; `None` for a
/// path that is not of `pinion.v1`.
#[must_use]
pub fn may_call(has: Role, path: &str) -> Option<bool> {
    allowed_roles(path).map(|roles| roles.iter().any(|wanted| includes(has, *wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_declares_a_role() {
        assert!(METHODS.len() > 30, "{METHODS:?}");
        for path in METHODS {
            assert!(
                allowed_roles(path).is_some_and(|roles| !roles.is_empty()),
                "{path}"
            );
        }
    }

    #[test]
    fn an_admin_is_all_that_an_operator_is_but_no_agent() {
        for wanted in [Role::Viewer, Role::Promoter, Role::Operator, Role::Admin] {
            assert!(includes(Role::Admin, wanted));
        }
        assert!(!includes(Role::Admin, Role::Agent));
        assert!(!includes(Role::Viewer, Role::Promoter));
        assert!(!includes(Role::Agent, Role::Viewer));
    }

    #[test]
    fn an_expired_agent_may_renew_and_nothing_else() {
        let allowed: Vec<_> = METHODS
            .iter()
            .filter(|path| may_call(Role::ExpiredAgent, path) == Some(true))
            .collect();
        assert_eq!(
            allowed,
            [
                &"/pinion.v1.EnrollmentService/Enroll",
                &"/pinion.v1.EnrollmentService/RenewCertificate"
            ]
        );
    }
}
