//! What every subgraph's GraphQL has in common: the endpoint, the SDL, errors with codes, and macros for the types
//! that async-graphql wants to see once per subgraph.

mod answers;
mod endpoint;
mod error;
mod event_stream;
mod macros;
mod operations;
mod plain;
mod sdl;

pub use answers::{SharedAnswers, do_not_share};
pub use endpoint::{ClientInfo, Endpoint, endpoint};
pub use error::{
    BAD_USER_INPUT, INTERNAL_SERVER_ERROR, REQUEST_RATE_LIMITED, UNAUTHENTICATED, UNAUTHORIZED_FIELD_OR_TYPE, error,
};
pub(crate) use event_stream::Stopping;
pub use plain::{Plain, PlainObject};
pub use sdl::{normalize, sdl};

use async_graphql::Context;

/// Whether the client selected `totalCount` of the connection that is being resolved: counting costs a statement.
#[must_use]
pub fn wants_total_count(context: &Context<'_>) -> bool {
    context.look_ahead().field("totalCount").exists()
}
