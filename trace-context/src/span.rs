//! One timed step of a trace.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::context::TraceContext;
use crate::export;

/// Which side of a request a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request that is answered here.
    Server,
    /// A request that is made from here.
    Client,
}

/// A step that is being timed; it ends, and is exported, when it is dropped.
#[derive(Debug)]
pub struct Span {
    context: TraceContext,
    kind: Kind,
    name: Cow<'static, str>,
    begin: SystemTime,
    attributes: Vec<KeyValue>,
    status: Status,
}

impl Span {
    /// Begins the span of `context`; `None` when nobody records it.
    ///
    /// * `name`: one of few, such as the method; the particulars are attributes.
    #[must_use]
    pub fn begin(context: &TraceContext, kind: Kind, name: impl Into<Cow<'static, str>>) -> Option<Self> {
        let is_recorded = context.is_sampled() && export::installed().is_some();
        is_recorded.then(|| Self {
            context: context.clone(),
            kind,
            name: name.into(),
            begin: SystemTime::now(),
            attributes: Vec::with_capacity(8),
            status: Status::Unset,
        })
    }

    /// Its name so far.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Another name, once more is known.
    pub fn rename(&mut self, name: impl Into<Cow<'static, str>>) {
        self.name = name.into();
    }

    /// Adds an attribute, by its name in OpenTelemetry's semantic conventions.
    pub fn attribute(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(name, value));
    }

    /// The step failed; `reason` is `error.type` in the semantic conventions, one of few.
    pub fn fail(&mut self, reason: impl Into<Cow<'static, str>>) {
        let reason = reason.into();
        self.attribute("error.type", reason.to_string());
        self.status = Status::Error { description: reason };
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        let Some(installed) = export::installed() else { return };
        let TraceContext {
            trace_id,
            span_id,
            parent_id,
            parent_is_remote,
            flags,
            ..
        } = self.context;
        installed.end(SpanData {
            span_context: SpanContext::new(
                TraceId::from(trace_id),
                SpanId::from(span_id),
                TraceFlags::new(flags),
                false,
                TraceState::NONE,
            ),
            parent_span_id: SpanId::from(parent_id),
            parent_span_is_remote: parent_is_remote,
            span_kind: match self.kind {
                Kind::Server => SpanKind::Server,
                Kind::Client => SpanKind::Client,
            },
            name: std::mem::take(&mut self.name),
            start_time: self.begin,
            end_time: SystemTime::now(),
            attributes: std::mem::take(&mut self.attributes),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: std::mem::replace(&mut self.status, Status::Unset),
            instrumentation_scope: InstrumentationScope::builder("hansa").build(),
        });
    }
}
