//! From the bytes that a subgraph answers to a GraphQL response, or the one reason why they are none.
//!
//! The only place where bytes from outside are checked to be JSON and UTF-8; `store` relies on it. Does not look into `data`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::client::{FetchError, SubgraphAnswer};
use crate::store::PathSegment;

/// A GraphQL response with its `data` still as bytes.
#[derive(Debug)]
pub(crate) struct SubgraphResponse {
    /// Valid JSON, not `null`.
    pub(crate) data: Option<Bytes>,
    pub(crate) errors: Vec<SubgraphError>,
}

/// An entry of `errors`.
#[derive(Debug, PartialEq)]
pub(crate) struct SubgraphError {
    pub(crate) message: String,
    /// In the subgraph's answer; `None` when absent or of another shape.
    pub(crate) path: Option<Vec<PathSegment>>,
    pub(crate) extensions: Map<String, Value>,
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    errors: Option<Vec<Value>>,
}

/// Reads what a subgraph answered.
///
/// A GraphQL body counts whatever the status is: subgraphs report request errors with 4xx and 5xx.
///
/// # Errors
/// `HttpStatus` for a status other than 2xx without a GraphQL body, else `Malformed`.
pub(crate) fn read(answer: &SubgraphAnswer) -> Result<SubgraphResponse, FetchError> {
    let otherwise = |reason: String| match answer.status.is_success() {
        true => FetchError::Malformed(reason),
        false => FetchError::HttpStatus(answer.status),
    };
    let content_type = answer
        .headers
        .get(CONTENT_TYPE)
        .map(|value| value.to_str().unwrap_or("?"));
    if let Some(content_type) = content_type.filter(|content_type| !is_json(content_type)) {
        return Err(otherwise(format!("its content type is `{content_type}`")));
    }
    let body: Body<'_> = serde_json::from_slice(&answer.body).map_err(|error| otherwise(not_a_response(&error)))?;
    let errors: Vec<_> = body
        .errors
        .unwrap_or_default()
        .into_iter()
        .map(subgraph_error)
        .collect();
    if errors.is_empty() && (body.data.is_none() || !answer.status.is_success()) {
        return Err(otherwise("it has neither data nor errors".to_owned()));
    }
    Ok(SubgraphResponse {
        data: body.data.map(|data| answer.body.slice_ref(data.get().as_bytes())),
        errors,
    })
}

/// Without the text around the error: it may hold what only the subgraph's owners should see.
fn not_a_response(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Data => "it is not a GraphQL response".to_owned(),
        _ => format!("it is not JSON, at line {} column {}", error.line(), error.column()),
    }
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is = |expected: &str| media_type.eq_ignore_ascii_case(expected);
    is("application/json") || is("application/graphql-response+json")
}

fn subgraph_error(error: Value) -> SubgraphError {
    let Value::Object(mut error) = error else {
        return SubgraphError {
            message: no_message(),
            path: None,
            extensions: Map::new(),
        };
    };
    let message = match error.remove("message") {
        Some(Value::String(message)) => message,
        _ => no_message(),
    };
    let extensions = match error.remove("extensions") {
        Some(Value::Object(extensions)) => extensions,
        _ => Map::new(),
    };
    SubgraphError {
        message,
        path: error.remove("path").and_then(error_path),
        extensions,
    }
}

fn no_message() -> String {
    "the subgraph reported an error without a message".to_owned()
}

fn error_path(path: Value) -> Option<Vec<PathSegment>> {
    let Value::Array(segments) = path else { return None };
    let segments = segments.into_iter().map(|segment| match segment {
        Value::String(name) => Some(PathSegment::Field(name)),
        Value::Number(index) => Some(PathSegment::Item(usize::try_from(index.as_u64()?).ok()?)),
        _ => None,
    });
    segments.collect()
}
