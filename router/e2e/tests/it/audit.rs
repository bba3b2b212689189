//! The federation audit: every test of the conformance suites, planned and executed against fixture subgraphs.
//!
//! Compares data, errors, and the number of subgraph requests with the fewest that the best known router needs.

mod random;

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use balanced_client::HttpClient;
use composition::compose;
use e2e::fixture_subgraphs::{FixtureSubgraph, FixtureSubgraphs, conformance_dir};
use executor::{
    ExecutablePlan, ExecutionRequest, Executor, ExecutorOptions, HttpSubgraph, InProcessSubgraph, SubgraphClient,
    SubgraphPolicy, coerce_variables,
};
use federation::error::RequestError;
use federation::limits::Limits;
use federation::operation::{parse, validate};
use federation::subgraph::Subgraph;
use federation::supergraph::{ActiveLabels, Supergraph};
use http::HeaderMap;
use planner::Planner;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Test {
    id: String,
    query: String,
    variables: Option<Map<String, Value>>,
    expected: Expected,
    fewest_fetches: usize,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    data: Value,
    /// `true`: there must be errors. `"any"`: not looked at. Else there must be none.
    #[serde(default)]
    errors: Value,
}

/// One suite, ready to be asked.
struct Router {
    subgraphs: FixtureSubgraphs,
    supergraph: Arc<Supergraph>,
    planner: Planner,
    executor: Executor,
}

impl Router {
    /// The subgraphs are called in this process.
    fn in_process(subgraphs: FixtureSubgraphs, supergraph_sdl: &str) -> Result<Self> {
        let service = subgraphs.router();
        let client = |subgraph: &FixtureSubgraph| {
            let client = InProcessSubgraph::new(service.clone(), subgraph.path().parse()?);
            Ok(SubgraphClient::InProcess(client))
        };
        Self::new(subgraphs, supergraph_sdl, client)
    }

    /// The subgraphs listen on a socket.
    async fn over_http(subgraphs: FixtureSubgraphs, supergraph_sdl: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = subgraphs.router();
        tokio::spawn(async move { axum::serve(listener, service).await });
        let http = HttpClient::default();
        let client = |subgraph: &FixtureSubgraph| {
            let url = format!("http://{address}{}", subgraph.path());
            Ok(SubgraphClient::Http(HttpSubgraph::new(&http, &url)?))
        };
        Self::new(subgraphs, supergraph_sdl, client)
    }

    fn new(
        subgraphs: FixtureSubgraphs,
        supergraph_sdl: &str,
        client: impl Fn(&FixtureSubgraph) -> Result<SubgraphClient>,
    ) -> Result<Self> {
        let supergraph = Arc::new(Supergraph::parse(supergraph_sdl).context("reading the supergraph")?);
        let clients = subgraphs.subgraphs().iter().map(|subgraph| {
            Ok((
                Arc::from(subgraph.name.as_str()),
                (client(subgraph)?, SubgraphPolicy::default()),
            ))
        });
        let executor = Executor::new(clients.collect::<Result<HashMap<_, _>>>()?, ExecutorOptions::default());
        Ok(Self {
            subgraphs,
            planner: Planner::new(Arc::clone(&supergraph)),
            supergraph,
            executor,
        })
    }

    async fn answer(&self, query: &str, variables: Option<Map<String, Value>>) -> Result<Value> {
        let refused = |errors: Vec<RequestError>| Ok(json!({ "errors": errors }));
        let limits = Limits::default();
        let document = match parse(query, &limits) {
            Ok(document) => document,
            Err(errors) => return refused(errors),
        };
        let operation = match validate(&document, self.supergraph.api_schema(), None) {
            Ok(operation) => operation,
            Err(errors) => return refused(errors),
        };
        let variables = match coerce_variables(&operation, variables) {
            Ok(variables) => variables,
            Err(errors) => return refused(errors),
        };
        let plan = self.planner.plan(&operation, &ActiveLabels::NONE).context("planning")?;
        let plan = ExecutablePlan::from(plan);
        let request = ExecutionRequest {
            variables,
            headers: Arc::new(HeaderMap::new()),
            deadline: Instant::now() + Duration::from_secs(10),
            explain: false,
        };
        let response = self
            .executor
            .execute(&plan, self.supergraph.api_schema(), request)
            .await;
        Ok(serde_json::from_slice(&response.to_bytes())?)
    }

