//! One trace from a client over the router to the services, as an OpenTelemetry collector in this process gets it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use e2e::deployment::{Deployment, Shape};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as Any, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use serde_json::{Value, json};

const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT_SPAN: u64 = 0x00f0_67aa_0ba9_02b7;
const PATIENCE: Duration = Duration::from_secs(20);

/// Spans with the name of their service.
type Received = Arc<Mutex<Vec<(String, Span)>>>;

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.key == key)?;
    match &attribute.value {
        Some(Any {
            value: Some(AnyValue::StringValue(text)),
        }) => Some(text.clone()),
        Some(Any {
            value: Some(AnyValue::IntValue(number)),
        }) => Some(number.to_string()),
        _ => None,
    }
}

async fn collector() -> Result<(String, Received)> {
    let received = Received::default();
    let keep = Arc::clone(&received);
    let take = move |body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
        for spans in request.resource_spans {
            let resource = spans.resource.unwrap_or_default();
            let service = text(&resource.attributes, "service.name").expect("a service has a name");
            let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
            keep.lock()
                .expect("no panic")
                .extend(spans.map(|span| (service.clone(), span)));
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let app = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok((endpoint, received))
}

/// The spans of the trace, once each of `services` has sent one.
async fn spans_of(received: &Received, services: &[&str]) -> Result<Vec<(String, Span)>> {
    let begin = Instant::now();
    let trace_id = u128::from_str_radix(TRACE_ID, 16)?.to_be_bytes();
    loop {
        let spans = received.lock().expect("no panic").clone();
        let spans: Vec<_> = spans
            .into_iter()
            .filter(|(_, span)| span.trace_id == trace_id)
            .collect();
        if services
            .iter()
            .all(|service| spans.iter().any(|(name, _)| name == service))
        {
            return Ok(spans);
        }
        ensure!(begin.elapsed() < PATIENCE, "only {spans:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_from_the_client_over_the_router_to_the_services() -> Result<()> {
    let (endpoint, received) = collector().await?;
    let shop = tokio::task::spawn_blocking(move || Deployment::start_traced(Shape::SixProcesses, &endpoint)).await??;
    let query = "query Shelf { products(first: 2) { nodes { title rating { count } } } }";
    let answer = shop
        .http()
        .post(format!("{}/graphql", shop.url))
        .header("traceparent", format!("00-{TRACE_ID}-{CLIENT_SPAN:016x}-01"))
        .json(&json!({ "query": query }))
        .send()
        .await?;
    let answer: Value = answer.json().await?;
    assert!(answer["errors"].is_null(), "{answer}");

    let spans = spans_of(&received, &["router", "products", "reviews"]).await?;
    let of = |service: &str, kind: SpanKind| {
        let spans = spans
            .iter()
            .filter(move |(name, span)| name == service && span.kind() == kind);
        spans.map(|(_, span)| span.clone()).collect::<Vec<_>>()
    };
    let [server] = &of("router", SpanKind::Server)[..] else {
        panic!("{spans:?}")
    };
    assert_eq!(server.parent_span_id, CLIENT_SPAN.to_be_bytes());
    assert_eq!(server.name, "query");
    assert_eq!(
        text(&server.attributes, "graphql.operation.name").as_deref(),
        Some("Shelf")
    );
    assert_eq!(
        text(&server.attributes, "http.response.status_code").as_deref(),
        Some("200")
    );

    let fetches = of("router", SpanKind::Client);
    let fetches: HashMap<_, _> = fetches.into_iter().map(|span| (span.span_id.clone(), span)).collect();
    assert!(
        fetches.len() >= 2 && fetches.values().all(|fetch| fetch.parent_span_id == server.span_id),
        "{spans:?}"
    );
    for service in ["products", "reviews"] {
        let answered = of(service, SpanKind::Server);
        assert!(!answered.is_empty(), "{service}: {spans:?}");
        for span in answered {
            assert!(
                fetches.contains_key(&span.parent_span_id),
                "{service}: {span:?} in {fetches:?}"
            );
        }
    }
    Ok(())
}
