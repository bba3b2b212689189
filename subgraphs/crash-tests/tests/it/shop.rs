//! The services, the payment sandbox and a shopper who never gives up.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use e2e::processes::{Process, binary, free_port};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use service::database::{Database, DatabaseOptions};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

pub(crate) const SERVICES: [&str; 5] = ["users", "products", "orders", "payments", "reviews"];

/// Names a database on a server, on which others may be created.
const SERVER: &str = "CRASH_DATABASE_URL";

/// Names a NATS that carries the events, instead of requests.
pub(crate) const NATS: &str = "CRASH_NATS_URL";

/// Minutes of leases and waiting pass in seconds.
const CLOCK_TIMES: u32 = 10;

/// Longest time in which a shopper gets an answer, restarts included.
const PATIENCE: Duration = Duration::from_secs(90);

/// One shop at a time: each is seven processes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

pub(crate) struct Shop {
    processes: Mutex<BTreeMap<&'static str, Process>>,
    ports: BTreeMap<&'static str, [u16; 4]>,
    sandbox_port: u16,
    since_ms: u128,
    databases: BTreeMap<&'static str, String>,
    stream: String,
    folder: TempDir,
    client: reqwest::Client,
    token: Mutex<String>,
    pub(crate) variant_id: String,
    _turn: MutexGuard<'static, ()>,
}

impl Shop {
    /// Starts everything on fresh, seeded databases: of the server in `CRASH_DATABASE_URL`, else SQLite.
    pub(crate) async fn open() -> Result<Arc<Shop>> {
        let turn = ONE_AT_A_TIME.lock().await;
        let folder = tempfile::tempdir()?;
        std::fs::write(
            folder.path().join("internal.key"),
            "an internal key for tests, of sufficient length",
        )?;
        let (mut ports, mut databases) = (BTreeMap::new(), BTreeMap::new());
        for name in SERVICES {
            ports.insert(name, [free_port()?, free_port()?, free_port()?, free_port()?]);
            databases.insert(name, database(&folder, name).await?);
        }
        // Somebody else in this process may have installed it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(20))
            .build()?;
        let mut shop = Shop {
            processes: Mutex::default(),
            ports,
            sandbox_port: free_port()?,
            since_ms: SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis(),
            databases,
            stream: service::id::new("crash"),
            folder,
            client,
            token: Mutex::default(),
            variant_id: String::new(),
            _turn: turn,
        };
        shop.start_sandbox().await?;
        for name in SERVICES {
            let seeded = shop.command(name, "seed")?.output()?;
            if !seeded.status.success() {
                bail!("`{name} seed` failed:\n{}", String::from_utf8_lossy(&seeded.stderr));
            }
            shop.start(name, None).await?;
        }
        shop.sign_in().await?;
        let query = "{ products(first: 1) { nodes { variants(first: 1) { nodes { id } } } } }";
        let found = shop.ask("products", query, json!({})).await?;
        let id = &found["products"]["nodes"][0]["variants"]["nodes"][0]["id"];
        shop.variant_id = id.as_str().with_context(|| format!("{found:#}"))?.to_owned();
        shop.set_stock(100_000).await?;
        Ok(Arc::new(shop))
    }

    /// Ends every process, and drops the databases on a server and the stream. After a failure they stay, to be looked at.
    pub(crate) async fn close(&self) -> Result<()> {
        self.processes.lock().await.clear();
        if let Ok(url) = std::env::var(NATS) {
            let client = async_nats::connect(url).await?;
            async_nats::jetstream::new(client).delete_stream(&self.stream).await?;
        }
        let Ok(server) = std::env::var(SERVER) else {
            return Ok(());
        };
        let admin = Database::connect(&server, &DatabaseOptions::default()).await?;
        let force = if server.starts_with("postgres") {
            " WITH (FORCE)"
        } else {
            ""
        };
        for url in self.databases.values() {
            let (_, name) = url.rsplit_once('/').context("a URL with a database in it")?;
            admin
                .write()
                .execute_unprepared(&format!("DROP DATABASE {name}{force}"))
                .await?;
        }
        admin.close().await;
        Ok(())
    }

    /// So many of the variant are on hand; nothing of it may be reserved.
    pub(crate) async fn set_stock(&self, on_hand: i32) -> Result<()> {
        let products = self.database("products").await?;
        let update = format!(
            "UPDATE stock SET on_hand = {on_hand} WHERE variant_id = '{}'",
            self.variant_id
        );
        products.write().execute_unprepared(&update).await?;
        products.close().await;
        Ok(())
    }

