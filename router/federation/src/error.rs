//! What is wrong with a request, and the stable codes by which clients tell errors apart.
//!
//! A [`RequestError`] refuses a whole request before anything runs (GraphQL spec, "Request Errors"). Errors at a field
//! of a running operation belong to `executor`. Knows no HTTP status; `server` keeps that table.

use std::fmt;

use apollo_compiler::parser::{LineColumn, SourceMap, SourceSpan};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// Most errors reported of one document, and of the variables of one request: a client mends a few at a time, and writing a
/// thousand is work for nobody.
pub const REQUEST_ERRORS_MAX: usize = 32;

/// Value of `extensions.code`: part of the public interface, never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// The document is not GraphQL.
    GraphqlParseFailed,
    /// The document is GraphQL, but not of this schema.
    GraphqlValidationFailed,
    /// A variable has a value that its type does not allow.
    BadUserInput,
    /// No operation, or not a single one, goes by the name asked for.
    OperationResolutionFailure,
    /// The hash sent instead of a document is unknown; the client sends the document next.
    PersistedQueryNotFound,
    /// Hashes instead of documents are not accepted here.
    PersistedQueryNotSupported,
    /// Only listed documents are accepted, and this is none of them.
    PersistedQueryNotInList,
    /// Selections are nested too deeply.
    MaxDepthLimit,
    /// Too many aliases.
    MaxAliasesLimit,
    /// Too many fields at the root.
    MaxRootFieldsLimit,
    /// Too many selections once every fragment stands where it is spread.
    MaxHeightLimit,
    /// The operation is estimated to cost more than allowed.
    CostEstimatedTooExpensive,
    /// No credentials, or invalid ones.
    Unauthenticated,
    /// The credentials do not cover a selected field or type.
    UnauthorizedFieldOrType,
    /// Too many requests.
    RequestRateLimited,
    /// The request could have been forged by another site.
    CsrfPreventionFailed,
    /// `__schema` and `__type` are switched off.
    IntrospectionDisabled,
    /// A subgraph could not be reached, or answered with an HTTP error.
    SubrequestHttpError,
    /// A subgraph answered with something that is no GraphQL response to what it was asked.
    SubrequestMalformedResponse,
    /// A subgraph reported an error and gave it no code.
    DownstreamServiceError,
    /// A subgraph, or the whole operation, took too long.
    GatewayTimeout,
    /// A subgraph sent a value that the schema does not allow.
    ResponseValidationFailed,
    /// A subscription ended because it is not valid in the schema that was just loaded.
    SubscriptionSchemaReload,
    /// A fault of the router itself.
    InternalServerError,
    /// The HTTP request is malformed (its JSON, for example).
    BadRequest,
    /// The HTTP method does not fit.
    MethodNotAllowed,
    /// None of the media types that the client accepts can be written.
    NotAcceptable,
    /// The request is longer than allowed.
    PayloadTooLarge,
    /// The media type of the request is unknown.
    UnsupportedMediaType,
    /// The client sent its request too slowly.
    RequestTimeout,
}

impl ErrorCode {
    /// The code as it is sent, such as `GRAPHQL_PARSE_FAILED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::GraphqlParseFailed => "GRAPHQL_PARSE_FAILED",
            Self::GraphqlValidationFailed => "GRAPHQL_VALIDATION_FAILED",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::OperationResolutionFailure => "OPERATION_RESOLUTION_FAILURE",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::PersistedQueryNotInList => "PERSISTED_QUERY_NOT_IN_LIST",
            Self::MaxDepthLimit => "MAX_DEPTH_LIMIT",
            Self::MaxAliasesLimit => "MAX_ALIASES_LIMIT",
            Self::MaxRootFieldsLimit => "MAX_ROOT_FIELDS_LIMIT",
            Self::MaxHeightLimit => "MAX_HEIGHT_LIMIT",
            Self::CostEstimatedTooExpensive => "COST_ESTIMATED_TOO_EXPENSIVE",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::UnauthorizedFieldOrType => "UNAUTHORIZED_FIELD_OR_TYPE",
            Self::RequestRateLimited => "REQUEST_RATE_LIMITED",
            Self::CsrfPreventionFailed => "CSRF_PREVENTION_FAILED",
            Self::IntrospectionDisabled => "INTROSPECTION_DISABLED",
            Self::SubrequestHttpError => "SUBREQUEST_HTTP_ERROR",
            Self::SubrequestMalformedResponse => "SUBREQUEST_MALFORMED_RESPONSE",
            Self::DownstreamServiceError => "DOWNSTREAM_SERVICE_ERROR",
            Self::GatewayTimeout => "GATEWAY_TIMEOUT",
            Self::ResponseValidationFailed => "RESPONSE_VALIDATION_FAILED",
            Self::SubscriptionSchemaReload => "SUBSCRIPTION_SCHEMA_RELOAD",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
            Self::BadRequest => "BAD_REQUEST",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::NotAcceptable => "NOT_ACCEPTABLE",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A place in a document: both numbers begin at 1, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Location {
    /// Line, from 1.
    pub line: usize,
    /// Character in the line, from 1.
    pub column: usize,
}

impl Location {
    /// Where `span` begins; `None` when it is not of a file in `sources`.
    pub fn of(span: Option<SourceSpan>, sources: &SourceMap) -> Option<Self> {
        let LineColumn { line, column } = span?.line_column(sources)?;
        Some(Self { line, column })
    }
}

/// Why a request is refused as a whole. Serialises as an entry of `errors`:
///
/// ```json
/// {"message":"…","locations":[{"line":1,"column":3}],"extensions":{"code":"GRAPHQL_VALIDATION_FAILED"}}
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// For people; never matched on.
    pub message: String,
    /// Where in the document; empty when it is not about a place.
    pub locations: Vec<Location>,
    /// For programs.
    pub code: ErrorCode,
}

impl RequestError {
    /// An error about no particular place of the document.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            locations: Vec::new(),
            code,
        }
    }

    /// The same error, at `location` when it is known.
    pub fn at(mut self, location: Option<Location>) -> Self {
        self.locations.extend(location);
        self
    }
}

impl Serialize for RequestError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Extensions {
            code: ErrorCode,
        }
        let mut entry = serializer.serialize_map(None)?;
        entry.serialize_entry("message", &self.message)?;
        if !self.locations.is_empty() {
            entry.serialize_entry("locations", &self.locations)?;
        }
        entry.serialize_entry("extensions", &Extensions { code: self.code })?;
        entry.end()
    }
}
