//! Decodes an HTTP request into a GraphQL request (GraphQL over HTTP, "Request").
//!
//! Does not parse the GraphQL document.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use federation::error::ErrorCode;
use http::{HeaderMap, Method, Uri, header, request};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::failure::Failure;

/// Longest time a client may take to send its body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Of a body that is too long, this much is read and thrown away: most clients read the answer only after they have sent
/// everything, and would see a broken connection instead.
const DISCARDED_BYTES_MAX: usize = 32 << 20;
/// Longest time spent on that.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);

/// What a client asks for.
#[derive(Debug)]
pub(crate) struct GraphqlRequest {
    /// Text of the document.
    pub(crate) query: String,
    /// Which of its operations.
    pub(crate) operation_name: Option<String>,
    /// Raw values, not coerced yet.
    pub(crate) variables: Map<String, Value>,
}

impl GraphqlRequest {
    /// Reads the parameters from the URL (GET) or the body (POST).
    pub(crate) async fn decode(parts: &request::Parts, body: Body, body_bytes_max: usize) -> Result<Self, Failure> {
        let parameters = match parts.method {
            Method::GET => Parameters::of_url(&parts.uri)?,
            Method::POST => {
                check_content_type(&parts.headers)?;
                Parameters::of_json(&read_body(body, body_bytes_max).await?)?
            }
            _ => {
                return Err(Failure::method_not_allowed(
                    "GET, POST",
                    "send GraphQL requests by POST or GET",
                ));
            }
        };
        parameters.check()
    }
}

/// The parameters before their types are known. All four may be null or missing.
#[derive(Debug, Default, Deserialize)]
struct Parameters {
    #[serde(default)]
    query: Value,
    #[serde(default, rename = "operationName")]
    operation_name: Value,
    #[serde(default)]
    variables: Value,
    #[serde(default)]
    extensions: Value,
}

impl Parameters {
    fn of_json(body: &[u8]) -> Result<Self, Failure> {
        match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => return Err(bad_request("the body is empty: send a JSON object with `query`")),
            Some(b'[') => {
                return Err(bad_request(
                    "batches are not supported: send each operation in a request of its own",
                ));
            }
            Some(b'{') => {}
            Some(_) => return Err(bad_request("the body is not a JSON object with `query`")),
        }
        serde_json::from_slice(body).map_err(|error| bad_request(format!("the body is not valid JSON: {error}")))
    }

    fn of_url(uri: &Uri) -> Result<Self, Failure> {
        let mut parameters = Self::default();
        for (name, text) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            let parameter = match &*name {
                "query" => &mut parameters.query,
                "operationName" => &mut parameters.operation_name,
                "variables" => &mut parameters.variables,
                "extensions" => &mut parameters.extensions,
                // Others may mean something to a proxy or a cache.
                _ => continue,
            };
            if !parameter.is_null() {
                return Err(bad_request(format!("the parameter `{name}` is given twice")));
            }
            *parameter = match &*name {
                "variables" | "extensions" if text.is_empty() => Value::Null,
                "variables" | "extensions" => serde_json::from_str(&text)
                    .map_err(|error| bad_request(format!("the parameter `{name}` is not valid JSON: {error}")))?,
                "operationName" if text.is_empty() => Value::Null,
                _ => Value::String(text.into_owned()),
            };
        }
        Ok(parameters)
    }

    fn check(self) -> Result<GraphqlRequest, Failure> {
        let extensions = object("extensions", self.extensions)?;
        let query = match self.query {
            Value::String(query) if !query.is_empty() => query,
            Value::Null if extensions.contains_key("persistedQuery") => {
                // The message is what the clients of automatic persisted queries look for, word for word.
                return Err(Failure::new(
                    ErrorCode::PersistedQueryNotSupported,
                    "PersistedQueryNotSupported",
                ));
            }
            Value::String(_) | Value::Null => return Err(bad_request("`query` is missing: it holds the document")),
            _ => return Err(bad_request("`query` is not a string")),
        };
        let operation_name = match self.operation_name {
            Value::Null => None,
            Value::String(name) => Some(name),
            _ => return Err(bad_request("`operationName` is not a string")),
        };
        Ok(GraphqlRequest {
            query,
            operation_name,
            variables: object("variables", self.variables)?,
        })
    }
}

fn object(name: &str, value: Value) -> Result<Map<String, Value>, Failure> {
    match value {
        Value::Null => Ok(Map::new()),
        Value::Object(object) => Ok(object),
        _ => Err(bad_request(format!("`{name}` is not a JSON object"))),
    }
}

/// JSON in UTF-8 only. Browsers send other media types across origins without asking first, so accepting them would open
/// the door to forged requests (CSRF).
fn check_content_type(headers: &HeaderMap) -> Result<(), Failure> {
    let unsupported = |message: &str| Err(Failure::new(ErrorCode::UnsupportedMediaType, message));
    if headers.contains_key(header::CONTENT_ENCODING) {
        return unsupported("compressed request bodies are not supported");
    }
    let Some(Ok(content_type)) = headers.get(header::CONTENT_TYPE).map(|value| value.to_str()) else {
        return unsupported("`Content-Type` is missing: send `application/json`");
    };
    let mut parts = content_type.split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
    {
        return unsupported("the body must be `application/json`");
    }
    let charset = parts
        .filter_map(|part| part.split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    match charset.map(|(_, value)| value.trim_matches('"')) {
        None => Ok(()),
        Some(charset) if charset.eq_ignore_ascii_case("utf-8") => Ok(()),
        Some(_) => unsupported("the body must be in UTF-8"),
    }
}

async fn read_body(mut body: Body, body_bytes_max: usize) -> Result<Bytes, Failure> {
    let announced = http_body::Body::size_hint(&body).lower();
    let read = async {
        if announced > body_bytes_max as u64 {
            return Err(too_long(body_bytes_max));
        }
        match Limited::new(&mut body, body_bytes_max).collect().await {
            Ok(collected) => Ok(collected.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => Err(too_long(body_bytes_max)),
            Err(_) => Err(bad_request("the body ended early")),
        }
    };
    let result = timeout(BODY_TIMEOUT, read).await.unwrap_or_else(|_| {
        Err(Failure::new(
            ErrorCode::RequestTimeout,
            "the body did not arrive in time",
        ))
    });
    if result
        .as_ref()
        .is_err_and(|failure| failure.code() == ErrorCode::PayloadTooLarge)
    {
        // Whether or not it ends in time, the answer is the same.
        let _ = timeout(DISCARD_TIMEOUT, discard(body)).await;
    }
    result
}

async fn discard(mut body: Body) {
    let mut discarded = 0;
    while let Some(Ok(frame)) = body.frame().await {
        discarded += frame.data_ref().map_or(0, Bytes::len);
        if discarded > DISCARDED_BYTES_MAX {
            return;
        }
    }
}

fn too_long(body_bytes_max: usize) -> Failure {
    Failure::new(
        ErrorCode::PayloadTooLarge,
        format!("the body is longer than {body_bytes_max} bytes"),
    )
}

fn bad_request(message: impl Into<String>) -> Failure {
    Failure::new(ErrorCode::BadRequest, message)
}
