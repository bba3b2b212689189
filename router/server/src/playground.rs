//! Serves GraphiQL: the page at `/` and what it loads below `/playground/`, all from the binary.
//!
//! The files come from `router/playground` through `build.rs`, compressed at build time and sent as they are. A build
//! without them (no npm, or `ROUTER_PLAYGROUND=off`) serves a plain page that can run an operation and says how to get
//! the full one. No page asks any other host for anything; the Content-Security-Policy holds browsers to that.
//!
//! Does not execute operations: the page sends them to [`PlaygroundConfig::endpoint`] like any client.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

/// One file of the bundle; its name holds a hash of its contents.
struct Asset {
    name: &'static str,
    brotli: &'static [u8],
    gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/playground_bundle.rs"));

const PLAIN_PAGE: &str = include_str!("playground/plain.html");
const PLAIN_SCRIPT: &str = include_str!("playground/plain.js");
const PLAIN_SCRIPT_NAME: &str = "plain.js";

/// What [`page`] replaces; both pages hold it once.
const CONFIG_ELEMENT: &str = r#"<script id="playground-config" type="application/json">{}</script>"#;

/// `'unsafe-inline'` is for style alone: the editor sets the position of each line so.
const SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
     connect-src 'self'; worker-src 'self'; font-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the page is told.
#[derive(Debug, Clone, Serialize)]
pub struct PlaygroundConfig {
    /// URL of the GraphQL endpoint on the same origin, absolute or relative to the page (`/graphql`).
    pub endpoint: String,
    /// Name of the graph, shown as the title (`Hansa`).
    pub title: String,
    /// JSON text of the request headers that every tab starts with (`{"authorization": "Bearer ..."}`). Whoever can
    /// open the page can read them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<String>,
    /// One tab each on a first visit, in this order.
    pub examples: Vec<ExampleOperation>,
}

impl Default for PlaygroundConfig {
    fn default() -> Self {
        Self {
            endpoint: "/graphql".to_owned(),
            title: "GraphiQL".to_owned(),
            headers: None,
            examples: Vec::new(),
        }
    }
}

/// One operation to start from.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ExampleOperation {
    /// Text of the document; the tab is named after its operation.
    pub query: String,
    /// JSON text of the variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<String>,
}

/// Whether this build holds GraphiQL, or only the plain page.
pub const fn is_bundled() -> bool {
    PAGE.is_some()
}

/// `GET /` for the page, and `GET /playground/<name>` for what it loads.
pub fn routes(config: &PlaygroundConfig) -> Router {
    let page: Arc<str> = page(PAGE.unwrap_or(PLAIN_PAGE), config).into();
    let etag: Arc<str> = etag_of(&page).into();
    Router::new()
        .route(
            "/",
            get(move |headers: HeaderMap| async move { serve_page(&page, &etag, &headers) }),
        )
        .route("/playground/{name}", get(serve_asset))
}

/// `template` with `config` written into it.
fn page(template: &str, config: &PlaygroundConfig) -> String {
    let json = serde_json::to_string(config).expect("strings are serialisable");
    // `<` would let an example end the element (`</script>`); it stands only inside JSON strings.
    let json = json.replace('<', r"\u003c");
    template.replacen(CONFIG_ELEMENT, &CONFIG_ELEMENT.replace("{}", &json), 1)
}

