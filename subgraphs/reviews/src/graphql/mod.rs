//! The subgraph's schema: types written for clients, converted from `domain`.

// The derives write `pub` items beside the types, which must not be less visible.
#![allow(unreachable_pub)]

mod loaders;
mod mutation;
mod owners;
mod query;
mod review;

use crate::config::ReviewsConfig;
use crate::store::Store;
use async_graphql::{EmptySubscription, Schema, SchemaBuilder};
use axum::Router;
use loaders::Loaders;
use mutation::{Mutation, ReviewUserError};
use owners::ListsAsked;
use query::Query;
use review::Review;
use service::auth::TokenVerifier;
use service::graphql::{Endpoint, SharedAnswers};
use std::time::Duration;

service::node_interface!(Review);
service::user_error_interface!(ReviewUserError);

/// The SDL; needs no database.
pub(crate) fn sdl() -> String {
    service::graphql::sdl(&builder().finish())
}

/// `POST /graphql`.
pub(crate) fn router(store: Store, config: ReviewsConfig, verifier: TokenVerifier) -> Router {
    let loaders = Loaders::new(&store);
    let age_max = Duration::from_millis(config.reviews_age_max_ms);
    let shared = SharedAnswers::new(age_max, store.changes());
    let schema = move |mode| {
        let builder = builder().validation_mode(mode);
        builder.data(store.clone()).data(config.clone()).finish()
    };
    Endpoint::new(schema, verifier)
        .per_request(move |request| request.data(loaders.clone()).data(ListsAsked::default()))
        .share(shared)
        .router()
}

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
        .enable_federation()
        .register_output_type::<Node>()
        .register_output_type::<UserError>()
}
