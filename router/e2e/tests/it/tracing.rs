//! One trace from a client over the router to the services, as an OpenTelemetry collector in this process gets it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use e2e::deployment::{Deployment, Setup, Shape};
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

/// What a span of a service's server says of itself.
fn service_of(span: &Span) -> Option<String> {
    text(&span.attributes, "hansa.service")
}

fn is_of_client(span: &Span) -> bool {
    span.parent_span_id == CLIENT_SPAN.to_be_bytes()
}

/// The spans of the trace, once the router and `services` have each sent one of an answered request.
async fn spans_of(received: &Received, services: &[&str]) -> Result<Vec<(String, Span)>> {
    let begin = Instant::now();
    let trace_id = u128::from_str_radix(TRACE_ID, 16)?.to_be_bytes();
    loop {
        let spans = received.lock().expect("no panic").clone();
        let of_trace = |(_, span): &(String, Span)| span.trace_id == trace_id;
        let spans: Vec<_> = spans.into_iter().filter(of_trace).collect();
        let is_there = |service: &&str| {
            spans
                .iter()
                .any(|(_, span)| service_of(span).as_deref() == Some(service))
        };
        if services.iter().all(is_there) && spans.iter().any(|(_, span)| is_of_client(span)) {
            return Ok(spans);
        }
        ensure!(begin.elapsed() < PATIENCE, "only {spans:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Asks for products with their ratings; `router` is the name under which the router's spans are sent.
async fn check_trace(shape: Shape, router: &str) -> Result<()> {
    let (endpoint, received) = collector().await?;
    let shop = tokio::task::spawn_blocking(move || {
        let setup = Setup {
            collector: endpoint,
            ..Setup::default()
        };
        Deployment::start_with(shape, setup)
    })
    .await??;
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

    let spans = spans_of(&received, &["products", "reviews"]).await?;
    let from_client: Vec<_> = spans.iter().filter(|(_, span)| is_of_client(span)).collect();
    let [(service, server)] = &from_client[..] else {
        panic!("{spans:?}")
    };
    assert_eq!((service.as_str(), server.kind()), (router, SpanKind::Server));
    assert_eq!(server.name, "query");
    let attribute = |key| text(&server.attributes, key);
    assert_eq!(attribute("graphql.operation.name").as_deref(), Some("Shelf"));
    assert_eq!(attribute("http.response.status_code").as_deref(), Some("200"));

    // What leaves the process is a span of its own, between the request to the router and that to the service.
    let calls: Vec<_> = spans
        .iter()
        .filter(|(_, span)| span.kind() == SpanKind::Client)
        .map(|(_, span)| span)
        .collect();
    assert!(
        calls.iter().all(|call| call.parent_span_id == server.span_id),
        "{spans:?}"
    );
    assert_eq!(calls.is_empty(), shape == Shape::OneProcess, "{spans:?}");
    let is_parent = |id: &[u8]| match shape {
        Shape::OneProcess => id == server.span_id,
        Shape::SixProcesses => calls.iter().any(|call| call.span_id == id),
    };
    for (sender, span) in spans.iter().filter(|(_, span)| service_of(span).is_some()) {
        assert_eq!(span.kind(), SpanKind::Server);
        assert!(is_parent(&span.parent_span_id), "{sender}: {span:?}");
        let by_itself = service_of(span);
        assert_eq!(
            sender,
            if shape == Shape::OneProcess {
                "hansa"
            } else {
                by_itself.as_deref().unwrap_or_default()
            }
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_goes_from_the_client_over_the_router_to_the_services() -> Result<()> {
    check_trace(Shape::SixProcesses, "router").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_sends_the_spans_of_router_and_services() -> Result<()> {
    check_trace(Shape::OneProcess, "hansa").await
}
