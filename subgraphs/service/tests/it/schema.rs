//! A tiny subgraph with everything the endpoint has to deal with.

use async_graphql::{Context, ID, Object, Schema, SimpleObject, Subscription};
use axum::Router;
use futures::Stream;
use service::auth::{RequireScope, ViewerExt};
use service::graphql::{BAD_USER_INPUT, endpoint, error};
use service::scalars::{Decimal, Money};
use service::testing::TestKeys;
use std::time::Duration;

service::node_interface!(Thing);
service::user_error_interface!(ThingError);
service::user_error!(ThingError, ThingErrorCode);
service::connection!(Thing, ThingConnection, ThingEdge);

#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
pub(crate) enum ThingErrorCode {
    Broken,
}

#[derive(Clone, SimpleObject)]
pub(crate) struct Thing {
    pub(crate) id: ID,
}

pub(crate) struct Query;

#[Object]
impl Query {
    async fn viewer(&self, context: &Context<'_>) -> Option<String> {
        context.viewer().user_id.clone()
    }

    async fn fault(&self) -> async_graphql::Result<i32> {
        Err(anyhow::anyhow!("the password is hunter2").context("database").into())
    }

    async fn refusal(&self) -> async_graphql::Result<Option<i32>> {
        Err(error(BAD_USER_INPUT, "`first` is too large"))
    }

    async fn slow(&self) -> i32 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        1
    }

    #[graphql(guard = "RequireScope(\"stock:read\")", requires_scopes = "stock:read")]
    async fn secret(&self) -> i32 {
        42
    }

    async fn half(&self, amount: Decimal) -> Money {
        let amount = service::money::Amount::parse(&amount.0, service::money::Currency::EUR).unwrap();
        Money::new(amount.minor / 2, amount.currency)
    }

    #[graphql(entity)]
    async fn find_thing_by_id(&self, id: ID) -> async_graphql::Result<Option<Thing>> {
        Ok(id.starts_with("thing").then_some(Thing { id }))
    }
}

pub(crate) struct Changes;

#[Subscription]
impl Changes {
    async fn count(&self, to: i32) -> impl Stream<Item = i32> {
        futures::stream::iter(1..=to)
    }
}

/// The subgraph's public router, and keys for its viewers.
pub(crate) fn subgraph() -> (Router, TestKeys) {
    let keys = TestKeys::default();
    let schema = |mode| {
        Schema::build(Query, async_graphql::EmptyMutation, Changes)
            .validation_mode(mode)
            .enable_federation()
            .enable_subscription_in_federation()
            .register_output_type::<Node>()
            .register_output_type::<UserError>()
            .finish()
    };
    (endpoint(schema, keys.verifier(), |request| request), keys)
}
