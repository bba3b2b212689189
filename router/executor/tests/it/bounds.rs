//! How much is under way at once, for how long, and what ends with the client.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use balanced_client::HttpClient;
use bytes::Bytes;
use executor::{
    EntityLimits, ExecutablePlan, ExecutionRequest, ExecutionResponse, Executor, ExecutorOptions, HttpSubgraph,
    InProcessSubgraph, SubgraphClient, SubgraphPolicy,
};
use federation::operation::Operation;
use federation::query_plan::PlanNode;
use futures::future::join_all;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use serde_json::Map;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::harness::{entities, operation, plan, root};

const SCHEMA: &str = "type Query { a: Int  things: [Thing] }  type Thing { id: ID!  size: Int }";

/// What the subgraph of a test does: it counts, it tells, it never answers.
#[derive(Clone, Default)]
struct Observer {
    under_way: Arc<AtomicUsize>,
    most_under_way: Arc<AtomicUsize>,
    headers: Arc<Mutex<Vec<HeaderMap>>>,
}

impl Observer {
    /// Answers after a few turns of the scheduler, in which others come in if they may.
    fn slow(&self) -> SubgraphClient {
        self.client(|observer| async move {
            let now = observer.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            observer.most_under_way.fetch_max(now, Ordering::SeqCst);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            observer.under_way.fetch_sub(1, Ordering::SeqCst);
        })
    }

    /// Never answers; `ended` is told when it is given up.
    fn hanging(&self, arrived: mpsc::UnboundedSender<()>, ended: mpsc::UnboundedSender<()>) -> SubgraphClient {
        struct Guard(mpsc::UnboundedSender<()>);
        impl Drop for Guard {
            fn drop(&mut self) {
                // The test may be over.
                let _ = self.0.send(());
            }
        }
        self.client(move |_| {
            let (arrived, guard) = (arrived.clone(), Guard(ended.clone()));
            async move {
                let _guard = guard;
                arrived.send(()).expect("the test listens");
                std::future::pending::<()>().await;
            }
        })
    }

    fn client<F>(&self, wait: impl Fn(Self) -> F + Clone + Send + Sync + 'static) -> SubgraphClient
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let observer = self.clone();
        let service = tower::service_fn(move |request: Request<Full<Bytes>>| {
            observer.headers.lock().unwrap().push(request.headers().clone());
            let wait = wait(observer.clone());
            async move {
                wait.await;
                let response = Response::builder().header("content-type", "application/json");
                let body = Full::new(Bytes::from_static(br#"{"data":{"a":1}}"#));
                Ok::<_, Infallible>(response.body(body).unwrap())
            }
        });
        SubgraphClient::InProcess(InProcessSubgraph::new(service, "/graphql".parse().unwrap()))
    }
}

fn executor(client: SubgraphClient, policy: SubgraphPolicy) -> Executor {
    let subgraphs = HashMap::from([(Arc::from("shop"), (client, policy))]);
    Executor::new(subgraphs, ExecutorOptions::default())
}

fn simple() -> (Operation, ExecutablePlan) {
    let operation = operation(SCHEMA, "{ a }");
    let plan = ExecutablePlan::from(plan(&operation, root(0, "shop", "{a}")));
    (operation, plan)
}

async fn execute(
    executor: &Executor,
    (operation, plan): &(Operation, ExecutablePlan),
    time: Duration,
) -> ExecutionResponse {
    let request = ExecutionRequest {
        variables: Map::new(),
        headers: Arc::new(HeaderMap::new()),
        deadline: Instant::now() + time,
        explain: false,
    };
    executor.execute(plan, operation.schema(), request).await
}

const LONG: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_subgraph_is_asked_so_many_things_at_once_and_no_more() {
    let observer = Observer::default();
    let policy = SubgraphPolicy {
        requests_in_flight_max: 3,
        ..SubgraphPolicy::default()
    };
    let (executor, simple) = (executor(observer.slow(), policy), simple());
    let responses = join_all((0..10).map(|_| execute(&executor, &simple, LONG))).await;
    assert!(responses.iter().all(|response| response.errors.is_empty()));
    assert_eq!(observer.most_under_way.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn one_operation_has_so_many_fetches_under_way_and_no_more() {
    let observer = Observer::default();
    let executor = executor(observer.slow(), SubgraphPolicy::default());
    let operation = operation(SCHEMA, "{ a }");
    let fetches = (0..100).map(|id| root(id, "shop", "{a}")).collect();
    let plan = ExecutablePlan::from(plan(&operation, PlanNode::Parallel(fetches)));
    let response = execute(&executor, &(operation, plan), LONG).await;
    assert!(response.errors.is_empty(), "{:?}", response.errors);
    assert_eq!(observer.most_under_way.load(Ordering::SeqCst), 64);
}

#[tokio::test]
async fn who_waits_too_long_for_a_busy_subgraph_is_told_so() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let (ended, _ends) = mpsc::unbounded_channel();
    let policy = SubgraphPolicy {
        requests_in_flight_max: 1,
        ..SubgraphPolicy::default()
    };
    let executor = Arc::new(executor(Observer::default().hanging(arrived, ended), policy));
    let first = tokio::spawn({
        let executor = Arc::clone(&executor);
        async move { execute(&executor, &simple(), LONG).await }
    });
    arrivals.recv().await.expect("the first is asked");
    let response = execute(&executor, &simple(), Duration::from_millis(50)).await;
    assert_eq!(
        serde_json::to_string(&response.errors).unwrap(),
        r#"[{"message":"subgraph `shop` was not asked: 1 requests to it are under way","path":["a"],"extensions":{"code":"GATEWAY_TIMEOUT","service":"shop"}}]"#
    );
    first.abort();
}

#[tokio::test]
async fn the_clients_deadline_is_passed_on_and_kept() {
    let (arrived, _arrivals) = mpsc::unbounded_channel();
    let (ended, mut ends) = mpsc::unbounded_channel();
    let observer = Observer::default();
    let executor = executor(observer.hanging(arrived, ended), SubgraphPolicy::default());
    let begun = Instant::now();
    let response = execute(&executor, &simple(), Duration::from_millis(100)).await;
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "the subgraph's own 5 s do not count"
    );
    assert_eq!(response.errors[0].extensions["code"], "GATEWAY_TIMEOUT");
    assert_eq!(ends.recv().await, Some(()), "the call ends with the answer");
    let headers = observer.headers.lock().unwrap();
    let passed_on: u64 = headers[0]["x-hansa-deadline-ms"].to_str().unwrap().parse().unwrap();
    assert!((1..=100).contains(&passed_on), "{passed_on}");
}

#[tokio::test]
async fn a_query_ends_with_its_client() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let (ended, mut ends) = mpsc::unbounded_channel();
    let executor = executor(Observer::default().hanging(arrived, ended), SubgraphPolicy::default());
    let client = tokio::spawn(async move { execute(&executor, &simple(), LONG).await });
    arrivals.recv().await.expect("the subgraph is asked");
    client.abort();
    assert_eq!(ends.recv().await, Some(()), "no task goes on");
}

#[tokio::test]
async fn a_query_over_a_socket_ends_with_its_client() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/graphql", listener.local_addr().unwrap());
    let client = SubgraphClient::Http(HttpSubgraph::new(&HttpClient::default(), &url).unwrap());
    let executor = executor(client, SubgraphPolicy::default());
    let client = tokio::spawn(async move { execute(&executor, &simple(), LONG).await });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut received = [0; 4096];
    assert!(stream.read(&mut received).await.unwrap() > 0, "the request arrives");
    client.abort();
    let after = async { while stream.read(&mut received).await.is_ok_and(|length| length > 0) {} };
    let closed = tokio::time::timeout(Duration::from_secs(5), after).await;
    assert!(closed.is_ok(), "the connection is closed");
}

