//! The admin port: `/livez` and `/readyz` for probes, `/metrics` for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;

use crate::state::RouterState;

/// What `/readyz` says:
///
/// ```json
/// {"status":"ready","supergraph":{"hash":"4bf92f3577b34da6"},"last_reload":{"outcome":"ok"}}
/// ```
#[derive(Serialize)]
struct Readiness<'a> {
    /// `ready`, or `draining` (with HTTP status 503).
    status: &'static str,
    supergraph: ServedSupergraph,
    last_reload: LastReload<'a>,
}

#[derive(Serialize)]
struct ServedSupergraph {
    hash: String,
}

/// A supergraph that cannot be served does not make the router unready: the one before it still answers, and taking all
/// replicas out would turn a typing error into an outage.
#[derive(Serialize)]
struct LastReload<'a> {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub(crate) fn routes(state: Arc<RouterState>, metrics: Option<PrometheusHandle>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(|State(state): State<Arc<RouterState>>| async move { render(&state, metrics.as_ref()) }),
        )
        .with_state(state)
}

async fn readyz(State(state): State<Arc<RouterState>>) -> Response {
    let error = state.last_reload_error();
    let draining = state.is_draining();
    let readiness = Readiness {
        status: if draining { "draining" } else { "ready" },
        supergraph: ServedSupergraph {
            hash: state.graph().hash.to_string(),
        },
        last_reload: LastReload {
            outcome: if error.is_some() { "failed" } else { "ok" },
            error: error.as_deref(),
        },
    };
    let status = if draining {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(readiness)).into_response()
}

fn render(state: &RouterState, metrics: Option<&PrometheusHandle>) -> Response {
    state.graph().measure();
    let text = metrics.map_or_else(String::new, |handle| {
        // Histograms gather samples until somebody drains them; a scrape is the moment to.
        handle.run_upkeep();
        handle.render()
    });
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}
