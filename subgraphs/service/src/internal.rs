//! The internal listener's door: lets only requests through that another service signed.

use crate::auth::{InternalKey, SIGNATURE_HEADER, SignedRequest, TIME_HEADER};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

/// Largest internal request body.
const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

/// `router`, for requests signed with `key`. Others get 401 and no hint why; the log has it.
pub fn verified(router: Router, key: InternalKey) -> Router {
    router.layer(from_fn_with_state(key, verify))
}

async fn verify(State(key): State<InternalKey>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        // It ended early. If it was late, `body_deadline` says so.
        Err(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let time = text(&parts.headers, &TIME_HEADER).and_then(|time| time.parse().ok());
    let signed = time
        .zip(text(&parts.headers, &SIGNATURE_HEADER))
        .map(|(time, signature)| SignedRequest {
            method: &parts.method,
            path_and_query,
            time,
            body: &body,
            signature,
        });
    if !signed.is_some_and(|signed| key.verify(&signed, chrono::Utc::now().timestamp())) {
        let signed = signed.is_some();
        tracing::warn!(
            http.path = parts.uri.path(),
            signed,
            "Refused an internal request: bad signature or time"
        );
        return (
            StatusCode::UNAUTHORIZED,
            "this request is not signed by a service of this shop\n",
        )
            .into_response();
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::post;
    use bytes::Bytes;
    use futures::stream;
    use std::io;
    use tower::ServiceExt as _;

    #[tokio::test]
    async fn a_body_that_breaks_off_is_none_that_is_too_large() {
        let router = verified(Router::new().route("/", post(|| async {})), InternalKey::generate());
        let large = Bytes::from(vec![b' '; BODY_BYTES_MAX + 1]);
        let broken = [
            Ok(Bytes::from("{")),
            Err(io::Error::from(io::ErrorKind::ConnectionReset)),
        ];
        for (body, expected) in [
            (Body::from(large), StatusCode::PAYLOAD_TOO_LARGE),
            (Body::from_stream(stream::iter(broken)), StatusCode::BAD_REQUEST),
            (Body::from("{}"), StatusCode::UNAUTHORIZED),
        ] {
            let response = router.clone().oneshot(Request::post("/").body(body).unwrap()).await;
            assert_eq!(response.unwrap().status(), expected);
        }
    }
}
