//! `User` and `Session`.

use super::address::Address;
use super::loaders::Loaders;
use crate::domain;
use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use service::auth::ViewerExt;
use service::scalars::DateTime;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "service::auth::Role")]
pub enum Role {
    Customer,
    Support,
    Admin,
}

/// The GraphQL type of an account; what it says of itself is on the `Object` below.
#[derive(Clone, Debug)]
pub struct User {
    id: ID,
    user: domain::User,
    proven: bool,
}

impl From<domain::User> for User {
    fn from(user: domain::User) -> User {
        User {
            id: ID(user.id.clone()),
            user,
            proven: false,
        }
    }
}

/// What is private is null for strangers, rather than an error: the person's name beside a review must still show.
impl User {
    /// The person themself, who has just proven who they are (by password or mailed secret) in this very request, and
    /// so is not its viewer yet.
    pub(super) fn proven(user: domain::User) -> User {
        User {
            proven: true,
            ..User::from(user)
        }
    }

    fn private<T>(&self, context: &Context<'_>, value: impl FnOnce(&domain::User) -> T) -> Option<T> {
        (self.proven || context.viewer().can_see_user(&self.user.id)).then(|| value(&self.user))
    }

    async fn default_address(&self, context: &Context<'_>, id: &Option<String>) -> Result<Option<Address>> {
        let Some(Some(id)) = self.private(context, |_| id.clone()) else {
            return Ok(None);
        };
        let address = context.data::<Loaders>()?.addresses.load(id).await?;
        Ok(address
            .filter(|address| address.user_id == self.user.id)
            .map(Address::from))
    }
}

/// A person with an account. Other subgraphs add to it: orders adds `orders` and `cart`, reviews adds `reviews`.
#[Object]
impl User {
    pub(super) async fn id(&self) -> &ID {
        &self.id
    }

    /// Shown next to reviews; never the email.
    async fn display_name(&self) -> &str {
        &self.user.profile.display_name
    }

    /// Only for the user themself, SUPPORT and ADMIN; otherwise null.
    async fn email(&self, context: &Context<'_>) -> Option<String> {
        self.private(context, |user| user.email.clone())
    }

    async fn email_verified(&self, context: &Context<'_>) -> Option<bool> {
        self.private(context, |user| user.email_verified)
    }

    async fn phone(&self, context: &Context<'_>) -> Option<String> {
        self.private(context, |user| user.profile.phone.clone())?
    }

    async fn locale(&self, context: &Context<'_>) -> Option<String> {
        self.private(context, |user| user.profile.locale.clone())?
    }

    async fn avatar_url(&self) -> Option<&str> {
        self.user.profile.avatar_url.as_deref()
    }

    async fn roles(&self, context: &Context<'_>) -> Option<Vec<Role>> {
        self.private(context, |user| user.roles.iter().copied().map(Role::from).collect())
    }

    async fn addresses(&self, context: &Context<'_>) -> Result<Option<Vec<Address>>> {
        let Some(id) = self.private(context, |user| user.id.clone()) else {
            return Ok(None);
        };
        let addresses = context.data::<Loaders>()?.addresses_of.load(id).await?;
        Ok(Some(
            addresses.unwrap_or_default().into_iter().map(Address::from).collect(),
        ))
    }

    async fn default_shipping_address(&self, context: &Context<'_>) -> Result<Option<Address>> {
        self.default_address(context, &self.user.default_shipping_address_id)
            .await
    }

    async fn default_billing_address(&self, context: &Context<'_>) -> Result<Option<Address>> {
        self.default_address(context, &self.user.default_billing_address_id)
            .await
    }

    async fn created_at(&self) -> DateTime {
        self.user.created_at.into()
    }

    async fn updated_at(&self) -> DateTime {
        self.user.updated_at.into()
    }

    /// Open sessions (refresh-token families), newest first.
    async fn sessions(&self, context: &Context<'_>) -> Result<Option<Vec<Session>>> {
        let Some(id) = self.private(context, |user| user.id.clone()) else {
            return Ok(None);
        };
        let current = context.viewer().session_id.as_deref();
        let sessions = context
            .data::<Loaders>()?
            .sessions_of
            .load(id)
            .await?
            .unwrap_or_default();
        Ok(Some(
            sessions
                .into_iter()
                .map(|session| Session::new(session, current))
                .collect(),
        ))
    }
}

#[derive(Clone, Debug, SimpleObject)]
pub struct Session {
    id: ID,
    current: bool,
    user_agent: Option<String>,
    ip_prefix: Option<String>,
    created_at: DateTime,
    last_used_at: DateTime,
    expires_at: DateTime,
}

impl Session {
    fn new(session: domain::Session, current: Option<&str>) -> Session {
        Session {
            current: current == Some(session.id.as_str()),
            id: ID(session.id),
            user_agent: session.device.user_agent,
            ip_prefix: session.device.ip_prefix,
            created_at: session.created_at.into(),
            last_used_at: session.last_used_at.into(),
            expires_at: session.expires_at.into(),
        }
    }
}

service::connection!(User, UserConnection, UserEdge);
