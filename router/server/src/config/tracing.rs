//! `tracing`: where spans go.

use std::collections::{BTreeMap, HashMap};

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use trace_context::ExportOptions;

/// `tracing`: spans of requests, sent to an OpenTelemetry collector.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TracingConfig {
    /// Base address of the collector (OTLP over HTTP), such as `http://otel-collector:4318`. Empty, as by default: nothing is
    /// sent; the client's trace is continued all the same.
    pub endpoint: String,
    /// Headers that the collector asks for: a token, say.
    pub headers: BTreeMap<String, String>,
    /// Part of the traces that begin here and are sent, from 0 to 1. A client that sends `traceparent` decides by itself.
    pub sample_ratio: f64,
    /// Name of this router in traces.
    pub service_name: String,
}

impl Default for TracingConfig {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            headers: BTreeMap::new(),
            sample_ratio: 1.0,
            service_name: "router".into(),
        }
    }
}

impl Eq for TracingConfig {}

impl TracingConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err("`tracing.sample_ratio` is a part of all traces: a number from 0 to 1".into());
        }
        self.parsed_headers().map(drop)
    }

    fn parsed_headers(&self) -> Result<HashMap<HeaderName, HeaderValue>, String> {
        let parse = |(name, value): (&String, &String)| {
            // The value may be secret.
            let wrong = || format!("`tracing.headers.{name}`: not a header");
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            Ok((name.parse::<HeaderName>().map_err(|_| wrong())?, value))
        };
        self.headers.iter().map(parse).collect()
    }

    /// How to export; `None` when nothing is to be.
    pub(crate) fn options(&self) -> Option<ExportOptions> {
        (!self.endpoint.is_empty()).then(|| ExportOptions {
            endpoint: self.endpoint.clone(),
            headers: self.parsed_headers().unwrap_or_default(),
            sample_ratio: self.sample_ratio,
            service_name: self.service_name.clone(),
            service_version: env!("CARGO_PKG_VERSION"),
        })
    }
}