    /// Starts a service, to die at `abort_point` if one is given.
    pub(crate) async fn start(&self, name: &'static str, abort_point: Option<&str>) -> Result<()> {
        let mut command = self.command(name, "serve")?;
        if let Some(abort_point) = abort_point {
            command.env("ABORT_POINT", abort_point);
        }
        let mut process = Process::start(name, &mut command)?;
        let admin = self.ports[name][2];
        let process = tokio::task::spawn_blocking(move || process.wait_until_ready(admin).map(|()| process)).await??;
        self.processes.lock().await.insert(name, process);
        Ok(())
    }

    /// SIGKILL.
    pub(crate) async fn kill(&self, name: &str) -> Result<()> {
        let mut process = self.processes.lock().await.remove(name).context("it runs")?;
        process.kill()
    }

    /// Waits until a service has died by itself; what it printed when it does not.
    pub(crate) async fn wait_for_death(&self, name: &str) -> Result<()> {
        let mut process = self.processes.lock().await.remove(name).context("it runs")?;
        let status = tokio::task::spawn_blocking(move || process.wait(Duration::from_secs(60))).await??;
        if status.success() {
            bail!("`{name}` ended in peace");
        }
        Ok(())
    }

    pub(crate) async fn database(&self, name: &str) -> Result<Database> {
        Ok(Database::connect(&self.databases[name], &DatabaseOptions::default()).await?)
    }

    /// What the gateway has booked.
    pub(crate) async fn ledger(&self) -> Result<Vec<Value>> {
        let url = format!("http://127.0.0.1:{}/__ledger", self.sandbox_port);
        let ledger: Value = self.client.get(url).send().await?.error_for_status()?.json().await?;
        ledger["payments"].as_array().cloned().context("payments")
    }

