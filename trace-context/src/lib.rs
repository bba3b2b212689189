//! Distributed tracing: the W3C trace context of a request, and the export of its spans by OTLP.
//!
//! Every request has a [`TraceContext`], which goes into its log lines and on to whom it asks. If [`install`] was called,
//! each [`Span`] of a sampled trace is sent to a collector. Knows neither the router nor the shop.

mod context;
mod export;
mod span;

pub use self::context::{TRACEPARENT, TRACESTATE, TraceContext};
pub use self::export::{ExportError, ExportOptions, Exporter, InvalidHeaders, install, parse_headers};
pub use self::span::{Kind, Span};
