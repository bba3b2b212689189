//! The span of a request that is made (OpenTelemetry semantic conventions, "HTTP client span").

use bytes::Bytes;
use http::{Request, Response};
use trace_context::{Kind, Span, TRACEPARENT, TraceContext};

use super::SendError;

/// A request that is being sent, timed to the beginning of its answer.
pub(super) struct Traced(Span);

impl Traced {
    /// The span, and the request with it as the parent; `None` when nobody records the request's trace.
    pub(super) fn begin(request: &Request<Bytes>, host: &str, port: u16) -> Option<(Self, Request<Bytes>)> {
        request.headers().get(TRACEPARENT)?;
        // What comes out of the headers is a span below the one that is written there.
        let mut context = TraceContext::from_headers(request.headers());
        context.make_local();
        let method = request.method().as_str().to_owned();
        let mut span = Span::begin(&context, Kind::Client, method.clone())?;
        span.attribute("http.request.method", method);
        span.attribute("url.path", request.uri().path().to_owned());
        span.attribute("server.address", host.to_owned());
        span.attribute("server.port", i64::from(port));
        let mut request = request.clone();
        context.write(request.headers_mut());
        Some((Self(span), request))
    }

    pub(super) fn end<B>(mut self, result: Result<Response<B>, SendError>) -> Result<Response<B>, SendError> {
        match &result {
            Ok(response) => {
                let status = response.status();
                self.0
                    .attribute("http.response.status_code", i64::from(status.as_u16()));
                if status.is_client_error() || status.is_server_error() {
                    self.0.fail(status.as_str().to_owned());
                }
            }
            Err(SendError::NotSent(_)) => self.0.fail("unreachable"),
            Err(SendError::Lost(_)) => self.0.fail("lost"),
        }
        result
    }
}
