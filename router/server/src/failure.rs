//! A request that is refused as a whole, and the one table from error codes to HTTP status.

use axum::response::{IntoResponse, Response};
use federation::error::{ErrorCode, RequestError};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::media_type::MediaType;

/// Why a request is not answered with data. Never empty.
#[derive(Debug)]
pub(crate) struct Failure {
    errors: Vec<RequestError>,
    /// Methods that would have been right, with status 405.
    allow: Option<&'static str>,
}

impl Failure {
    /// One error about no place in the document.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::from(vec![RequestError::new(code, message)])
    }

    /// The request came by a method that cannot be used for it.
    pub(crate) fn method_not_allowed(allow: &'static str, message: &str) -> Self {
        Self {
            allow: Some(allow),
            ..Self::new(ErrorCode::MethodNotAllowed, message)
        }
    }

    /// What the client is told when the router itself is at fault; the reason is for the log only.
    pub(crate) fn internal() -> Self {
        Self::new(
            ErrorCode::InternalServerError,
            "the router failed to answer this request",
        )
    }

    /// The code by which this failure is counted and logged.
    pub(crate) fn code(&self) -> ErrorCode {
        self.errors
            .first()
            .map_or(ErrorCode::InternalServerError, |error| error.code)
    }

    /// A GraphQL response without `data`.
    pub(crate) fn into_response(self, media_type: MediaType) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            errors: &'a [RequestError],
        }
        let status = status(self.code(), media_type);
        let body = serde_json::to_vec(&Body { errors: &self.errors }).expect("errors are plain data");
        let mut response = (status, body).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type.content_type());
        if let Some(allow) = self.allow {
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

impl From<Vec<RequestError>> for Failure {
    fn from(errors: Vec<RequestError>) -> Self {
        Self { errors, allow: None }
    }
}

/// Faults of the HTTP request have a status of their own. Faults of the GraphQL request have 400, but 200 in
/// `application/json` (GraphQL over HTTP, "Status Codes").
pub(crate) fn status(code: ErrorCode, media_type: MediaType) -> StatusCode {
    match code {
        ErrorCode::BadRequest => StatusCode::BAD_REQUEST,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        ErrorCode::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::RequestRateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::CsrfPreventionFailed => StatusCode::FORBIDDEN,
        ErrorCode::InternalServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
        _ if media_type == MediaType::GraphqlResponse => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}