#[test]
fn entities_are_bounded_per_fetch_and_in_all() {
    use crate::harness::{Canned, run_bounded};
    let operation = operation(SCHEMA, "{ things { size } }");
    let sizes = |id| entities(id, "sizes", "things.@", &[("Thing", &["id"])]);
    let thing = |id| format!(r#"{{"__typename":"Thing","id":"{id}"}}"#);
    let things = format!(r#"{{"data":{{"things":[{},{},{}]}}}}"#, thing(1), thing(2), thing(3));
    let answer = Canned::Json(r#"{"data":{"_entities":[{"size":1},{"size":2},{"size":3}]}}"#);
    for (per_fetch_max, per_request_max, expected) in [
        (3, 3, None),
        (
            2,
            3,
            Some("subgraph `sizes` would be asked for more than 2 entities at once"),
        ),
        (
            3,
            2,
            Some("subgraph `sizes` was not asked: one request may ask for 2 entities in all"),
        ),
    ] {
        let plan = plan(
            &operation,
            PlanNode::Sequence(vec![root(0, "things", "{things{__typename id}}"), sizes(1)]),
        );
        let canned = [("things", Canned::Text(things.clone())), ("sizes", answer.clone())];
        let limits = EntityLimits {
            per_fetch_max,
            per_request_max,
        };
        let response = run_bounded(&operation, &plan, &canned, limits).response;
        let messages: Vec<&str> = response.errors.iter().map(|error| error.message.as_str()).collect();
        assert_eq!(messages, Vec::from_iter(expected));
        assert!(
            response
                .errors
                .iter()
                .all(|error| error.extensions["code"] == "COST_ESTIMATED_TOO_EXPENSIVE")
        );
    }
}

/// A schema of 100 types, and an introspection that writes 300 names of each of their fields.
fn heavy_introspection() -> (Operation, ExecutablePlan) {
    let fields: String = (0..10).map(|number| format!(" f{number}: T{number}")).collect();
    let types = (0..100).map(|number| format!("type T{number} {{ {fields} }} "));
    let schema = format!("type Query {{ a: Int {fields} }} {}", types.collect::<String>());
    let names: String = (0..300).map(|number| format!(" a{number}: name")).collect();
    let document = format!("{{ __schema {{ types {{ fields {{ {names} }} }} }} }}");
    let operation = operation(&schema, &document);
    let mut plan = plan(&operation, root(0, "shop", "{a}"));
    plan.root = None;
    plan.introspection = Some(document);
    (operation, ExecutablePlan::from(plan))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_for_an_introspection_is_told_so() {
    let executor = Arc::new(executor(Observer::default().slow(), SubgraphPolicy::default()));
    let heavy = Arc::new(heavy_introspection());
    let first = tokio::spawn({
        let (executor, heavy) = (Arc::clone(&executor), Arc::clone(&heavy));
        async move { execute(&executor, &heavy, LONG).await }
    });
    // Long enough for the first to begin, and far less than it takes.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let response = execute(&executor, &heavy, Duration::from_millis(5)).await;
    assert_eq!(
        serde_json::to_string(&response.errors).unwrap(),
        r#"[{"message":"`__schema` and `__type` were not answered in time: other introspections were under way","extensions":{"code":"GATEWAY_TIMEOUT"}}]"#
    );
    let first = format!("{:?}", first.await.unwrap().errors);
    assert!(!first.contains("GATEWAY_TIMEOUT"), "{first}");
}
