//! Answers in parts over HTTP: `multipart/mixed`, one JSON object a part, in either of the two forms that clients read.
//!
//! * `deferSpec=20220824` (Apollo Client 3, urql, Relay): a later part says to which place its data belongs.
//! * `incrementalSpec=v0.2` (Apollo Client 4, GraphQL.js 17): parts are announced under a number, delivered in pieces, and
//!   declared complete.
//!
//! Nothing is sent twice: what an earlier part holds, later ones do not repeat, in either form. Does not say what a part
//! holds; that is the executor's work.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use executor::{
    Announcement, DeliveredFragment, ExecutionResponse, FetchRecord, LaterPart, PendingFragment, ResponsePart,
    ResponsePathSegment,
};
use futures::stream::{self, StreamExt};
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::DropGuard;

use crate::graph::PreparedOperation;
use crate::pipeline::explain;

/// How parts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IncrementalFormat {
    /// `deferSpec=20220824`.
    DeferSpec20220824,
    /// `incrementalSpec=v0.2`.
    IncrementalSpecV02,
}

impl IncrementalFormat {
    /// The one that a parameter of `multipart/mixed` asks for.
    pub(crate) fn of_parameter(name: &str, value: &str) -> Option<Self> {
        let value = value.trim_matches('"');
        let is = |known: &str, version: &str| name.eq_ignore_ascii_case(known) && value.eq_ignore_ascii_case(version);
        match () {
            () if is("deferSpec", "20220824") => Some(Self::DeferSpec20220824),
            () if is("incrementalSpec", "v0.2") => Some(Self::IncrementalSpecV02),
            () => None,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::DeferSpec20220824 => "multipart/mixed; boundary=\"-\"; deferSpec=20220824",
            Self::IncrementalSpecV02 => "multipart/mixed; boundary=\"-\"; incrementalSpec=v0.2",
        })
    }
}

/// An answer of which the first part is there.
pub(crate) struct AnswerInParts {
    pub(crate) first: ExecutionResponse,
    pub(crate) announcement: Announcement,
    /// `None`: nothing.
    pub(crate) rest: Option<Rest>,
}

/// What is still to come.
pub(crate) struct Rest {
    pub(crate) parts: mpsc::UnboundedReceiver<ResponsePart>,
    /// Ends the execution when the client is gone.
    pub(crate) _stop: DropGuard,
    /// The operation, if the client wants to know what was done for it, and what was done so far.
    pub(crate) explained: Option<(Arc<PreparedOperation>, Vec<FetchRecord>)>,
}

impl AnswerInParts {
    /// An answer that has no other parts.
    pub(crate) fn whole(answer: ExecutionResponse) -> Self {
        Self {
            first: answer,
            announcement: Announcement::default(),
            rest: None,
        }
    }

    /// Tells in the last part what was done for all of them.
    pub(crate) fn explain(&mut self, prepared: Arc<PreparedOperation>) {
        let fetches = self.first.fetches.clone();
        match &mut self.rest {
            Some(rest) if self.announcement.has_next => rest.explained = Some((prepared, fetches)),
            _ => {
                let explained = explain(&prepared, &fetches);
                self.first.extensions.insert("explain".to_owned(), explained);
            }
        }
    }

    /// Writes each part when it is there.
    pub(crate) fn into_response(mut self, format: IncrementalFormat) -> Response {
        let headers = std::mem::take(&mut self.first.response_headers);
        let first = frame(
            &first(&self.first, &self.announcement, format),
            self.announcement.has_next,
            true,
        );
        let later = stream::unfold((self.rest, format), |(rest, format)| async move {
            let mut rest = rest?;
            let frame = rest.next(format).await?;
            Some((frame, (Some(rest), format)))
        });
        let body = stream::once(async { first })
            .chain(later)
            .map(Ok::<_, std::convert::Infallible>);
        let mut response = Body::from_stream(body).into_response();
        *response.headers_mut() = headers;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, format.content_type());
        response
    }
}

impl Rest {
    async fn next(&mut self, format: IncrementalFormat) -> Option<Bytes> {
        // There is one first part, and it has been received.
        let Some(ResponsePart::Later(mut part, announcement)) = self.parts.recv().await else {
            return None;
        };
        if let Some((prepared, fetches)) = &mut self.explained {
            fetches.append(&mut part.fetches);
            if !announcement.has_next {
                part.extensions.insert("explain".to_owned(), explain(prepared, fetches));
            }
        }
        Some(frame(&later(part, &announcement, format), announcement.has_next, false))
    }
}

