//! The router with somebody else's subgraphs, as a stranger would try it: compose, serve, query from a web page, pass a
//! header on, meet a slow subgraph, edit a schema, break it, mend it, end.
//!
//! With real processes and sockets. Runs over the suite in `fixtures/catalogue`, and over one of the conformance data when
//! that is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use e2e::fixture_subgraphs::{FixtureSubgraphs, ReceivedRequest, conformance_dir};
use e2e::processes::{Process, binary};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// What a page of another origin is.
const ORIGIN: &str = "https://studio.example";
/// A change is noticed after 100 ms; this is for busy machines.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with everything a stranger writes, and the subgraphs it speaks of.
struct Project {
    folder: TempDir,
    suite: PathBuf,
    subgraphs: FixtureSubgraphs,
}

impl Project {
    /// Serves the subgraphs of `suite`, and writes their SDL, `supergraph.yaml` and `router.yaml`.
    async fn new(suite: &Path) -> Self {
        let subgraphs = FixtureSubgraphs::load(suite).expect("the suite is complete");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(axum::serve(listener, subgraphs.router()).into_future());

        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut yaml = String::from("subgraphs:\n");
        for (index, subgraph) in subgraphs.subgraphs().iter().enumerate() {
            let url = format!("http://{address}{}", subgraph.path());
            // The first is asked for its SDL, the others have a file, so that both ways are travelled.
            let schema = if index == 0 {
                format!("{{ subgraph_url: {url} }}")
            } else {
                fs::write(folder.path().join(format!("{}.graphql", subgraph.name)), &subgraph.sdl).expect("a file");
                format!("{{ file: {}.graphql }}", subgraph.name)
            };
            yaml.push_str(&format!(
                "  {}: {{ routing_url: \"{url}\", schema: {schema} }}\n",
                subgraph.name
            ));
        }
        let project = Self {
            folder,
            suite: suite.to_owned(),
            subgraphs,
        };
        project.write("supergraph.yaml", &yaml);
        project.write("router.yaml", ROUTER_YAML);
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// At once, as deployments do: nobody reads half of it.
    fn write(&self, name: &str, text: &str) {
        let new = self.path(&format!("{name}.new"));
        fs::write(&new, text).expect("the folder can be written");
        fs::rename(new, self.path(name)).expect("it can be renamed");
    }

    /// The queries of the suite, with what they must give.
    fn tests(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.suite.join("tests.json")).expect("the suite has tests");
        serde_json::from_str(&text).expect("in JSON")
    }

    /// What the subgraphs were asked for clients: the first is asked for its SDL all the time, too.
    fn operations(&self) -> Vec<ReceivedRequest> {
        let mut requests = self.subgraphs.requests();
        requests.retain(|request| !request.query.contains("_service"));
        requests
    }

    /// Name of the subgraph that is made slow and whose schema is edited.
    fn last_subgraph(&self) -> &str {
        &self.subgraphs.subgraphs().last().expect("a suite has subgraphs").name
    }

