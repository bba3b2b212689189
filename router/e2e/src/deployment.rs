//! The shop as a user runs it: `hansa` alone, or six processes and the payment sandbox on loopback.
//!
//! Both shapes are the real binaries with data in a temporary folder, and are spoken to over HTTP alone. What the shop
//! answers is for the tests to judge.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::processes::{Process, binary, free_port, workspace_root};

/// Names of the services, in the order in which they are started.
pub const SERVICES: [&str; 5] = ["users", "products", "orders", "payments", "reviews"];

/// Longest wait for something that the shop does by itself, such as a payment that a webhook settles.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Spans wait this long, in milliseconds, to be sent together. Read by the OpenTelemetry library.
const SPAN_DELAY_MS: &str = "200";

/// How the shop is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `hansa`.
    OneProcess,
    /// Five services, the router and the sandbox gateway, each a process.
    SixProcesses,
}

/// What a deployment may have beside its shape.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Address of an OpenTelemetry collector, to which every process but the sandbox sends spans.
    pub collector: String,
    /// Least severity that is logged; empty for what each process logs by itself.
    pub log_level: String,
    /// URLs of empty databases for services of six processes; SQLite for those that are not named.
    pub databases: BTreeMap<&'static str, String>,
}

/// A running shop; its processes end when it is dropped.
pub struct Deployment {
    /// `http://127.0.0.1:<port>`, without a slash at the end: the router.
    pub url: String,
    /// The payment sandbox, likewise.
    pub sandbox_url: String,
    shape: Shape,
    processes: BTreeMap<String, Process>,
    ports: Ports,
    setup: Setup,
    folder: TempDir,
    client: reqwest::Client,
}

impl Deployment {
    /// Starts a shop with fresh, seeded databases, and waits until it answers.
    ///
    /// # Errors
    /// When a process does not start, with its output.
    pub fn start(shape: Shape) -> Result<Self> {
        Self::start_with(shape, Setup::default())
    }

    /// The same, with `setup`.
    ///
    /// # Errors
    /// Like [`Deployment::start`].
    pub fn start_with(shape: Shape, setup: Setup) -> Result<Self> {
        let ports = Ports::free()?;
        let mut deployment = Self {
            url: format!("http://127.0.0.1:{}", ports.router),
            sandbox_url: format!("http://127.0.0.1:{}", ports.sandbox),
            shape,
            processes: BTreeMap::new(),
            ports,
            setup,
            folder: tempfile::tempdir()?,
            client: http_client()?,
        };
        deployment.start_processes()?;
        Ok(deployment)
    }

    /// Ends every process as an operator would (SIGTERM), and starts them again on the same data.
    ///
    /// # Errors
    /// When a process does not end in time or with success, or does not start.
    pub fn restart(&mut self) -> Result<()> {
        for (name, mut process) in std::mem::take(&mut self.processes) {
            let status = process.terminate(Duration::from_secs(30))?;
            if !status.success() {
                bail!("`{name}` ended with {status}:\n{}", process.output());
            }
        }
        self.start_processes()
    }

