//! Roles, and the one table that says which scopes each of them has.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a person is to the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// Buys. Everybody with an account.
    Customer,
    /// Helps customers: sees accounts, orders and payments, and changes orders.
    Support,
    /// Runs the shop.
    Admin,
}

impl Role {
    /// The name in tokens, databases and GraphQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Customer => "CUSTOMER",
            Role::Support => "SUPPORT",
            Role::Admin => "ADMIN",
        }
    }

    /// Reads [`Role::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Role> {
        [Role::Customer, Role::Support, Role::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
    }
}

/// Every scope, with the least role that has it. A customer needs no scope for what is their own.
pub const SCOPES: &[(&str, Role)] = &[
    ("users:read", Role::Support),
    ("users:write", Role::Admin),
    ("orders:read", Role::Support),
    ("orders:write", Role::Support),
    ("payments:read", Role::Support),
    ("payments:write", Role::Admin),
    ("products:write", Role::Admin),
    ("stock:read", Role::Support),
    ("stock:write", Role::Admin),
    ("reviews:write", Role::Support),
];

/// A set of scopes. Unknown ones are dropped when it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes(Vec<&'static str>);

impl Scopes {
    /// The scopes that come with `roles`.
    #[must_use]
    pub fn of(roles: &[Role]) -> Scopes {
        let has = |least: Role| roles.iter().any(|role| *role >= least);
        Scopes(
            SCOPES
                .iter()
                .filter(|(_, least)| has(*least))
                .map(|(scope, _)| *scope)
                .collect(),
        )
    }

    /// Reads the `scope` claim of a token: names with spaces between them.
    #[must_use]
    pub fn parse(text: &str) -> Scopes {
        let known = |name: &str| SCOPES.iter().find(|(scope, _)| *scope == name).map(|(scope, _)| *scope);
        Scopes(text.split(' ').filter_map(known).collect())
    }

    /// Whether `scope` is one of them.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.0.contains(&scope)
    }

    /// Whether there is none, as of everybody who is not staff.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As in the `scope` claim.
impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_these_scopes() {
        for (role, expected) in [
            (Role::Customer, ""),
            (
                Role::Support,
                "users:read orders:read orders:write payments:read stock:read reviews:write",
            ),
            (
                Role::Admin,
                "users:read users:write orders:read orders:write payments:read payments:write products:write \
                 stock:read stock:write reviews:write",
            ),
        ] {
            let scopes = Scopes::of(&[role]);
            assert_eq!(scopes.to_string(), expected);
            assert_eq!(scopes.is_empty(), role == Role::Customer);
            assert_eq!(Scopes::parse(&format!("{scopes} root")), scopes);
        }
    }
}