fn etag_of(text: &str) -> String {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn serve_page(page: &Arc<str>, etag: &str, request: &HeaderMap) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        // Asked for again each time, since a new release names new assets.
        (CACHE_CONTROL, "no-cache"),
        (ETAG, etag),
        (CONTENT_SECURITY_POLICY, SECURITY_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    if is_fresh(request, etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, page.to_string()).into_response()
}

async fn serve_asset(Path(name): Path<String>, request: HeaderMap) -> Response {
    if name == PLAIN_SCRIPT_NAME {
        let headers = [(CONTENT_TYPE, content_type_of(&name)), (CACHE_CONTROL, "no-cache")];
        return (headers, PLAIN_SCRIPT).into_response();
    }
    let Ok(index) = ASSETS.binary_search_by(|asset| asset.name.cmp(&name)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let asset = &ASSETS[index];
    let Some((coding, bytes)) = coding_of(asset, &request) else {
        // Every browser takes gzip; an uncompressed copy of 7 MB for nobody would not be worth its memory.
        return (
            StatusCode::NOT_ACCEPTABLE,
            [(VARY, "accept-encoding")],
            "Only br and gzip are served.\n",
        )
            .into_response();
    };
    let etag = format!("\"{name}.{coding}\"");
    let headers = [
        (CONTENT_TYPE, content_type_of(asset.name)),
        (CONTENT_ENCODING, coding),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (VARY, "accept-encoding"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (ETAG, &etag),
    ];
    if is_fresh(&request, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, bytes).into_response()
}

/// Brotli when it is named, else gzip; without `accept-encoding` any coding may be sent (RFC 9110, section 12.5.3).
fn coding_of(asset: &Asset, request: &HeaderMap) -> Option<(&'static str, &'static [u8])> {
    let Some(accepted) = request.get(ACCEPT_ENCODING) else {
        return Some(("gzip", asset.gzip));
    };
    let accepted = accepted.to_str().unwrap_or_default();
    if accepts(accepted, "br") {
        Some(("br", asset.brotli))
    } else if accepts(accepted, "gzip") || accepts(accepted, "*") {
        Some(("gzip", asset.gzip))
    } else {
        None
    }
}

/// Whether `coding` is in the list `accepted` with a weight above zero.
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        is_named && weight.is_none_or(|weight| weight > 0.0)
    })
}

fn is_fresh(request: &HeaderMap, etag: &str) -> bool {
    let known = request
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    known
        .split(',')
        .any(|item| item.trim().trim_start_matches("W/") == etag)
}

fn content_type_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("ttf") => "font/ttf",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{HeaderName, Request};
    use tower::ServiceExt;

    use super::*;

    async fn get(path: &str, headers: &[(HeaderName, &str)]) -> (StatusCode, HeaderMap, String) {
        let config = PlaygroundConfig {
            examples: vec![ExampleOperation {
                query: "{ a } # </script>".to_owned(),
                ..ExampleOperation::default()
            }],
            ..PlaygroundConfig::default()
        };
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let response = routes(&config)
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        (
            parts.status,
            parts.headers,
            String::from_utf8_lossy(&bytes).into_owned(),
        )
    }

    #[test]
    fn both_pages_hold_the_config_element_once() {
        for template in [Some(PLAIN_PAGE), PAGE].into_iter().flatten() {
            assert_eq!(template.matches(CONFIG_ELEMENT).count(), 1);
        }
    }

    #[tokio::test]
    async fn the_page_carries_its_config_and_cannot_be_broken_out_of() {
        let (status, headers, body) = get("/", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[CACHE_CONTROL], "no-cache");
        assert!(
            headers[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .contains("default-src 'none'")
        );
        assert!(body.contains(r#""query":"{ a } # \u003c/script>""#), "{body}");
        let (status, _, body) = get("/", &[(IF_NONE_MATCH, headers[ETAG].to_str().unwrap())]).await;
        assert_eq!((status, body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    }

    #[tokio::test]
    async fn assets_are_served_in_the_best_coding_and_kept_for_good() {
        for asset in ASSETS {
            let path = format!("/playground/{}", asset.name);
            for (accepted, expected) in [
                ("gzip, deflate, br, zstd", Some("br")),
                ("gzip;q=0.5, br;q=0", Some("gzip")),
                ("*", Some("gzip")),
                ("identity", None),
            ] {
                let (status, headers, _) = get(&path, &[(ACCEPT_ENCODING, accepted)]).await;
                let coding = headers.get(CONTENT_ENCODING).map(|value| value.to_str().unwrap());
                assert_eq!(coding, expected, "{path} for {accepted}");
                assert_eq!(status == StatusCode::NOT_ACCEPTABLE, expected.is_none());
            }
            let (_, headers, _) = get(&path, &[]).await;
            assert_eq!(headers[CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert_ne!(headers[CONTENT_TYPE], "application/octet-stream", "{path}");
        }
    }

    #[tokio::test]
    async fn an_unknown_asset_is_not_found() {
        assert_eq!(get("/playground/none.js", &[]).await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn the_plain_script_is_always_there() {
        let (status, headers, body) = get("/playground/plain.js", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert_eq!(body, PLAIN_SCRIPT);
    }
}