    /// Ends one process as a crash would (SIGKILL).
    ///
    /// # Errors
    /// When there is no such process.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        self.processes
            .remove(name)
            .with_context(|| format!("no process `{name}` runs"))?
            .kill()
    }

    /// Starts one service that was killed.
    ///
    /// # Errors
    /// When it does not start, with its output.
    pub fn start_service(&mut self, name: &'static str) -> Result<()> {
        let mut process = Process::start(name, &mut self.service_command(name, "serve")?)?;
        process.wait_until_ready(self.ports.service(name).admin)?;
        self.processes.insert(name.to_owned(), process);
        Ok(())
    }

    /// Folder of databases and keys.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Names of the processes that run.
    pub fn processes(&self) -> impl Iterator<Item = &str> {
        self.processes.keys().map(String::as_str)
    }

    /// What a process has printed.
    pub fn output(&self, name: &str) -> String {
        self.processes.get(name).map(Process::output).unwrap_or_default()
    }

    /// Memory that a process holds now, in MiB (`VmRSS`; Linux only).
    ///
    /// # Errors
    /// When there is no such process, or no `/proc`.
    pub fn resident_mib(&self, name: &str) -> Result<u64> {
        let process = self
            .processes
            .get(name)
            .with_context(|| format!("no process `{name}` runs"))?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id()))?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        Ok(resident.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    }

    /// Sends one operation and gives the whole answer (`data`, `errors`).
    ///
    /// # Errors
    /// When there is no answer, or it is not JSON.
    pub async fn graphql(&self, operation: &str, variables: Value, token: Option<&str>) -> Result<Value> {
        self.answer(operation, variables, token).await
    }

    /// What of the answer `T` has.
    async fn answer<T: DeserializeOwned>(&self, operation: &str, variables: Value, token: Option<&str>) -> Result<T> {
        let mut request = self
            .client
            .post(format!("{}/graphql", self.url))
            .json(&json!({ "query": operation, "variables": variables }));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.context("the router did not answer")?;
        let body = response.bytes().await?;
        serde_json::from_slice(&body).with_context(|| format!("not as expected: {}", String::from_utf8_lossy(&body)))
    }

    /// Like [`Deployment::graphql`], for an operation that must not fail: gives `data`.
    ///
    /// # Errors
    /// Also when the answer has `errors`.
    pub async fn data(&self, operation: &str, variables: Value, token: Option<&str>) -> Result<Value> {
        let mut answer = self.graphql(operation, variables, token).await?;
        if answer.get("errors").is_some() {
            bail!("errors in {answer:#}");
        }
        Ok(answer["data"].take())
    }

    /// Like [`Deployment::data`], and gives of it what `T` has: less work for who asks much and looks at little.
    ///
    /// # Errors
    /// Also when something that `T` has is not there.
    pub async fn data_as<T: DeserializeOwned>(
        &self,
        operation: &str,
        variables: Value,
        token: Option<&str>,
    ) -> Result<T> {
        let answer: Answer<T> = self.answer(operation, variables, token).await?;
        match answer {
            Answer {
                errors: Some(errors), ..
            } => bail!("errors: {errors:#}"),
            Answer { data: Some(data), .. } => Ok(data),
            Answer { data: None, .. } => bail!("neither data nor errors"),
        }
    }

    /// Asks until `settled` holds of the answer's `data`.
    ///
    /// # Errors
    /// When that takes longer than 30 s, with the last answer.
    pub async fn data_when(
        &self,
        operation: &str,
        variables: Value,
        token: Option<&str>,
        settled: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        loop {
            let data = self.data(operation, variables.clone(), token).await?;
            if settled(&data) {
                return Ok(data);
            }
            if Instant::now() > deadline {
                bail!("not settled after {SETTLE_TIMEOUT:?}: {data:#}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Signs in and gives the access token.
    ///
    /// # Errors
    /// When the login is refused.
    pub async fn login(&self, email: &str, password: &str) -> Result<String> {
        let operation = include_str!("../../../schema/operations/login.graphql");
        let data = self
            .data(operation, json!({ "email": email, "password": password }), None)
            .await?;
        let token = data["userLogin"]["tokens"]["accessToken"].as_str();
        token
            .map(str::to_owned)
            .with_context(|| format!("no token in {data:#}"))
    }

    /// A client that follows no redirect, to look at pages.
    pub fn http(&self) -> &reqwest::Client {
        &self.client
    }

    fn start_processes(&mut self) -> Result<()> {
        match self.shape {
            Shape::OneProcess => self.start_hansa(),
            Shape::SixProcesses => self.start_six(),
        }
    }

    fn command(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(binary(name)?);
        if !self.setup.log_level.is_empty() {
            command.env("LOG_LEVEL", &self.setup.log_level);
        }
        Ok(command)
    }

    fn start_hansa(&mut self) -> Result<()> {
        let mut command = self.command("hansa")?;
        command
            .arg("--data")
            .arg(self.folder.path())
            .args(["--listen", &address(self.ports.router)])
            .args(["--sandbox-listen", &address(self.ports.sandbox)])
            .args(["--admin-listen", &address(self.ports.router_admin)])
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.setup.collector)
            .env("OTEL_BSP_SCHEDULE_DELAY", SPAN_DELAY_MS);
        let mut process = Process::start("hansa", &mut command)?;
        process.wait_for_output("hansa is ready")?;
        self.processes.insert("hansa".into(), process);
        Ok(())
    }

    fn start_six(&mut self) -> Result<()> {
        std::fs::write(
            self.folder.path().join("internal.key"),
            "an internal key for tests, of sufficient length",
        )?;
        self.start_sandbox()?;
        for name in SERVICES {
            let seeded = self.service_command(name, "seed")?.output()?;
            if !seeded.status.success() {
                bail!("`{name} seed` failed:\n{}", String::from_utf8_lossy(&seeded.stderr));
            }
            self.start_service(name)?;
        }
        self.start_router()
    }

    fn start_router(&mut self) -> Result<()> {
        let schema = workspace_root().join("schema/subgraphs");
        let subgraphs: BTreeMap<&str, Value> = SERVICES
            .iter()
            .map(|name| {
                let url = format!("http://{}/graphql", address(self.ports.service(name).http));
                let file = schema.join(format!("{name}.graphql"));
                (*name, json!({ "routing_url": url, "schema": { "file": file } }))
            })
            .collect();
        let write = |name: &str, content: Value| -> Result<PathBuf> {
            let path = self.folder.path().join(name);
            // JSON is YAML.
            std::fs::write(&path, serde_json::to_vec_pretty(&content)?)?;
            Ok(path)
        };
        write("supergraph.yaml", json!({ "subgraphs": subgraphs }))?;
        let tracing = json!({ "endpoint": self.setup.collector });
        let source = json!({ "subgraphs": "supergraph.yaml" });
        // The services check tokens and scopes.
        let authorization = json!({ "by_subgraphs": true });
        let config = json!({ "supergraph": source, "authorization": authorization, "tracing": tracing });
        let config = write("router.yaml", config)?;
        let mut command = self.command("router")?;
        command
            .args(["serve", "--config"])
            .arg(&config)
            .env("OTEL_BSP_SCHEDULE_DELAY", SPAN_DELAY_MS)
            .args(["--listen", &address(self.ports.router)])
            .args(["--admin-listen", &address(self.ports.router_admin)]);
        let mut process = Process::start("router", &mut command)?;
        process.wait_until_ready(self.ports.router_admin)?;
        self.processes.insert("router".into(), process);
        Ok(())
    }

    fn start_sandbox(&mut self) -> Result<()> {
        let webhook = format!(
            "http://{}/webhooks/sandbox",
            address(self.ports.service("payments").webhook)
        );
        let mut command = Command::new(binary("sandbox-gateway")?);
        command
            .args([
                "serve",
                "--seed",
                "--listen",
                &address(self.ports.sandbox),
                "--webhook-url",
                &webhook,
            ])
            .arg("--journal")
            .arg(self.folder.path().join("sandbox-gateway.jsonl"));
        let mut process = Process::start("sandbox-gateway", &mut command)?;
        process.wait_for_port(self.ports.sandbox)?;
        self.processes.insert("sandbox-gateway".into(), process);
        Ok(())
    }

    /// One service's binary with the environment that its Deployment would give it.
    fn service_command(&self, name: &'static str, subcommand: &str) -> Result<Command> {
        let ports = self.ports.service(name);
        let internal = |name| format!("http://{}", address(self.ports.service(name).internal));
        let users = address(self.ports.service("users").http);
        let folder = self.folder.path();
        let sqlite = || format!("sqlite:{}", folder.join(format!("{name}.sqlite")).display());
        let database = self.setup.databases.get(name).cloned().unwrap_or_else(sqlite);
        let mut command = self.command(name)?;
        command
            .arg(subcommand)
            .env("DATABASE_URL", database)
            .env("LISTEN", address(ports.http))
            .env("INTERNAL_LISTEN", address(ports.internal))
            .env("ADMIN_LISTEN", address(ports.admin))
            .env("WEBHOOK_LISTEN", address(ports.webhook))
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.setup.collector)
            .env("OTEL_BSP_SCHEDULE_DELAY", SPAN_DELAY_MS)
            .env("INTERNAL_KEY_FILE", folder.join("internal.key"))
            .env("JWT_KEYS_DIR", folder.join("keys"))
            .env("JWKS_URL", format!("http://{users}/.well-known/jwks.json"))
            .env("USER_SERVICE_URL", internal("users"))
            .env("PRODUCT_SERVICE_URL", internal("products"))
            .env("ORDER_SERVICE_URL", internal("orders"))
            .env("PAYMENT_SERVICE_URL", internal("payments"))
            .env("REVIEW_SERVICE_URL", internal("reviews"))
            .env(
                "MEDIA_BASE_URL",
                format!("http://{}", address(self.ports.service("products").http)),
            )
            .env("GATEWAY_URL", &self.sandbox_url)
            .env("GATEWAY_API_KEY", "sk_test_hansa")
            .env(
                "GATEWAY_WEBHOOK_SECRETS",
                "whsec_aGFuc2Etc2FuZGJveC13ZWJob29rLXNlY3JldA==",
            );
        Ok(command)
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    errors: Option<Value>,
}

fn http_client() -> Result<reqwest::Client> {
    // Somebody else in this process may have installed it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()?)
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

struct Ports {
    router: u16,
    router_admin: u16,
    sandbox: u16,
    services: BTreeMap<&'static str, ServicePorts>,
}

#[derive(Clone, Copy)]
struct ServicePorts {
    http: u16,
    internal: u16,
    admin: u16,
    webhook: u16,
}

impl Ports {
    fn free() -> Result<Self> {
        let mut services = BTreeMap::new();
        for name in SERVICES {
            let ports = ServicePorts {
                http: free_port()?,
                internal: free_port()?,
                admin: free_port()?,
                webhook: free_port()?,
            };
            services.insert(name, ports);
        }
        Ok(Self {
            router: free_port()?,
            router_admin: free_port()?,
            sandbox: free_port()?,
            services,
        })
    }

    fn service(&self, name: &str) -> ServicePorts {
        self.services[name]
    }
}
