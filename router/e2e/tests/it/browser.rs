//! The playground as a visitor sees it, in headless Chromium: `browser/playground.mjs` visits, this file judges.
//!
//! Needs Chromium (Debian's `chromium`), Node.js and npm; skipped with a line when one of them is missing, unless `CI`
//! is set. Screenshots are left below `target/browser/`.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use e2e::fixture_subgraphs::FixtureSubgraphs;
use e2e::processes::{Process, binary, free_port, workspace_root};
use federation::subgraph::Subgraph;
use serde::Deserialize;
use serde_json::{Value, json};
use server::playground::{ExampleOperation, PlaygroundConfig};
use server::{RouterBuilder, RouterConfig};
use tokio::net::TcpListener;

/// What `browser/playground.mjs` prints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    foreign_requests: Vec<String>,
    failed_requests: Vec<String>,
    console_errors: Vec<String>,
    title: String,
    tabs: Vec<String>,
    answer: Value,
    shown: String,
    plan: String,
    /// Media type of the answer to the tab whose operation defers something.
    type_of_parts: String,
    shown_in_parts: String,
    plan_in_parts: String,
    documentation: String,
    shared_url: String,
    tabs_after_reload: Vec<String>,
    answer_after_reload: Value,
    visitor_tabs: Vec<String>,
    visitor_answer: Value,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_of_any_graph_runs_an_operation_explains_it_and_asks_no_other_host() -> Result<()> {
    let _alone = crate::MACHINE.lock().await;
    let Some(visitor) = visitor()? else { return Ok(()) };
    let address = serve_catalogue().await?;
    let report =
        tokio::task::spawn_blocking(move || visitor.visit("catalogue", &format!("http://{address}/"))).await??;

    assert_all_went_well(&report);
    assert_eq!(report.title, "Catalogue");
    assert_eq!(report.tabs, ["Ratings", "Names", "RatingsLater"]);
    for answer in [&report.answer, &report.answer_after_reload, &report.visitor_answer] {
        assert_eq!(
            answer["data"]["products"][0],
            json!({ "name": "Table", "rating": 5 }),
            "{answer:#}"
        );
    }
    assert!(
        report.shown.contains("Table"),
        "the answer is on the screen: {}",
        report.shown
    );
    for part in ["products", "reviews"] {
        assert!(report.plan.contains(part), "{part} in {}", report.plan);
    }
    Ok(())
}

/// The router over two subgraphs in process; whoever visits it finds three examples.
async fn serve_catalogue() -> Result<SocketAddr> {
    let suite = FixtureSubgraphs::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/catalogue"))?;
    let subgraphs = suite.subgraphs().iter().map(|subgraph| Subgraph {
        name: subgraph.name.clone(),
        routing_url: subgraph.url.clone(),
        sdl: subgraph.sdl.clone(),
    });
    let example = |query: &str| ExampleOperation {
        query: query.to_owned(),
        variables: None,
    };
    let mut config = RouterConfig::default();
    config.explain.enabled = true;
    let mut builder = RouterBuilder::new(config)
        .subgraphs(subgraphs.collect())
        .playground(PlaygroundConfig {
            title: "Catalogue".to_owned(),
            examples: vec![
                example("query Ratings { products { name rating } }"),
                example("query Names { products { name } }"),
                example("query RatingsLater { products { name ... @defer { rating } } }"),
            ],
            ..PlaygroundConfig::default()
        });
    for subgraph in suite.subgraphs() {
        builder = builder.in_process(&subgraph.name, suite.router());
    }
    let router = builder.build().await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router.app.public).await });
    Ok(address)
}

#[test]
fn a_visitor_of_the_shop_runs_the_missions_query() -> Result<()> {
    let _alone = crate::MACHINE.blocking_lock();
    let Some(visitor) = visitor()? else { return Ok(()) };
    let (mut hansa, port) = start_hansa()?;
    hansa.wait_for_port(port)?;
    let report = visitor.visit("shop", &format!("http://{}:{port}/", Ipv4Addr::LOCALHOST))?;

    assert_all_went_well(&report);
    assert_eq!(report.title, "Hansa");
    assert_eq!(report.tabs.first().map(String::as_str), Some("Mission"));
    for answer in [&report.answer, &report.answer_after_reload, &report.visitor_answer] {
        assert_is_mission_answer(answer);
    }
    let number = report.answer["data"]["order"]["number"].as_str().unwrap_or_default();
    assert!(
        report.shown.contains(number),
        "the answer is on the screen: {}",
        report.shown
    );
    for subgraph in ["orders", "users", "products", "payments"] {
        assert!(report.plan.contains(subgraph), "{subgraph} in {}", report.plan);
    }
    Ok(())
}

