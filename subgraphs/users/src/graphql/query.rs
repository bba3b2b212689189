//! `Query`, and the entities.

use super::address::Address;
use super::loaders::Loaders;
use super::user::{User, UserConnection};
use crate::accounts::Accounts;
use async_graphql::{Context, ID, Object, Result};
use service::auth::{RequireScope, ViewerExt};
use service::graphql::{UNAUTHENTICATED, error, wants_total_count};
use service::paging::PageArgs;

pub struct Query;

#[allow(clippy::too_many_arguments, reason = "a connection has the arguments it has")]
#[Object]
impl Query {
    /// The signed-in user, or null.
    async fn me(&self, context: &Context<'_>) -> Result<Option<User>> {
        let viewer = context.viewer();
        if let Some(reason) = viewer.rejected {
            return Err(error(UNAUTHENTICATED, reason.to_string()));
        }
        let Some(id) = viewer.user_id.clone() else {
            return Ok(None);
        };
        Ok(context.data::<Loaders>()?.users.load(id).await?.map(User::from))
    }

    #[graphql(
        guard = "RequireScope(\"users:read\")",
        requires_scopes = "users:read",
        tag = "admin"
    )]
    async fn user(&self, context: &Context<'_>, id: ID) -> Result<Option<User>> {
        if !service::id::is("usr", &id) {
            return Ok(None);
        }
        Ok(context.data::<Loaders>()?.users.load(id.0).await?.map(User::from))
    }

    #[graphql(
        guard = "RequireScope(\"users:read\")",
        requires_scopes = "users:read",
        tag = "admin"
    )]
    async fn users(
        &self,
        context: &Context<'_>,
        #[graphql(default_with = "Some(20)")] first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        query: Option<String>,
    ) -> Result<UserConnection> {
        let args = PageArgs::parse(first, after, last, before)?;
        let store = &context.data::<Accounts>()?.store;
        let page = store
            .users_page(query.as_deref(), &args, wants_total_count(context))
            .await?;
        Ok(page.map(User::from).into())
    }

    /// `None` for an unknown or malformed id: one `Err` here would null every entity of the batch.
    #[graphql(entity)]
    async fn find_user_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<User>> {
        if !service::id::is("usr", &id) {
            return Ok(None);
        }
        let user = context.data::<Loaders>()?.users.load(id.0).await;
        Ok(user.unwrap_or_default().map(User::from))
    }

    /// `None` also for an address that the viewer may not see.
    #[graphql(entity)]
    async fn find_address_by_id(&self, context: &Context<'_>, id: ID) -> Result<Option<Address>> {
        if !service::id::is("adr", &id) {
            return Ok(None);
        }
        let address = context
            .data::<Loaders>()?
            .addresses
            .load(id.0)
            .await
            .unwrap_or_default();
        Ok(address
            .filter(|address| context.viewer().can_see_user(&address.user_id))
            .map(Address::from))
    }
}
