//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>): reads `traceparent`, and passes it on with a new span.
//!
//! Every log line of a request carries its trace id. Spans are not exported from here.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;

/// The header that carries the trace.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The trace that a request belongs to, and the span of this service within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    span_id: u64,
    sampled: bool,
}

impl TraceContext {
    /// Continues the trace of the request, or starts one when the header is missing or malformed.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> TraceContext {
        let parent = headers
            .get(TRACEPARENT)
            .and_then(|value| TraceContext::parse(value.to_str().ok()?));
        match parent {
            Some(parent) => parent.child(),
            None => TraceContext {
                trace_id: nonzero(rand::random),
                span_id: nonzero(rand::random),
                sampled: true,
            },
        }
    }

    /// The trace of the request that the current task works on, if it works on one.
    #[must_use]
    pub fn current() -> Option<TraceContext> {
        CURRENT.try_with(|context| *context).ok()
    }

    /// Runs `work` as part of this trace; peers that it calls continue it.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The same trace with a new span.
    #[must_use]
    pub fn child(self) -> TraceContext {
        TraceContext {
            span_id: nonzero(rand::random),
            ..self
        }
    }

    /// The trace id, 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// This service's span id, 16 lower-case hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span_id)
    }

    /// The header's value for a call to a peer.
    #[must_use]
    pub fn header_value(&self) -> HeaderValue {
        HeaderValue::try_from(self.to_string()).expect("hexadecimal digits and dashes")
    }

    fn parse(text: &str) -> Option<TraceContext> {
        let mut parts = text.split('-');
        let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let shape = [(version, 2), (trace_id, 32), (span_id, 16), (flags, 2)];
        let lower_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if shape
            .iter()
            .any(|(part, length)| part.len() != *length || !lower_hex(part))
            || version == "ff"
        {
            return None;
        }
        // Version 00 has exactly four parts; later ones may add more.
        if version == "00" && parts.next().is_some() {
            return None;
        }
        let trace_id = u128::from_str_radix(trace_id, 16).ok().filter(|id| *id != 0)?;
        let span_id = u64::from_str_radix(span_id, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(TraceContext {
            trace_id,
            span_id,
            sampled: flags & 1 == 1,
        })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id,
            self.span_id,
            u8::from(self.sampled)
        )
    }
}

/// Zero is not a valid id in a trace.
fn nonzero<T: Default + PartialEq>(random: impl Fn() -> T) -> T {
    loop {
        let value = random();
        if value != T::default() {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparent_is_read_as_the_specification_says() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (text, expected) in [
            (format!("00-{trace}-00f067aa0ba902b7-01"), true),
            (format!("00-{trace}-00f067aa0ba902b7-00"), true),
            (format!("01-{trace}-00f067aa0ba902b7-01-more"), true),
            (format!("00-{trace}-00f067aa0ba902b7-01-more"), false),
            (format!("ff-{trace}-00f067aa0ba902b7-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{trace}-0000000000000000-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()), false),
            (String::new(), false),
        ] {
            assert_eq!(TraceContext::parse(&text).is_some(), expected, "{text}");
        }
    }

    #[test]
    fn a_trace_goes_on_with_a_new_span() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(text))]);
        let context = TraceContext::from_headers(&headers);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_ne!(context.span_id(), "00f067aa0ba902b7");
        assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
    }
}
