//! Spans, as a collector in this process gets them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use http::{HeaderMap, HeaderValue, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode as SpanStatus;
use prost::Message;
use trace_context::{ExportError, ExportOptions, Kind, Span, TRACEPARENT, TraceContext, install, parse_headers};

type Received = Arc<Mutex<Vec<(HeaderMap, ExportTraceServiceRequest)>>>;

/// A collector on loopback, and what it got.
async fn collector() -> (String, Received) {
    let received = Received::default();
    let keep = Arc::clone(&received);
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        keep.lock().unwrap().push((headers, request));
        StatusCode::OK
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/", listener.local_addr().unwrap());
    let app = Router::new().route("/v1/traces", post(take));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (endpoint, received)
}

fn options(endpoint: &str) -> ExportOptions {
    ExportOptions {
        endpoint: endpoint.to_owned(),
        headers: parse_headers("authentication=secret, x-tenant = shop").unwrap(),
        sample_ratio: 1.0,
        service_name: "shop".to_owned(),
        service_version: "1.2.3",
    }
}

/// One test, because a process has one exporter.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_reach_the_collector_and_only_those_that_are_sampled() {
    for endpoint in ["collector:4318", "ftp://collector", ""] {
        let refused = install(options(endpoint));
        assert!(matches!(refused, Err(ExportError::Endpoint(_))), "{refused:?}");
    }
    let (endpoint, received) = collector().await;
    let exporter = install(options(&endpoint)).unwrap();
    assert!(matches!(install(options(&endpoint)), Err(ExportError::Installed)));

    let incoming = |flags: &str| {
        let traceparent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        TraceContext::from_headers(
            &[(TRACEPARENT, traceparent.parse::<HeaderValue>().unwrap())]
                .into_iter()
                .collect(),
        )
    };
    assert!(Span::begin(&incoming("00"), Kind::Server, "POST").is_none());
    let begun = TraceContext::from_headers(&HeaderMap::new());
    assert!(begun.is_sampled(), "all traces that begin here are");

    let context = incoming("01");
    let mut server = Span::begin(&context, Kind::Server, "POST").unwrap();
    server.rename("query");
    server.attribute("http.response.status_code", 200);
    let child = context.child();
    let mut client = Span::begin(&child, Kind::Client, "POST").unwrap();
    client.fail("timeout");
    drop(client);
    drop(server);
    exporter.shutdown().await;

    let received = received.lock().unwrap();
    let [(headers, request)] = &received[..] else {
        panic!("{received:?}")
    };
    assert_eq!([&headers["authentication"], &headers["x-tenant"]], ["secret", "shop"]);
    assert_eq!(headers["content-type"], "application/x-protobuf");
    let [resource] = &request.resource_spans[..] else {
        panic!("{request:?}")
    };
    let attributes = resource.resource.as_ref().unwrap().attributes.iter();
    let attributes = attributes.map(|attribute| (attribute.key.as_str(), format!("{:?}", attribute.value)));
    let attributes = attributes.collect::<HashMap<_, _>>();
    assert!(attributes["service.name"].contains("\"shop\"") && attributes["service.version"].contains("\"1.2.3\""));
    let spans = &resource.scope_spans[0].spans;
    let [client, server] = &spans[..] else {
        panic!("{spans:?}")
    };
    assert_eq!((server.name.as_str(), server.kind()), ("query", SpanKind::Server));
    assert_eq!((client.name.as_str(), client.kind()), ("POST", SpanKind::Client));
    assert_eq!(
        server.trace_id,
        0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes()
    );
    assert_eq!(server.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!(
        (&client.trace_id, &client.parent_span_id),
        (&server.trace_id, &server.span_id)
    );
    assert_eq!(client.status.as_ref().unwrap().code(), SpanStatus::Error);
    assert!(server.start_time_unix_nano <= client.start_time_unix_nano);
    assert!(client.end_time_unix_nano <= server.end_time_unix_nano);
}

#[test]
fn headers_are_read_as_the_specification_writes_them() {
    assert!(parse_headers("").unwrap().is_empty());
    for text in ["token", "a b=c", "a=\u{1}"] {
        assert!(parse_headers(text).is_err(), "{text:?}");
    }
}