    async fn check(&self, test: &Test) -> Result<()> {
        self.subgraphs.reset();
        let answer = self.answer(&test.query, test.variables.clone()).await?;
        let violations = self.subgraphs.violations();
        ensure!(violations.is_empty(), "{}", violations.join("\n      "));
        let errors = answer["errors"].as_array().map_or(0, Vec::len);
        match &test.expected.errors {
            Value::Bool(true) => ensure!(errors > 0, "expected errors, got none: {answer}"),
            Value::String(_) => {}
            _ => ensure!(errors == 0, "expected no errors: {answer}"),
        }
        ensure!(
            equal(&answer["data"], &test.expected.data),
            "expected {}\n      got {answer}",
            test.expected.data
        );
        let fetches = self.subgraphs.requests().len();
        if fetches > test.fewest_fetches {
            let requests = self.subgraphs.requests();
            let requests = requests
                .iter()
                .map(|request| format!("{}: {}", request.subgraph, request.query));
            let requests: Vec<String> = requests.collect();
            bail!(
                "{fetches} fetches where {} are enough:\n      {}",
                test.fewest_fetches,
                requests.join("\n      ")
            );
        }
        Ok(())
    }
}

/// Equal as JSON; numbers by value, and in any order of keys.
fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(name, left)| right.get(name).is_some_and(|right| equal(left, right)))
        }
        _ => left == right,
    }
}

fn suites(conformance: &Path) -> Result<Vec<PathBuf>> {
    let folders = std::fs::read_dir(conformance.join("audit"))?.map(|entry| Ok(entry?.path()));
    let mut folders = folders.collect::<Result<Vec<_>>>()?;
    folders.sort_unstable();
    Ok(folders)
}

/// Runs all suites on routers that `build` makes; fails with a table of what went wrong.
async fn audit(build: impl AsyncFn(&Path, FixtureSubgraphs) -> Result<Router>) -> Result<()> {
    let Some(conformance) = conformance_dir() else {
        return Ok(());
    };
    let (mut tests, mut failures) = (0, Vec::new());
    for folder in suites(&conformance)? {
        let suite = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let cases: Vec<Test> = serde_json::from_str(&std::fs::read_to_string(folder.join("tests.json"))?)?;
        tests += cases.len();
        let router = match build(&folder, FixtureSubgraphs::load(&folder)?).await {
            Ok(router) => router,
            Err(error) => {
                failures.extend(cases.iter().map(|case| format!("{}: {error:#}", case.id)));
                continue;
            }
        };
        let mut failed = 0;
        for case in &cases {
            if let Err(error) = router.check(case).await {
                let query = case.query.split_whitespace().collect::<Vec<_>>().join(" ");
                failures.push(format!("{}\n      {query}\n      {error:#}", case.id));
                failed += 1;
            }
        }
        eprintln!("{:4} of {:4}  {suite}", cases.len() - failed, cases.len());
    }
    eprintln!("{:4} of {tests:4}  in all", tests - failures.len());
    let table = failures.iter().fold(String::new(), |mut table, failure| {
        write!(table, "\n  {failure}").expect("strings grow");
        table
    });
    ensure!(
        failures.is_empty(),
        "{} of {tests} tests failed:{table}",
        failures.len()
    );
    Ok(())
}

fn given_supergraph(folder: &Path) -> Result<String> {
    Ok(std::fs::read_to_string(folder.join("supergraph.graphql"))?)
}

fn composed_supergraph(subgraphs: &FixtureSubgraphs) -> Result<String> {
    let subgraphs = subgraphs.subgraphs().iter().map(|subgraph| Subgraph {
        name: subgraph.name.clone(),
        routing_url: subgraph.url.clone(),
        sdl: subgraph.sdl.clone(),
    });
    match compose(&subgraphs.collect::<Vec<_>>()) {
        Ok(composed) => Ok(composed.supergraph_sdl),
        Err(errors) => bail!(
            "{}",
            errors.iter().map(|error| format!("{error}; ")).collect::<String>()
        ),
    }
}

#[tokio::test]
async fn passes_with_the_given_supergraphs() -> Result<()> {
    audit(async |folder, subgraphs| Router::in_process(subgraphs, &given_supergraph(folder)?)).await
}

#[tokio::test]
async fn passes_with_our_composition() -> Result<()> {
    audit(async |_, subgraphs| {
        let supergraph_sdl = composed_supergraph(&subgraphs)?;
        Router::in_process(subgraphs, &supergraph_sdl)
    })
    .await
}

/// In process and over HTTP, subgraphs are the same to the router.
#[tokio::test]
async fn passes_over_http() -> Result<()> {
    audit(async |folder, subgraphs| Router::over_http(subgraphs, &given_supergraph(folder)?).await).await
}