/// A part with its headers, and the delimiter that tells that it is complete: a client need not wait for the next one to
/// see the end of this.
fn frame(json: &[u8], has_next: bool, is_first: bool) -> Bytes {
    const HEAD: &[u8] = b"\r\ncontent-type: application/json; charset=utf-8\r\n\r\n";
    let begin: &[u8] = if is_first { b"\r\n---" } else { b"" };
    let end: &[u8] = if has_next { b"\r\n---" } else { b"\r\n-----\r\n" };
    Bytes::from([begin, HEAD, json, end].concat())
}

/// `{"data":…,"hasNext":true}`, with what is announced.
fn first(answer: &ExecutionResponse, announcement: &Announcement, format: IncrementalFormat) -> Vec<u8> {
    let mut out = answer.to_bytes().to_vec();
    // An object with `data` in it.
    out.pop();
    if format == IncrementalFormat::IncrementalSpecV02 && announcement.has_next {
        let pending: Vec<Value> = announcement.pending.iter().map(pending_json).collect();
        out.extend_from_slice(b",\"pending\":");
        out.extend_from_slice(Value::from(pending).to_string().as_bytes());
    }
    let end = format!(",\"hasNext\":{}}}", announcement.has_next);
    out.extend_from_slice(end.as_bytes());
    out
}

fn later(part: LaterPart, announcement: &Announcement, format: IncrementalFormat) -> Vec<u8> {
    let mut object = Map::new();
    let write = match format {
        IncrementalFormat::DeferSpec20220824 => by_path,
        IncrementalFormat::IncrementalSpecV02 => by_id,
    };
    let pieces: Vec<String> = part.fragments.iter().flat_map(write).collect();
    if format == IncrementalFormat::IncrementalSpecV02 {
        let pending: Vec<Value> = announcement.pending.iter().map(pending_json).collect();
        if !pending.is_empty() {
            object.insert("pending".to_owned(), pending.into());
        }
        let completed: Vec<Value> = part.fragments.iter().map(completed_json).collect();
        object.insert("completed".to_owned(), completed.into());
    }
    if !part.extensions.is_empty() {
        object.insert("extensions".to_owned(), part.extensions.into());
    }
    object.insert("hasNext".to_owned(), announcement.has_next.into());
    let rest = Value::from(object).to_string();
    if pieces.is_empty() {
        return rest.into_bytes();
    }
    format!("{{\"incremental\":[{}],{}", pieces.join(","), &rest[1..]).into_bytes()
}

fn pending_json(pending: &PendingFragment) -> Value {
    let mut json = json!({ "id": pending.id.to_string(), "path": pending.path });
    if let Some(label) = &pending.label {
        json["label"] = label.as_str().into();
    }
    json
}

/// Errors are those of the whole fragment when it has no data; else they stand with the data.
fn completed_json(fragment: &DeliveredFragment) -> Value {
    let mut json = json!({ "id": fragment.pending.id.to_string() });
    if fragment.data.is_none() {
        json["errors"] = json!(fragment.errors);
    }
    json
}

/// `{"data":…,"path":…,"label":…}`
fn by_path(fragment: &DeliveredFragment) -> Vec<String> {
    let pending = &fragment.pending;
    let piece = |sub_path: &[ResponsePathSegment], data: &str, has_errors: bool| {
        let path = [pending.path.as_slice(), sub_path].concat();
        let mut json = json!({ "path": path });
        if let Some(label) = &pending.label {
            json["label"] = label.as_str().into();
        }
        if has_errors && !fragment.errors.is_empty() {
            json["errors"] = json!(fragment.errors);
        }
        with_data(data, &json)
    };
    match &fragment.data {
        None => vec![piece(&[], "null", true)],
        Some(objects) => {
            let objects = objects.iter().enumerate();
            objects
                .map(|(index, object)| piece(&object.sub_path, text(&object.data), index == 0))
                .collect()
        }
    }
}

/// `{"data":…,"id":…,"subPath":…}`
fn by_id(fragment: &DeliveredFragment) -> Vec<String> {
    let objects = fragment.data.iter().flatten();
    let has_errors = !fragment.errors.is_empty();
    // Nothing is said with an empty object, unless errors stand with it.
    let objects = objects
        .enumerate()
        .filter(|(index, object)| (*index == 0 && has_errors) || &*object.data != b"{}");
    objects
        .map(|(index, object)| {
            let mut json = json!({ "id": fragment.pending.id.to_string() });
            if !object.sub_path.is_empty() {
                json["subPath"] = json!(object.sub_path);
            }
            if index == 0 && has_errors {
                json["errors"] = json!(fragment.errors);
            }
            with_data(text(&object.data), &json)
        })
        .collect()
}

/// The object with `data` before its other entries: written already, so that no digit of it changes.
fn with_data(data: &str, rest: &Value) -> String {
    let rest = rest.to_string();
    format!("{{\"data\":{data},{}", &rest[1..])
}

fn text(json: &[u8]) -> &str {
    std::str::from_utf8(json).unwrap_or("null")
}
