//! The subgraph's schema: types written for clients, converted from `domain`.

// The derives write `pub` items beside the types, which must not be less visible.
#![allow(unreachable_pub)]

mod address;
mod inputs;
mod loaders;
mod mutation;
mod payloads;
mod query;
mod user;

use crate::accounts::Accounts;
use address::Address;
use async_graphql::{EmptySubscription, Schema, SchemaBuilder};
use axum::Router;
use loaders::Loaders;
use mutation::Mutation;
use payloads::UserUserError;
use query::Query;
use service::auth::TokenVerifier;
use service::graphql::Endpoint;
use user::User;

service::node_interface!(User, Address);
service::user_error_interface!(UserUserError);

/// The SDL; needs no database.
pub(crate) fn sdl() -> String {
    service::graphql::sdl(&builder().finish())
}

/// `POST /graphql`.
pub(crate) fn router(accounts: Accounts, verifier: TokenVerifier) -> Router {
    let loaders = Loaders::new(&accounts);
    let schema = move |mode| builder().validation_mode(mode).data(accounts.clone()).finish();
    Endpoint::new(schema, verifier)
        // A client must reach login and refresh while it still sends an expired token.
        .accept_bad_tokens()
        .per_request(move |request| request.data(loaders.clone()))
        .router()
}

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
        .enable_federation()
        .register_output_type::<Node>()
        .register_output_type::<UserError>()
}
