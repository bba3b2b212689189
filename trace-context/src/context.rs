//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>): reads `traceparent` and `tracestate`, and passes them on with a
//! new span.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::export;

/// Name of the header that carries trace and parent.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Name of the header that carries what tracing vendors add.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The bit of the flags that says that somebody upstream records this trace.
const SAMPLED: u8 = 1;

/// Most values of `tracestate` that are passed on; the specification has at most 32 members in all.
const STATES_MAX: usize = 32;

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// The trace that a request belongs to, and the span of this process within it. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    /// Zero when the trace begins here.
    pub(crate) parent_id: u64,
    /// Whether the parent is in another process.
    pub(crate) parent_is_remote: bool,
    pub(crate) flags: u8,
    state: Arc<[HeaderValue]>,
}

impl TraceContext {
    /// Continues the trace of a request, or begins one when its `traceparent` is missing or malformed.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let parent = headers.get(TRACEPARENT).and_then(|value| parse(value.to_str().ok()?));
        match parent {
            Some(parent) => Self {
                trace_id: parent.trace_id,
                span_id: random_id(),
                parent_id: parent.span_id,
                parent_is_remote: true,
                flags: parent.flags,
                state: headers.get_all(TRACESTATE).iter().take(STATES_MAX).cloned().collect(),
            },
            None => Self {
                trace_id: u128::from(random_id()) << 64 | u128::from(random_id()),
                span_id: random_id(),
                parent_id: 0,
                parent_is_remote: false,
                flags: if export::begins_sampled() { SAMPLED } else { 0 },
                state: Arc::default(),
            },
        }
    }

    /// The trace of the request that the current task works on, if it works on one.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `work` as part of this trace.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        CURRENT.scope(self, work).await
    }

    /// The same trace with a new span below this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: random_id(),
            parent_id: self.span_id,
            parent_is_remote: false,
            ..self.clone()
        }
    }

    /// Says that the parent is in this process: for headers that were written here.
    pub fn make_local(&mut self) {
        self.parent_is_remote = false;
    }

    /// Whether spans of this trace are recorded.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED == SAMPLED
    }

    /// Writes the headers for requests that are made on behalf of this one.
    pub fn write(&self, headers: &mut HeaderMap) {
        let value = HeaderValue::try_from(self.to_string()).expect("hexadecimal digits and dashes are a header value");
        headers.insert(TRACEPARENT, value);
        headers.remove(TRACESTATE);
        for value in self.state.iter() {
            headers.append(TRACESTATE, value.clone());
        }
    }

    /// The trace id as logs and tracing tools write it: 32 lower-case hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// This process's span id, 16 lower-case hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span_id)
    }
}

/// The value of `traceparent` for whom is asked.
impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "00-{:032x}-{:016x}-{:02x}",
            self.trace_id, self.span_id, self.flags
        )
    }
}

/// Zero means "no id".
fn random_id() -> u64 {
    rand::random::<u64>().max(1)
}

struct Parent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

/// Version 00 has exactly four parts; later ones may add more, which are passed over.
fn parse(text: &str) -> Option<Parent> {
    let mut parts = text.split('-');
    let mut hex = |digits: usize| {
        parts
            .next()
            .filter(|part| part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let version = hex(2)?;
    let parent = Parent {
        trace_id: u128::from_str_radix(hex(32)?, 16).ok()?,
        span_id: u64::from_str_radix(hex(16)?, 16).ok()?,
        flags: u8::from_str_radix(hex(2)?, 16).ok()?,
    };
    let well_formed = version != "ff" && (version != "00" || parts.next().is_none());
    (well_formed && parent.trace_id != 0 && parent.span_id != 0).then_some(parent)
}
