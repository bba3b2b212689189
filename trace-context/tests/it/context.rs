//! `traceparent` and `tracestate`, in and out.

use http::{HeaderMap, HeaderValue};
use trace_context::{TRACEPARENT, TRACESTATE, TraceContext};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn headers(traceparent: &str) -> HeaderMap {
    HeaderMap::from_iter([(TRACEPARENT, HeaderValue::from_str(traceparent).unwrap())])
}

#[test]
fn a_trace_is_continued_when_it_is_well_formed() {
    for (traceparent, continued) in [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
        ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", true),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", false),
        ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
        ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
        ("nonsense", false),
    ] {
        let context = TraceContext::from_headers(&headers(traceparent));
        assert_eq!(context.trace_id() == TRACE, continued, "{traceparent}");
        let mut sent = HeaderMap::new();
        context.write(&mut sent);
        let sent = sent[TRACEPARENT].to_str().unwrap();
        assert_eq!(sent.starts_with(&format!("00-{TRACE}-")), continued, "{sent}");
        assert!(
            !sent.contains("00f067aa0ba902b7"),
            "the caller is not the parent of what is asked: {sent}"
        );
        assert!(
            !continued || sent[53..] == traceparent[53..55],
            "the decision to sample is kept: {sent}"
        );
    }
}

#[test]
fn what_vendors_add_goes_on_untouched() {
    let mut incoming = headers("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    incoming.append(TRACESTATE, HeaderValue::from_static("congo=t61rcWkgMzE"));
    incoming.append(TRACESTATE, HeaderValue::from_static("rojo=00f067aa0ba902b7"));
    let mut sent = HeaderMap::new();
    TraceContext::from_headers(&incoming).child().write(&mut sent);
    assert_eq!(
        sent.get_all(TRACESTATE).iter().collect::<Vec<_>>(),
        incoming.get_all(TRACESTATE).iter().collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn the_work_on_a_request_knows_its_trace() {
    assert_eq!(TraceContext::current(), None);
    let context = TraceContext::from_headers(&HeaderMap::new());
    let seen = context.clone().scope(async { TraceContext::current() }).await;
    assert_eq!(seen, Some(context));
}
