//! The subgraph's schema: types written for clients, converted from `domain`.

// The derives write `pub` items beside the types, which must not be less visible.
#![allow(unreachable_pub)]

mod category;
mod connection;
mod inputs;
mod loaders;
mod media;
mod mutation;
mod payloads;
mod product;
mod query;
mod variant;

pub(crate) use media::MediaUrls;

use crate::store::Store;
use async_graphql::{EmptySubscription, Schema, SchemaBuilder};
use axum::Router;
use category::Category;
use loaders::Loaders;
use mutation::Mutation;
use payloads::ProductUserError;
use product::Product;
use query::Query;
use service::auth::TokenVerifier;
use service::graphql::{Endpoint, SharedAnswers};
use variant::ProductVariant;

service::node_interface!(Product, ProductVariant, Category);
service::user_error_interface!(ProductUserError);

/// The SDL; needs no database.
pub(crate) fn sdl() -> String {
    service::graphql::sdl(&builder().finish())
}

/// `POST /graphql`.
pub(crate) fn router(store: Store, media_urls: MediaUrls, verifier: TokenVerifier, shared: SharedAnswers) -> Router {
    let loaders = Loaders::new(&store);
    let schema = move |mode| {
        let builder = builder().validation_mode(mode);
        builder.data(store.clone()).data(media_urls.clone()).finish()
    };
    Endpoint::new(schema, verifier)
        .per_request(move |request| request.data(loaders.clone()))
        .share(shared)
        .router()
}

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
        .enable_federation()
        .register_output_type::<Node>()
        .register_output_type::<UserError>()
}
