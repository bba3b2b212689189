//! The person (or nobody) on whose behalf a GraphQL request runs.

use super::{Role, Scopes, TokenError};
use crate::graphql::{UNAUTHENTICATED, UNAUTHORIZED_FIELD_OR_TYPE, do_not_share, error};
use async_graphql::{Context, Guard};

/// Who asks. In the data of every GraphQL request: `context.viewer()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Viewer {
    /// Id of the signed-in user (`usr_…`), `None` for nobody.
    pub user_id: Option<String>,
    /// Id of the session that the token belongs to.
    pub session_id: Option<String>,
    /// The user's roles.
    pub roles: Vec<Role>,
    /// What the token allows beyond the user's own things.
    pub scopes: Scopes,
    /// When the token that came with the request ends, in seconds since the epoch: no answer may go on beyond that.
    pub expires_at: Option<i64>,
    /// Why the token that came with the request was refused. Only where an endpoint accepts such requests.
    pub rejected: Option<TokenError>,
}

impl Viewer {
    /// Nobody in particular.
    #[must_use]
    pub fn nobody() -> Viewer {
        Viewer::default()
    }

    /// A signed-in user with the scopes of `roles`.
    #[must_use]
    pub fn user(user_id: impl Into<String>, roles: &[Role]) -> Viewer {
        Viewer {
            user_id: Some(user_id.into()),
            roles: roles.to_vec(),
            scopes: Scopes::of(roles),
            ..Viewer::default()
        }
    }

    /// The id of the signed-in user.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when nobody is signed in.
    pub fn require_user(&self) -> async_graphql::Result<&str> {
        match (&self.user_id, &self.rejected) {
            (Some(user_id), _) => Ok(user_id),
            (None, Some(reason)) => Err(error(UNAUTHENTICATED, reason.to_string())),
            (None, None) => Err(error(UNAUTHENTICATED, "sign in first")),
        }
    }

    /// Checks that the viewer has `scope`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when nobody is signed in, `UNAUTHORIZED_FIELD_OR_TYPE` without the scope.
    pub fn require_scope(&self, scope: &str) -> async_graphql::Result<()> {
        if self.scopes.contains(scope) {
            return Ok(());
        }
        self.require_user()?;
        Err(error(
            UNAUTHORIZED_FIELD_OR_TYPE,
            format!("this needs the scope `{scope}`"),
        ))
    }

    /// Whether the viewer may see what is private to the user `id`: the user, and staff with `users:read`.
    #[must_use]
    pub fn can_see_user(&self, id: &str) -> bool {
        self.is_user(id) || self.scopes.contains("users:read")
    }

    /// Whether the viewer is the user `id`.
    #[must_use]
    pub fn is_user(&self, id: &str) -> bool {
        self.user_id.as_deref() == Some(id)
    }
}

/// `context.viewer()` in resolvers.
pub trait ViewerExt {
    /// The viewer of the request; nobody, when the endpoint put none there.
    fn viewer(&self) -> &Viewer;
}

impl ViewerExt for Context<'_> {
    fn viewer(&self) -> &Viewer {
        static NOBODY: std::sync::LazyLock<Viewer> = std::sync::LazyLock::new(Viewer::nobody);
        self.data_opt::<Viewer>().unwrap_or(&NOBODY)
    }
}

/// Lets a field be resolved only for viewers with a scope: `#[graphql(guard = "RequireScope(\"users:read\")")]`.
///
/// Beside `requires_scopes`, which only prints the directive for the router.
pub struct RequireScope(pub &'static str);

impl Guard for RequireScope {
    async fn check(&self, context: &Context<'_>) -> async_graphql::Result<()> {
        context.viewer().require_scope(self.0)
    }
}

/// Lets a field be resolved only for somebody who is signed in.
pub struct RequireUser;

impl Guard for RequireUser {
    async fn check(&self, context: &Context<'_>) -> async_graphql::Result<()> {
        do_not_share(context);
        context.viewer().require_user().map(|_| ())
    }
}
