//! The CORS layer, from its settings.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::config::{Origin, RouterConfig};

/// Pages of the configured origins may send GET and POST with the headers that mean something here, and read the answers.
///
/// `None` without origins: browsers then keep to this one by themselves.
pub(crate) fn layer(config: &RouterConfig) -> Option<CorsLayer> {
    let cors = &config.cors;
    if cors.origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(allowed_origins(&cors.origins))
        .allow_credentials(cors.credentials)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(allowed_headers(config))
        .max_age(Duration::from_secs(cors.max_age_s));
    Some(layer)
}

fn allowed_origins(origins: &[Origin]) -> AllowOrigin {
    let mut exact = Vec::new();
    for origin in origins {
        match origin {
            Origin::Any => return AllowOrigin::any(),
            Origin::Exact(text) => {
                exact.push(HeaderValue::from_str(text).expect("an ASCII origin is a header value"));
            }
        }
    }
    AllowOrigin::list(exact)
}

/// Allowed whatever is configured: what requests are made of, and the trace that pages may have begun (W3C Trace Context).
const ALWAYS_ALLOWED: [HeaderName; 5] = [
    header::ACCEPT,
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// A header that subgraphs are to receive is one that pages have to be allowed to send.
fn allowed_headers(config: &RouterConfig) -> Vec<HeaderName> {
    let configured = config.cors.headers.0.iter().chain(&config.headers.request.add.0);
    let mut names: Vec<HeaderName> = Vec::new();
    for name in ALWAYS_ALLOWED.iter().chain(configured) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
