//! The subgraph: types for clients, converted from the domain. The only folder that knows async-graphql.

mod cart;
mod entity;
mod error;
mod mutation;
mod order;
mod query;
mod subscription;

use std::collections::HashMap;

use async_graphql::{Schema, SchemaBuilder};
use service::auth::TokenVerifier;
use service::loader::Loader;
use service::paging::{Page, PageArgs};

use crate::checkout::Checkout;
use crate::domain;
use crate::store::{OrderFilter, Store, StoreError};
use error::UserError;
use mutation::Mutation;
use order::Node;
use query::Query;
use subscription::Subscription;

/// Which page of whose orders.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct UserPage {
    pub(crate) user_id: String,
    pub(crate) filter: OrderFilter,
    pub(crate) args: PageArgs,
    pub(crate) counted: bool,
}

/// Loads what many parents ask for at once; a clone for each request.
#[derive(Clone)]
pub(crate) struct Loaders {
    pub(crate) orders: Loader<String, domain::Order>,
    pub(crate) lines: Loader<String, Vec<domain::OrderLine>>,
    pub(crate) events: Loader<String, Vec<domain::Event>>,
    pub(crate) user_pages: Loader<UserPage, Page<domain::Order>>,
}

impl Loaders {
    fn new(store: &Store) -> Self {
        let [orders, lines, events, pages] = std::array::from_fn(|_| store.clone());
        Self {
            orders: Loader::new(move |ids| {
                let store = orders.clone();
                async move { store.orders_by_id(ids).await }
            }),
            lines: Loader::new(move |order_ids| {
                let store = lines.clone();
                async move { store.lines_by_order(order_ids).await }
            }),
            events: Loader::new(move |order_ids| {
                let store = events.clone();
                async move { store.events_by_order(order_ids).await }
            }),
            user_pages: Loader::new(move |keys| {
                let store = pages.clone();
                async move { load_user_pages(&store, keys).await }
            }),
        }
    }
}

/// One statement for each different page: usually one, since all users of a request are asked for the same.
async fn load_user_pages(
    store: &Store,
    keys: Vec<UserPage>,
) -> Result<HashMap<UserPage, Page<domain::Order>>, StoreError> {
    let mut by_page: HashMap<(OrderFilter, PageArgs, bool), Vec<String>> = HashMap::new();
    for key in keys {
        by_page
            .entry((key.filter, key.args, key.counted))
            .or_default()
            .push(key.user_id);
    }
    let mut loaded = HashMap::new();
    for ((filter, args, counted), user_ids) in by_page {
        for (user_id, page) in store.pages_by_user(user_ids, &filter, (&args, counted)).await? {
            loaded.insert(
                UserPage {
                    user_id,
                    filter: filter.clone(),
                    args: args.clone(),
                    counted,
                },
                page,
            );
        }
    }
    Ok(loaded)
}

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query, Mutation, Subscription)
        .enable_federation()
        .enable_subscription_in_federation()
        .register_output_type::<Node>()
        .register_output_type::<UserError>()
}

/// The federation SDL.
pub(crate) fn sdl() -> String {
    service::graphql::sdl(&builder().finish())
}

/// `/graphql`.
pub(crate) fn router(checkout: Checkout, verifier: TokenVerifier) -> axum::Router {
    let loaders = Loaders::new(checkout.driver.store());
    let schema = move |mode| builder().validation_mode(mode).data(checkout.clone()).finish();
    service::graphql::endpoint(schema, verifier, move |request| request.data(loaders.clone()))
}
