//! From what a subgraph answers to a GraphQL response in the store, or the one reason why it is none.
//!
//! Knows the outside of a response: status, media type, `data` and `errors`. Does not look into `data`.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Map, Value as JsonValue};

use crate::client::{FetchError, SubgraphAnswer};
use crate::store::{ObjectId, PathSegment, ReadError, Store, StoredPath, Value};

/// Most errors of one answer that are passed on. 1,000: more than anybody reads, and one for each entity of a large fetch.
const ERRORS_MAX: usize = 1_000;

/// Longest message, in bytes, that is passed on.
const MESSAGE_BYTES_MAX: usize = 10_000;

/// A GraphQL response.
#[derive(Debug)]
pub(crate) struct SubgraphResponse {
    /// Hangs on nothing yet; `None` when `data` is absent or null.
    pub(crate) data: Option<ObjectId>,
    /// At most [`ERRORS_MAX`].
    pub(crate) errors: Vec<SubgraphError>,
    /// Where the others are, each as [`SubgraphError::path`].
    pub(crate) left_out: Vec<Option<StoredPath>>,
}

/// An entry of `errors`.
#[derive(Debug, PartialEq)]
pub(crate) struct SubgraphError {
    pub(crate) message: String,
    /// In the subgraph's answer; `None` when absent or of another shape.
    pub(crate) path: Option<Vec<PathSegment>>,
    pub(crate) extensions: Map<String, JsonValue>,
}

/// Reads what a subgraph answered into `store`.
///
/// A GraphQL body counts whatever the status is: subgraphs report request errors with 4xx and 5xx.
///
/// # Errors
/// `HttpStatus` for a status other than 2xx without a GraphQL body, else `Malformed` or `TooManyValues`.
pub(crate) fn read(store: &mut Store, answer: &SubgraphAnswer) -> Result<SubgraphResponse, FetchError> {
    read_body(store, answer).map_err(|error| match answer.status.is_success() {
        true => error,
        false => FetchError::HttpStatus(answer.status),
    })
}

fn read_body(store: &mut Store, answer: &SubgraphAnswer) -> Result<SubgraphResponse, FetchError> {
    check_headers(answer)?;
    let body = store.read(&answer.body).map_err(|error| match error {
        ReadError::TooManyValues => FetchError::TooManyValues,
        error => malformed(error.to_string()),
    })?;
    let Value::Object(body) = body else {
        return Err(malformed("it is not an object"));
    };
    let (errors, left_out) = match store.field_named(body, "errors") {
        None | Some(Value::Null) => (Vec::new(), Vec::new()),
        Some(Value::List(errors)) => subgraph_errors(store, store.items(errors))?,
        Some(_) => return Err(malformed("its `errors` is not a list")),
    };
    let data = match store.field_named(body, "data") {
        None | Some(Value::Null) => None,
        Some(Value::Object(data)) => Some(data),
        Some(_) => return Err(malformed("its `data` is not an object")),
    };
    if errors.is_empty() && (data.is_none() || !answer.status.is_success()) {
        return Err(malformed("it has neither data nor errors"));
    }
    Ok(SubgraphResponse { data, errors, left_out })
}

fn malformed(reason: impl Into<String>) -> FetchError {
    FetchError::Malformed(reason.into())
}

fn check_headers(answer: &SubgraphAnswer) -> Result<(), FetchError> {
    let header = |name| answer.headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(encoding) = header(CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(malformed(format!(
            "it is encoded as `{encoding}`, which was not asked for"
        )));
    }
    match header(CONTENT_TYPE).filter(|content_type| !is_json(content_type)) {
        Some(content_type) => Err(malformed(format!("its content type is `{content_type}`"))),
        None => Ok(()),
    }
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let is = |expected: &str| media_type.eq_ignore_ascii_case(expected);
    is("application/json") || is("application/graphql-response+json")
}

/// The errors that are passed on, and where the others are.
fn subgraph_errors(
    store: &Store,
    errors: &[Value],
) -> Result<(Vec<SubgraphError>, Vec<Option<StoredPath>>), FetchError> {
    let errors = errors.iter().map(|error| match error {
        Value::Object(error) => Ok(*error),
        _ => Err(malformed("its `errors` holds what is not an object")),
    });
    let errors = errors.collect::<Result<Vec<_>, _>>()?;
    let (passed_on, left_out) = errors.split_at(errors.len().min(ERRORS_MAX));
    Ok((
        passed_on.iter().map(|error| subgraph_error(store, *error)).collect(),
        left_out.iter().map(|error| error_path(store, *error)).collect(),
    ))
}

fn subgraph_error(store: &Store, error: ObjectId) -> SubgraphError {
    let message = match store.field_named(error, "message").map(|message| json(store, message)) {
        Some(JsonValue::String(mut message)) => {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
            message
        }
        _ => "the subgraph reported an error without a message".to_owned(),
    };
    let extensions = match store.field_named(error, "extensions").map(|it| json(store, it)) {
        Some(JsonValue::Object(extensions)) => extensions,
        _ => Map::new(),
    };
    SubgraphError {
        message,
        path: error_path(store, error),
        extensions,
    }
}

/// A stored value on its own; null when it nests more deeply, or has a greater number, than errors are worth.
fn json(store: &Store, value: Value) -> JsonValue {
    let mut text = Vec::new();
    store.write(value, &mut text);
    serde_json::from_slice(&text).unwrap_or_default()
}

fn error_path(store: &Store, error: ObjectId) -> Option<Vec<PathSegment>> {
    let path = store.field_named(error, "path")?;
    let JsonValue::Array(segments) = json(store, path) else {
        return None;
    };
    let segments = segments.into_iter().map(|segment| match segment {
        JsonValue::String(name) => Some(PathSegment::Field(name)),
        JsonValue::Number(index) => Some(PathSegment::Item(usize::try_from(index.as_u64()?).ok()?)),
        _ => None,
    });
    segments.collect()
}
