//! One HTTP call to a gateway: its body within bounds, or what may have happened instead.

use reqwest::{RequestBuilder, StatusCode};

use super::GatewayError;

/// Longest answer that is read, in bytes; a payment is a few kB.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// An answer with any status.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Vec<u8>,
}

/// Sends `request`; the client has the deadline.
///
/// # Errors
/// [`GatewayError::NotSent`] when no connection came about, [`GatewayError::Unknown`] when one broke.
pub(super) async fn send(request: RequestBuilder) -> Result<Answer, GatewayError> {
    let mut response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() {
            GatewayError::NotSent
        } else {
            broken(&error)
        }
    })?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| broken(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(GatewayError::unknown("the answer is too long"));
        }
    }
    Ok(Answer { status, body })
}

/// What a status means where every gateway agrees; `None` for success and for refusals, which each words its own way.
pub(super) fn failure(status: StatusCode) -> Option<GatewayError> {
    match status {
        status if status.is_success() => None,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Some(GatewayError::Auth),
        StatusCode::TOO_MANY_REQUESTS => Some(GatewayError::RateLimited),
        StatusCode::REQUEST_TIMEOUT => Some(GatewayError::unknown(status.to_string())),
        status if status.is_client_error() => None,
        status => Some(GatewayError::unknown(status.to_string())),
    }
}

/// Reads JSON; what cannot be read is an answer that tells nothing.
pub(super) fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, GatewayError> {
    // Category, line and column only: the text of the error may quote the body.
    serde_json::from_slice(body).map_err(|error| {
        GatewayError::unknown(format!(
            "the answer is malformed: {:?} at line {} column {}",
            error.classify(),
            error.line(),
            error.column()
        ))
    })
}

/// Without the URL, which may hold what the log must not.
fn broken(error: &reqwest::Error) -> GatewayError {
    GatewayError::unknown(if error.is_timeout() {
        "timeout"
    } else {
        "the connection broke"
    })
}

/// `name` with a capital, for shoppers.
pub(super) fn display_name(name: &str) -> String {
    let mut display_name = name.to_owned();
    if let Some(first) = display_name.get_mut(0..1) {
        first.make_ascii_uppercase();
    }
    display_name
}