    fn router(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary("router").expect("it builds"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .output()
            .expect("it runs")
    }
}

const ROUTER_YAML: &str = "
supergraph:
  subgraphs: supergraph.yaml
  poll_interval_ms: 100
cors:
  origins: [https://studio.example]
headers:
  request:
    add: [x-tenant]
traffic:
  query_timeout_ms: 1000
";

/// `router serve` in the project's folder.
struct Serving {
    process: Process,
    graphql: String,
    admin: String,
    client: reqwest::Client,
}

impl Serving {
    fn start(project: &Project) -> Self {
        let mut command = Command::new(binary("router").expect("it builds"));
        command
            .current_dir(project.folder.path())
            .args(["serve", "--config", "router.yaml", "--watch"]);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        let mut process = Process::start("router", &mut command).expect("it starts");
        process.wait_for_output("Serving GraphQL at ").expect("it serves");
        let output = process.output();
        let between = |before: &str, after: char| {
            let (_, rest) = output.split_once(before).expect("the line names its addresses");
            rest.split(after).next().expect("a split has a first part").to_owned()
        };
        let graphql = between("Serving GraphQL at ", ',');
        let admin = between("probes and metrics at ", '"');
        // The client wants a TLS provider even for plain HTTP; a second test finds it installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            process,
            graphql,
            admin,
            client: reqwest::Client::new(),
        }
    }

    async fn query(&self, query: &str, variables: &Value) -> Value {
        let request = self
            .client
            .post(&self.graphql)
            .json(&json!({"query": query, "variables": variables}));
        request.send().await.expect("an answer").json().await.expect("in JSON")
    }

    async fn readiness(&self) -> Value {
        let response = self
            .client
            .get(format!("{}/readyz", self.admin))
            .send()
            .await
            .expect("an answer");
        response.json().await.expect("in JSON")
    }

    /// Whether clients see this field of `Query`.
    async fn has_query_field(&self, name: &str) -> bool {
        let answer = self
            .query("{ __type(name: \"Query\") { fields { name } } }", &json!({}))
            .await;
        let fields = answer["data"]["__type"]["fields"].as_array().expect("fields").clone();
        fields.iter().any(|field| field["name"] == name)
    }

    /// Waits until `last_reload.outcome` is this, and gives the readiness.
    async fn reload_outcome(&self, expected: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let readiness = self.readiness().await;
            if readiness["last_reload"]["outcome"] == expected {
                return readiness;
            }
            assert!(Instant::now() < deadline, "{readiness}\n{}", self.process.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn wait_for_query_field(&self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.has_query_field(name).await {
            assert!(Instant::now() < deadline, "{}", self.process.output());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_subgraphs_are_served() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/catalogue");
    let foreign = conformance_dir().map(|folder| folder.join("audit/simple-entity-call"));
    for suite in [Some(own), foreign].into_iter().flatten() {
        let project = Project::new(&suite).await;
        it_composes(&project);
        it_plans(&project);
        let mut serving = Serving::start(&project);
        every_query_of_the_suite_is_answered(&project, &serving).await;
        a_page_of_another_origin_may_ask(&project, &serving).await;
        the_tenant_is_passed_on(&project, &serving).await;
        a_slow_subgraph_costs_only_its_part(&project, &serving).await;
        a_schema_change_is_taken_up_and_a_broken_one_is_not(&project, &mut serving).await;
        metrics_tell_what_happened(&serving).await;
        it_ends_when_what_is_under_way_is_answered(&project, &mut serving).await;
    }
}

fn it_composes(project: &Project) {
    let output = project.router(&[
        "compose",
        "--config",
        "supergraph.yaml",
        "--output",
        "supergraph.graphql",
    ]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let supergraph = fs::read_to_string(project.path("supergraph.graphql")).expect("it was written");
    assert!(supergraph.contains("https://specs.apollo.dev/join/v0."), "{supergraph}");

    let output = project.router(&["compose", "--config", "supergraph.yaml", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(report["supergraph"], supergraph);
    assert_eq!(report["errors"], json!([]));
    assert!(
        report["api_schema"]
            .as_str()
            .is_some_and(|sdl| sdl.contains("type Query")),
        "{report}"
    );
    assert!(report["hints"].is_array(), "{report}");
}

fn it_plans(project: &Project) {
    for test in project.tests() {
        project.write("operation.graphql", test["query"].as_str().expect("a query"));
        let arguments = [
            "plan",
            "--supergraph",
            "supergraph.graphql",
            "--operation",
            "operation.graphql",
        ];
        let text = project.router(&arguments);
        assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
        assert!(
            String::from_utf8_lossy(&text.stdout).starts_with("QueryPlan"),
            "{text:?}"
        );
        let output = project.router(&[&arguments[..], &["--format", "json", "--repeat", "5"]].concat());
        let report: Value = serde_json::from_slice(&output.stdout).expect("a report");
        assert_eq!(report["fetches"], test["fewest_fetches"], "{report:#}");
        assert!(
            report["stages"].is_u64() && report["plan_ms"].as_f64().is_some_and(|ms| ms > 0.0),
            "{report:#}"
        );
    }
}

async fn every_query_of_the_suite_is_answered(project: &Project, serving: &Serving) {
    for test in project.tests() {
        let answer = serving
            .query(test["query"].as_str().expect("a query"), &test["variables"])
            .await;
        assert_eq!(
            answer["data"],
            test["expected"]["data"],
            "{answer}\n{}",
            serving.process.output()
        );
    }
    assert_eq!(project.subgraphs.violations(), Vec::<String>::new());
}

/// As a browser does it: first it asks whether it may, then it asks the query, and looks whether it may read the answer.
async fn a_page_of_another_origin_may_ask(project: &Project, serving: &Serving) {
    let preflight = |origin: &'static str| {
        let request = serving
            .client
            .request(reqwest::Method::OPTIONS, &serving.graphql)
            .header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request
            .header("access-control-request-headers", "content-type,x-tenant")
            .send()
    };
    let response = preflight(ORIGIN).await.expect("an answer");
    assert!(response.status().is_success(), "{response:?}");
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN);
    let allowed = response.headers()["access-control-allow-headers"]
        .to_str()
        .expect("text")
        .to_owned();
    assert!(
        allowed.contains("content-type") && allowed.contains("x-tenant"),
        "{allowed}"
    );

    let query = project.tests()[0]["query"].clone();
    let request = serving
        .client
        .post(&serving.graphql)
        .header("origin", ORIGIN)
        .json(&json!({ "query": query }));
    let response = request.send().await.expect("an answer");
    assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN);

    let response = preflight("https://evil.example").await.expect("an answer");
    assert!(
        !response.headers().contains_key("access-control-allow-origin"),
        "{response:?}"
    );
}

async fn the_tenant_is_passed_on(project: &Project, serving: &Serving) {
    project.subgraphs.reset();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = serving
        .client
        .post(&serving.graphql)
        .json(&json!({ "query": project.tests()[0]["query"] }));
    let request = request
        .header("x-tenant", "acme")
        .header("x-secret", "for the router only")
        .header("traceparent", trace);
    request.send().await.expect("an answer");
    let received = project.operations();
    assert!(!received.is_empty());
    for request in received {
        assert_eq!(request.headers["x-tenant"], "acme");
        assert_eq!(request.headers["x-forwarded-for"], "127.0.0.1");
        assert!(!request.headers.contains_key("x-secret"));
        let trace = request.headers["traceparent"].to_str().expect("text");
        assert!(trace.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{trace}");
    }
}

async fn a_slow_subgraph_costs_only_its_part(project: &Project, serving: &Serving) {
    let slow = project.last_subgraph();
    project.subgraphs.set_delay(slow, Duration::from_secs(60));
    let begin = Instant::now();
    let answer = serving
        .query(project.tests()[0]["query"].as_str().expect("a query"), &json!({}))
        .await;
    assert!(
        begin.elapsed() < Duration::from_secs(10),
        "the timeout is 1 s: {:?}",
        begin.elapsed()
    );
    project.subgraphs.set_delay(slow, Duration::ZERO);

    assert!(answer["data"].is_object(), "{answer}");
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1), "{answer}");
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["service"]),
        (&json!("GATEWAY_TIMEOUT"), &json!(slow)),
        "{answer}"
    );
}

async fn a_schema_change_is_taken_up_and_a_broken_one_is_not(project: &Project, serving: &mut Serving) {
    let file = format!("{}.graphql", project.last_subgraph());
    let before = fs::read_to_string(project.path(&file)).expect("it was written");
    let hash = serving.readiness().await["supergraph"]["hash"].clone();
    assert!(!serving.has_query_field("addedLater").await);

    let changed = format!("{before}\nextend type Query {{ addedLater: String }}\n");
    project.write(&file, &changed);
    serving.wait_for_query_field("addedLater").await;
    assert_ne!(serving.readiness().await["supergraph"]["hash"], hash);

    project.write(&file, &format!("{changed}\ntype Broken {{ field: Unknown }}\n"));
    let readiness = serving.reload_outcome("failed").await;
    let error = readiness["last_reload"]["error"].as_str().expect("a reason");
    assert!(error.contains("do not compose") && error.contains("Unknown"), "{error}");
    assert_eq!(readiness["status"], "ready");
    // What it printed is read on another thread than the answer.
    serving
        .process
        .wait_for_output("Keeping the last good supergraph")
        .expect("it is logged");
    assert!(
        serving.has_query_field("addedLater").await,
        "the last good graph is served"
    );
    every_query_of_the_suite_is_answered(project, serving).await;

    // The same seen by `router compose`: exit code 1, and the line that is wrong.
    let output = project.router(&["compose", "--config", "supergraph.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let drawn = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        drawn.contains("type Broken { field: Unknown }") && drawn.contains('^'),
        "{drawn}"
    );

    project.write(&file, &before);
    serving.reload_outcome("ok").await;
    assert_eq!(serving.readiness().await["supergraph"]["hash"], hash);
}

async fn metrics_tell_what_happened(serving: &Serving) {
    let response = serving
        .client
        .get(format!("{}/metrics", serving.admin))
        .send()
        .await
        .expect("an answer");
    let metrics = response.text().await.expect("text");
    for expected in [
        "http_server_request_duration_seconds_bucket{",
        "router_fetch_duration_seconds_count{",
        "outcome=\"GATEWAY_TIMEOUT\"",
        "router_operations_total{cache=\"hit\"}",
        "router_supergraph_reloads_total{outcome=\"error\"} 1",
        "router_supergraph_stale 0",
    ] {
        assert!(metrics.contains(expected), "`{expected}` is not in\n{metrics}");
    }
}

async fn it_ends_when_what_is_under_way_is_answered(project: &Project, serving: &mut Serving) {
    project.subgraphs.reset();
    project
        .subgraphs
        .set_delay(project.last_subgraph(), Duration::from_millis(500));
    let request = serving
        .client
        .post(&serving.graphql)
        .json(&json!({ "query": project.tests()[0]["query"] }));
    let answer = tokio::spawn(request.send());
    while project.operations().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let status = tokio::task::block_in_place(|| serving.process.terminate(Duration::from_secs(10)));
    let status = status.expect("it ends");
    assert!(status.success(), "{status}\n{}", serving.process.output());
    let answer: Value = answer
        .await
        .expect("it ran")
        .expect("an answer")
        .json()
        .await
        .expect("in JSON");
    assert_eq!(answer["data"], project.tests()[0]["expected"]["data"], "{answer}");
}

#[test]
fn what_cannot_be_served_is_said_in_one_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("the folder can be written");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = taken.local_addr().expect("it is bound");
    write("misspelt.yaml", "supergraph:\n  fiel: supergraph.graphql\n");
    write("empty.yaml", "");
    write("schema.graphql", "type Query { hello: String }");
    let free = "--listen 127.0.0.1:0 --admin-listen 127.0.0.1:0";
    for (arguments, expected) in [
        (
            format!("serve --supergraph schema.graphql --listen {taken}"),
            "cannot listen on",
        ),
        (
            format!("serve --supergraph absent.graphql {free}"),
            "cannot read absent.graphql",
        ),
        (format!("serve --supergraph schema.graphql {free}"), "names no subgraph"),
        (
            format!("serve --subgraphs absent.yaml {free}"),
            "cannot read absent.yaml",
        ),
        (
            "serve --config misspelt.yaml".into(),
            "misspelt.yaml:2:3: unknown key `fiel`; did you mean `file`?",
        ),
        (format!("serve --config empty.yaml {free}"), "no supergraph"),
        ("serve".into(), "--supergraph"),
        ("serve --supergraph a --subgraphs b".into(), "cannot be used with"),
        ("serve --supergraph a --listen here".into(), "invalid value 'here'"),
        ("compose --config absent.yaml".into(), "cannot read absent.yaml"),
        ("compose".into(), "--config"),
        ("frobnicate".into(), "unrecognized subcommand"),
        (
            "plan --supergraph schema.graphql --operation absent.graphql".into(),
            "cannot read absent.graphql",
        ),
    ] {
        let mut command = Command::new(binary("router").expect("it builds"));
        command.args(arguments.split(' ')).current_dir(folder.path());
        let mut process = Process::start("router", &mut command).expect("it starts");
        let status = process.wait(PATIENCE).expect("it ends by itself");
        let output = process.output();
        assert_eq!(status.code(), Some(2), "{arguments}\n{output}");
        assert!(output.contains(expected), "{arguments}\n{output}");
        assert!(!output.contains("panicked"), "{arguments}\n{output}");
    }
}
