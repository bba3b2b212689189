//! What an execution gives: data, errors, and what was measured.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use federation::error::ErrorCode;
use http::HeaderMap;
use serde::Serialize;
use serde_json::{Map, Value};

/// An entry of `errors` that belongs to a field of the answer (GraphQL spec, "Errors").
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GraphqlError {
    /// For people.
    pub message: String,
    /// The field it belongs to, by the client's response names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<ResponsePathSegment>,
    /// `code`, and `service` when a subgraph is the cause.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extensions: Map<String, Value>,
}

impl GraphqlError {
    /// An error with nothing but a message and a code.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let extensions = Map::from_iter([("code".to_owned(), Value::from(code.as_str()))]);
        Self {
            message: message.into(),
            path: Vec::new(),
            extensions,
        }
    }
}

/// One step of a path in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ResponsePathSegment {
    /// A response name.
    Field(String),
    /// Index in a list.
    Item(usize),
}

/// The answer to one operation.
#[derive(Debug, Clone, Default)]
pub struct ExecutionResponse {
    /// JSON of `data`: an object or `null`. Absent when the operation did not run.
    pub data: Option<Bytes>,
    /// In the order of the plan's fetches, then in the order of the answer.
    pub errors: Vec<GraphqlError>,
    /// Written when it is not empty; for the server to add to.
    pub extensions: Map<String, Value>,
    /// Headers of subgraph answers that are passed back to the client (`set-cookie`).
    pub response_headers: HeaderMap,
    /// What each fetch did, by number of the fetch; empty unless asked for.
    pub fetches: Vec<FetchRecord>,
    /// The whole response, when there is nothing but data in it.
    pub(crate) plain: Bytes,
}

impl ExecutionResponse {
    /// The response as JSON. Errors come first, where people see them (GraphQL spec, "Response Format").
    pub fn to_bytes(&self) -> Bytes {
        if self.errors.is_empty() && self.extensions.is_empty() && !self.plain.is_empty() {
            return self.plain.clone();
        }
        let data_length = self.data.as_ref().map_or(0, Bytes::len);
        let mut out = Vec::with_capacity(data_length + 64);
        out.push(b'{');
        if !self.errors.is_empty() {
            write_entry(&mut out, "errors", &self.errors);
        }
        if let Some(data) = &self.data {
            separate(&mut out);
            out.extend_from_slice(b"\"data\":");
            out.extend_from_slice(data);
        }
        if !self.extensions.is_empty() {
            write_entry(&mut out, "extensions", &self.extensions);
        }
        out.push(b'}');
        out.into()
    }
}

/// One part of an answer that comes in parts (`@defer`; Incremental Delivery RFC).
#[derive(Debug, Clone)]
pub enum ResponsePart {
    /// The first: what is not deferred.
    First(ExecutionResponse, Announcement),
    /// One later part.
    Later(LaterPart, Announcement),
}

/// What a part says of those that follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announcement {
    /// Objects with fragments that will be delivered, and were not announced before.
    pub pending: Vec<PendingFragment>,
    /// Whether another part follows.
    pub has_next: bool,
}

/// A deferred fragment of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingFragment {
    /// Its number in this answer.
    pub id: u32,
    /// The client's name for the fragment.
    pub label: Option<String>,
    /// Where the object stands.
    pub path: Vec<ResponsePathSegment>,
}

/// What a later part brings.
#[derive(Debug, Clone, Default)]
pub struct LaterPart {
    /// The fragments that are complete now, with all that belongs to them.
    pub fragments: Vec<DeliveredFragment>,
    /// As in [`ExecutionResponse`].
    pub extensions: Map<String, Value>,
    /// What each fetch since the last part did.
    pub fetches: Vec<FetchRecord>,
}

/// A deferred fragment of one object, complete.
#[derive(Debug, Clone)]
pub struct DeliveredFragment {
    /// As it was announced.
    pub pending: PendingFragment,
    /// Its fields, and what it adds to objects below it that are in the answer already; `None` when a field failed that
    /// must not be null.
    pub data: Option<Vec<DeliveredObject>>,
    /// Errors of its fields.
    pub errors: Vec<GraphqlError>,
}

/// Fields of one object.
#[derive(Debug, Clone)]
pub struct DeliveredObject {
    /// From the fragment's object to this one.
    pub sub_path: Vec<ResponsePathSegment>,
    /// JSON object.
    pub data: Bytes,
}

fn write_entry(out: &mut Vec<u8>, name: &str, value: &impl Serialize) {
    separate(out);
    write!(out, "\"{name}\":").expect("a Vec takes all bytes");
    serde_json::to_writer(out, value).expect("plain data with string keys is JSON");
}

fn separate(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

/// How a subgraph was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// In another process.
    Http,
    /// In this process, with no socket between.
    InProcess,
}

/// What one fetch of the plan did, for people who ask why an answer took as long as it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FetchRecord {
    /// Number of the fetch in its plan.
    pub fetch: u32,
    /// The subgraph asked.
    pub subgraph: Arc<str>,
    /// How; absent when nothing was sent.
    pub transport: Option<Transport>,
    /// From the beginning of the execution to the sending, in microseconds.
    pub started_us: u64,
    /// From sending to the end of the answer, in microseconds; 0 when nothing was sent.
    pub duration_us: u64,
    /// Length of the request's body.
    pub request_bytes: usize,
    /// Length of the answer's body.
    pub response_bytes: usize,
    /// HTTP status of the answer, when there was one.
    pub http_status: Option<u16>,
    /// Objects of the answer that needed an entity.
    pub entities_wanted: usize,
    /// Entities asked for; fewer than wanted when several objects are the same entity, or one that an earlier fetch brought.
    pub entities_sent: usize,
    /// Whether there was nothing to ask.
    pub skipped: bool,
    /// Code of the error, when the fetch failed as a whole.
    pub error: Option<String>,
}
