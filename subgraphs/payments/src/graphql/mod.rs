//! The subgraph: types for clients, converted from the domain. The only folder that knows async-graphql.

mod mutation;
mod order;
mod payment;
mod query;

use async_graphql::{EmptySubscription, Schema, SchemaBuilder};
use service::auth::TokenVerifier;
use service::loader::Loader;

use crate::domain::Payment as DomainPayment;
use crate::processor::Processor;
use mutation::Mutation;
use payment::{Node, UserError};
use query::Query;

/// Loads what many parents ask for at once; a clone for each request.
#[derive(Clone)]
pub(crate) struct Loaders {
    pub(crate) payments_of_order: Loader<String, Vec<DomainPayment>>,
}

impl Loaders {
    fn new(processor: &Processor) -> Self {
        let by_order = processor.store().clone();
        Self {
            payments_of_order: Loader::new(move |order_ids: Vec<String>| {
                let store = by_order.clone();
                async move { store.payments_by_order(order_ids).await }
            }),
        }
    }
}

fn builder() -> SchemaBuilder<Query, Mutation, EmptySubscription> {
    Schema::build(Query, Mutation, EmptySubscription)
        .enable_federation()
        .register_output_type::<Node>()
        .register_output_type::<UserError>()
}

/// The federation SDL.
pub(crate) fn sdl() -> String {
    service::graphql::sdl(&builder().finish())
}

/// `/graphql`.
pub(crate) fn router(processor: Processor, verifier: TokenVerifier) -> axum::Router {
    let loaders = Loaders::new(&processor);
    let schema = move |mode| builder().validation_mode(mode).data(processor.clone()).finish();
    service::graphql::endpoint(schema, verifier, move |request| request.data(loaders.clone()))
}
