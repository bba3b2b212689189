//! W3C Trace Context: one trace id from the client over the router to every subgraph.
//!
//! Continues the client's trace, or begins one. Does not export spans.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Name of the header that carries trace id and parent.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Name of the header that carries what tracing vendors add.
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The trace that a request belongs to, seen from the router.
#[derive(Debug, Clone)]
pub(crate) struct TraceContext {
    trace_id: u128,
    /// The router's own span; the parent of what subgraphs do.
    span_id: u64,
    flags: u8,
    state: Vec<HeaderValue>,
}

impl TraceContext {
    /// Continues the trace in `headers`; a missing or malformed `traceparent` begins a new one.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        // Zero means "no id" in both fields.
        let span_id = rand::random::<u64>().max(1);
        let parent = headers
            .get(TRACEPARENT)
            .and_then(|value| value.to_str().ok())
            .and_then(parse_traceparent);
        match parent {
            Some((trace_id, flags)) => Self {
                trace_id,
                span_id,
                flags,
                state: headers.get_all(TRACESTATE).iter().cloned().collect(),
            },
            // Flags 0: nobody upstream has decided to record this trace.
            None => Self {
                trace_id: rand::random::<u128>().max(1),
                span_id,
                flags: 0,
                state: Vec::new(),
            },
        }
    }

    /// Writes the headers for requests made on behalf of this one.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let text = format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, self.flags);
        let value = HeaderValue::from_str(&text).expect("hexadecimal digits and dashes are a header value");
        headers.insert(TRACEPARENT, value);
        for value in &self.state {
            headers.append(TRACESTATE, value.clone());
        }
    }
}

/// The trace id, as logs and tracing tools write it.
impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.trace_id)
    }
}

/// Trace id and flags of a `traceparent`; later versions may have more parts, which are passed over.
fn parse_traceparent(text: &str) -> Option<(u128, u8)> {
    let mut parts = text.split('-');
    let mut hex = |digits: usize| {
        parts
            .next()
            .filter(|part| part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let version = hex(2)?;
    let trace_id = u128::from_str_radix(hex(32)?, 16).ok()?;
    let parent_id = u64::from_str_radix(hex(16)?, 16).ok()?;
    let flags = u8::from_str_radix(hex(2)?, 16).ok()?;
    let well_formed = version != "ff" && (version != "00" || parts.next().is_none());
    (well_formed && trace_id != 0 && parent_id != 0).then_some((trace_id, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_is_continued_when_it_is_well_formed() {
        let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (traceparent, continued) in [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("nonsense", false),
        ] {
            let headers = HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_static(traceparent))]);
            let trace = TraceContext::of(&headers);
            assert_eq!(trace.to_string() == trace_id, continued, "{traceparent}");
            let mut sent = HeaderMap::new();
            trace.write(&mut sent);
            let sent = sent[TRACEPARENT].to_str().expect("text");
            assert_eq!(sent.starts_with(&format!("00-{trace_id}-")), continued, "{sent}");
            assert!(
                !sent.contains("00f067aa0ba902b7"),
                "the router is the parent of its fetches: {sent}"
            );
        }
    }
}
