//! Errors of GraphQL fields, each with a stable `extensions.code`.
//!
//! Rule: an error that a client may see is made by [`error`]. Anything that reaches the endpoint by `?` from another
//! error type is a fault of ours: it is logged, and the client gets `INTERNAL_SERVER_ERROR` without its text.

use crate::loader::LoadError;
use async_graphql::{ErrorExtensionValues, ServerError};

/// Nobody is signed in, or the token is not valid (any more).
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
/// Somebody is signed in, but may not do or see this.
pub const UNAUTHORIZED_FIELD_OR_TYPE: &str = "UNAUTHORIZED_FIELD_OR_TYPE";
/// An argument is out of its documented range.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
/// Too many requests of this kind; try again later.
pub const REQUEST_RATE_LIMITED: &str = "REQUEST_RATE_LIMITED";
/// A fault on our side; details are in the log.
pub const INTERNAL_SERVER_ERROR: &str = "INTERNAL_SERVER_ERROR";

const GRAPHQL_PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
const GRAPHQL_VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";

/// An error for the client: `code` is one of the constants of this module, `message` is for people.
#[must_use]
pub fn error(code: &'static str, message: impl Into<String>) -> async_graphql::Error {
    let mut error = async_graphql::Error::new(message);
    error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default)
        .set("code", code);
    error
}

/// Gives `error` its code, and hides the text of faults after logging it.
pub(super) fn finish(error: &mut ServerError) {
    if error
        .extensions
        .as_ref()
        .is_some_and(|extensions| extensions.get("code").is_some())
    {
        return;
    }
    let code = if error.source.is_some() {
        hide(error);
        INTERNAL_SERVER_ERROR
    } else if !error.path.is_empty() {
        BAD_USER_INPUT
    } else if error.message.trim_start().starts_with("-->") {
        GRAPHQL_PARSE_FAILED
    } else {
        GRAPHQL_VALIDATION_FAILED
    };
    error
        .extensions
        .get_or_insert_with(ErrorExtensionValues::default)
        .set("code", code);
}

fn hide(error: &mut ServerError) {
    let chain = match error
        .source
        .as_ref()
        .and_then(|source| source.downcast_ref::<anyhow::Error>())
    {
        Some(source) => format!("{source:#}"),
        None => error.message.clone(),
    };
    // A failed batch is in the log already, once for all its keys.
    if error.source::<LoadError>().is_none() {
        let path = serde_json::to_string(&error.path).unwrap_or_default();
        tracing::error!(error = chain, graphql.path = path, "A field failed");
    }
    error.message = "internal error".to_owned();
    error.source = None;
}