    /// `none`, `drop`, `duplicate`: what becomes of webhooks.
    pub(crate) async fn set_webhooks(&self, fault: &str) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/__faults", self.sandbox_port);
        let faults = json!({ "webhooks": fault });
        self.client.post(url).json(&faults).send().await?.error_for_status()?;
        Ok(())
    }

    pub(crate) async fn sign_in(&self) -> Result<()> {
        let mutation = "mutation { userLogin(input: { email: \"ada@hansa.example\", password: \"demo-password-1\" }) {
            tokens { accessToken } } }";
        let data = self.ask("users", mutation, json!({})).await?;
        let token = data["userLogin"]["tokens"]["accessToken"].as_str();
        *self.token.lock().await = token.with_context(|| format!("{data:#}"))?.to_owned();
        Ok(())
    }

    /// Places an order, and answers with its id; `None` when the shop says no. The same key until there is an answer.
    pub(crate) async fn place(&self) -> Result<Option<String>> {
        let mutation = "mutation($input: OrderCreateInput!) { orderCreate(input: $input) {
            order { id status } userErrors { code } } }";
        let address = json!({ "name": "Ada", "line1": "Street 1", "city": "Berlin", "countryCode": "DE" });
        let line = json!({ "variantId": self.variant_id, "quantity": 1 });
        let input = json!({ "idempotencyKey": service::id::new("key"), "lines": [line], "shippingAddress": address });
        let data = self.insist(mutation, json!({ "input": input })).await?;
        Ok(data["orderCreate"]["order"]["id"].as_str().map(str::to_owned))
    }

    /// Waits until the order is reserved or refused, and answers with its status.
    pub(crate) async fn wait_while(&self, order_id: &str, statuses: &[&str]) -> Result<String> {
        let begun = Instant::now();
        loop {
            let query = "query($id: ID!) { order(id: $id) { status } }";
            let data = self.insist(query, json!({ "id": order_id })).await?;
            let status = data["order"]["status"].as_str().unwrap_or_default().to_owned();
            if !statuses.contains(&status.as_str()) {
                return Ok(status);
            }
            if begun.elapsed() > PATIENCE {
                bail!("order {order_id} is still {status}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn pay(&self, order_id: &str, method: &str) -> Result<Value> {
        let mutation = "mutation($input: OrderPayInput!) { orderPay(input: $input) {
            order { status } userErrors { code } } }";
        let input = json!({ "idempotencyKey": service::id::new("key"), "orderId": order_id,
            "paymentMethodToken": method, "returnUrl": "https://shop.example/thanks" });
        self.insist(mutation, json!({ "input": input })).await
    }

    pub(crate) async fn cancel(&self, order_id: &str) -> Result<Value> {
        let mutation = "mutation($id: ID!) { orderCancel(id: $id) { order { status } userErrors { code } } }";
        self.insist(mutation, json!({ "id": order_id })).await
    }

    /// Asks orders until there is an answer without errors: services may be down.
    async fn insist(&self, operation: &str, variables: Value) -> Result<Value> {
        let begun = Instant::now();
        loop {
            match self.ask("orders", operation, variables.clone()).await {
                Ok(data) => return Ok(data),
                Err(error) if begun.elapsed() > PATIENCE => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn ask(&self, name: &str, operation: &str, variables: Value) -> Result<Value> {
        let url = format!("http://127.0.0.1:{}/graphql", self.ports[name][0]);
        let body = json!({ "query": operation, "variables": variables });
        let token = self.token.lock().await.clone();
        let mut request = self.client.post(url).json(&body);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let mut answer: Value = request.send().await?.json().await?;
        if answer.get("errors").is_some() {
            bail!("errors in {answer:#}");
        }
        Ok(answer["data"].take())
    }

    async fn start_sandbox(&self) -> Result<()> {
        let mut command = Command::new(binary("sandbox-gateway")?);
        command
            .arg("serve")
            .env("LISTEN", format!("127.0.0.1:{}", self.sandbox_port));
        let webhook = format!("http://127.0.0.1:{}/webhooks/sandbox", self.ports["payments"][3]);
        command
            .env("SANDBOX_WEBHOOK_URL", webhook)
            .env("SANDBOX_HANG_SECONDS", "3");
        let mut process = Process::start("sandbox-gateway", &mut command)?;
        process.wait_for_port(self.sandbox_port)?;
        self.processes.lock().await.insert("sandbox-gateway", process);
        Ok(())
    }

    fn command(&self, name: &'static str, subcommand: &str) -> Result<Command> {
        let address = |port: u16| format!("127.0.0.1:{port}");
        let [http, internal, admin, webhook] = self.ports[name];
        let mut command = Command::new(binary(name)?);
        command
            .arg(subcommand)
            .env("DATABASE_URL", &self.databases[name])
            .env("LISTEN", address(http))
            .env("INTERNAL_LISTEN", address(internal))
            .env("ADMIN_LISTEN", address(admin))
            .env("WEBHOOK_LISTEN", address(webhook))
            .env("INTERNAL_KEY_FILE", self.folder.path().join("internal.key"))
            .env("JWT_KEYS_DIR", self.folder.path().join("keys"))
            .env(
                "JWKS_URL",
                format!("http://{}/.well-known/jwks.json", address(self.ports["users"][0])),
            )
            .env("GATEWAY_URL", format!("http://{}", address(self.sandbox_port)))
            .env("GATEWAY_API_KEY", "sk_test_hansa")
            .env(
                "GATEWAY_WEBHOOK_SECRETS",
                "whsec_aGFuc2Etc2FuZGJveC13ZWJob29rLXNlY3JldA==",
            )
            .env("GATEWAY_TIMEOUT_MS", "1000");
        let peers = ["USER", "PRODUCT", "ORDER", "PAYMENT", "REVIEW"];
        for (variable, peer) in peers.iter().zip(SERVICES) {
            command.env(
                format!("{variable}_SERVICE_URL"),
                format!("http://{}", address(self.ports[peer][1])),
            );
        }
        if let Ok(url) = std::env::var(NATS) {
            command.env("NATS_URL", url).env("NATS_STREAM", &self.stream);
        }
        // Tokens are of the world's time.
        if name != "users" {
            command.env("CLOCK_SCALE", format!("{CLOCK_TIMES}@{}", self.since_ms));
        }
        Ok(command)
    }
}

async fn database(folder: &TempDir, name: &str) -> Result<String> {
    let Ok(server) = std::env::var(SERVER) else {
        return Ok(format!(
            "sqlite:{}",
            folder.path().join(format!("{name}.sqlite")).display()
        ));
    };
    let database = service::id::new("hansa_crash");
    let (base, _) = server.rsplit_once('/').context("a URL with a database in it")?;
    let charset = if server.starts_with("mysql") {
        " CHARACTER SET utf8mb4"
    } else {
        ""
    };
    let admin = Database::connect(&server, &DatabaseOptions::default()).await?;
    admin
        .write()
        .execute_unprepared(&format!("CREATE DATABASE {database}{charset}"))
        .await?;
    admin.close().await;
    Ok(format!("{base}/{database}"))
}