fn start_hansa() -> Result<(Process, u16)> {
    let port = free_port()?;
    let mut command = Command::new(binary("hansa")?);
    command.args(["--ephemeral", "--listen", &format!("{}:{port}", Ipv4Addr::LOCALHOST)]);
    for flag in ["--admin-listen", "--sandbox-listen"] {
        command.args([flag, &format!("{}:{}", Ipv4Addr::LOCALHOST, free_port()?)]);
    }
    Ok((Process::start("hansa", &mut command)?, port))
}

fn assert_is_mission_answer(answer: &Value) {
    assert_eq!(answer["errors"], Value::Null, "{answer:#}");
    let order = &answer["data"]["order"];
    for pointer in [
        "/number",
        "/user/displayName",
        "/lines/nodes/0/variant/product/title",
        "/payments/0/status",
    ] {
        assert!(
            order.pointer(pointer).is_some_and(Value::is_string),
            "{pointer} in {answer:#}"
        );
    }
}

/// What holds for every page, whatever its graph.
fn assert_all_went_well(report: &Report) {
    assert_eq!(report.foreign_requests, [""; 0], "the page asks its own host alone");
    assert_eq!(report.failed_requests, [""; 0]);
    assert_eq!(report.console_errors, [""; 0]);
    assert!(report.documentation.contains("query"), "{}", report.documentation);
    assert!(
        report.type_of_parts.starts_with("multipart/mixed"),
        "{}",
        report.type_of_parts
    );
    assert!(report.shown_in_parts.contains("rating"), "{}", report.shown_in_parts);
    assert!(report.plan_in_parts.contains("deferred"), "{}", report.plan_in_parts);
    assert!(report.shared_url.contains("#operation="), "{}", report.shared_url);
    assert_eq!(report.tabs_after_reload, report.tabs, "tabs are kept");
    assert_eq!(
        report.visitor_tabs.first(),
        report.tabs.first(),
        "a link brings its operation"
    );
}

/// Chromium, Node.js and the script.
struct Visitor {
    chromium: PathBuf,
    script: PathBuf,
}

impl Visitor {
    /// Screenshots go to `target/browser/<name>/`.
    fn visit(&self, name: &str, page_url: &str) -> Result<Report> {
        let screenshots = self.script.with_file_name(name);
        fs::create_dir_all(&screenshots)?;
        let output = Command::new("node")
            .arg(&self.script)
            .arg(page_url)
            .arg(&self.chromium)
            .arg(screenshots)
            .stdin(Stdio::null())
            .output()
            .context("node could not be started")?;
        if !output.status.success() {
            bail!("the visit broke off:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        serde_json::from_slice(&output.stdout).context("the script prints its report")
    }
}

/// `None`, after saying why, where a page cannot be visited.
fn visitor() -> Result<Option<Visitor>> {
    if !server::playground::is_bundled() {
        return skip("this build has no GraphiQL (npm was missing)");
    }
    let Some(chromium) = program(&["chromium", "chromium-browser", "google-chrome"]) else {
        return skip("Chromium is not installed");
    };
    match installed_script() {
        Ok(script) => Ok(Some(Visitor {
            chromium,
            script: script.clone(),
        })),
        Err(error) => skip(error),
    }
}

/// In CI everything must run; elsewhere a machine without a browser may still run the other tests.
fn skip(reason: &str) -> Result<Option<Visitor>> {
    if std::env::var_os("CI").is_some() {
        bail!("the browser test cannot run: {reason}");
    }
    eprintln!("skipped: {reason}");
    Ok(None)
}

/// First of `names` that is on the PATH.
fn program(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    })
}

/// The script beside its dependencies; installed once, also when two tests ask at the same time.
fn installed_script() -> std::result::Result<&'static PathBuf, &'static String> {
    static SCRIPT: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    SCRIPT
        .get_or_init(|| install_script().map_err(|error| format!("{error:#}")))
        .as_ref()
}

/// Below `target/`, so that nothing is written into the sources.
fn install_script() -> Result<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let workshop = workspace_root().join("target/browser");
    fs::create_dir_all(&workshop)?;
    for name in ["package.json", "package-lock.json", "playground.mjs", ".npmrc"] {
        fs::copy(sources.join(name), workshop.join(name)).context(name)?;
    }
    let output = Command::new("npm")
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--prefer-offline",
            "--fetch-retries=1",
        ])
        .current_dir(&workshop)
        .stdin(Stdio::null())
        .output()
        .context("npm could not be started")?;
    if !output.status.success() {
        bail!(
            "npm could not install playwright-core:\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(workshop.join("playground.mjs"))
}
