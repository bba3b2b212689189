//! The services, the payment sandbox and shoppers who never give up.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use e2e::processes::{Process, binary, free_port};
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use service::database::{Database, DatabaseOptions};
use service::seed::users;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use crate::link::Link;

pub(crate) const SERVICES: [&str; 5] = ["users", "products", "orders", "payments", "reviews"];

/// Names a database on a server, on which others may be created.
const SERVER: &str = "CRASH_DATABASE_URL";

/// Names a NATS that carries the events, instead of requests.
pub(crate) const NATS: &str = "CRASH_NATS_URL";

/// Minutes of leases and waiting pass in seconds.
const CLOCK_TIMES: u32 = 10;

/// Longest time in which a shopper gets an answer, restarts included.
const PATIENCE: Duration = Duration::from_secs(90);

/// Accounts that order in turn: of one, few orders may wait to be paid.
const BUYERS: u64 = 40;

/// One shop at a time: each is seven processes.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A second replica of orders.
pub(crate) const SECOND_ORDERS: &str = "orders-2";

/// What may be different about a shop.
pub(crate) struct Setup {
    /// Names a database on a server, on which others may be created; SQLite without.
    pub(crate) server: Option<String>,
    /// Who asks whom through a [`Link`]: another service, `gateway`, or `database` where there is a server.
    pub(crate) links: Vec<(&'static str, &'static str)>,
    /// Orders runs twice.
    pub(crate) has_second_orders: bool,
}

impl Default for Setup {
    /// Databases on the server that the environment names.
    fn default() -> Setup {
        Setup {
            server: std::env::var(SERVER).ok(),
            links: Vec::new(),
            has_second_orders: false,
        }
    }
}

pub(crate) struct Shop {
    processes: Mutex<BTreeMap<&'static str, Process>>,
    ports: BTreeMap<&'static str, [u16; 4]>,
    sandbox_port: u16,
    since_ms: i64,
    /// By how many milliseconds a service's clock is off.
    clock_shifts: Mutex<BTreeMap<&'static str, i64>>,
    server: Option<String>,
    databases: BTreeMap<&'static str, String>,
    links: BTreeMap<(&'static str, &'static str), Link>,
    stream: String,
    folder: TempDir,
    client: reqwest::Client,
    /// By number of the account.
    tokens: Mutex<BTreeMap<u64, String>>,
    /// By order: number of the account that has placed it.
    buyers: Mutex<BTreeMap<String, u64>>,
    next_buyer: AtomicU64,
    pub(crate) variant_id: String,
    _turn: MutexGuard<'static, ()>,
}

impl Shop {
    /// Starts everything on fresh, seeded databases: of the server in `CRASH_DATABASE_URL`, else SQLite.
    pub(crate) async fn open() -> Result<Arc<Shop>> {
        Shop::open_with(Setup::default()).await
    }

    /// The same, with `setup`.
    pub(crate) async fn open_with(setup: Setup) -> Result<Arc<Shop>> {
        let turn = ONE_AT_A_TIME.lock().await;
        let folder = tempfile::tempdir()?;
        std::fs::write(
            folder.path().join("internal.key"),
            "an internal key for tests, of sufficient length",
        )?;
        let (mut ports, mut databases) = (BTreeMap::new(), BTreeMap::new());
        for name in SERVICES {
            ports.insert(name, [free_port()?, free_port()?, free_port()?, free_port()?]);
            databases.insert(name, database(setup.server.as_deref(), &folder, name).await?);
        }
        ports.insert(SECOND_ORDERS, [free_port()?, free_port()?, free_port()?, free_port()?]);
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
            since_ms: i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?,
            clock_shifts: Mutex::default(),
            server: setup.server,
            databases,
            links: BTreeMap::new(),
            stream: service::id::new("crash"),
            folder,
            client,
            tokens: Mutex::default(),
            buyers: Mutex::default(),
            next_buyer: AtomicU64::default(),
            variant_id: String::new(),
            _turn: turn,
        };
        for (from, to) in setup.links {
            let link = Link::to(shop.address(from, to)?).await?;
            shop.links.insert((from, to), link);
        }
        shop.start_sandbox().await?;
        for name in SERVICES {
            let seeded = shop.command(name, "seed")?.output()?;
            if !seeded.status.success() {
                bail!("`{name} seed` failed:\n{}", String::from_utf8_lossy(&seeded.stderr));
            }
            shop.start(name, &[]).await?;
        }
        if setup.has_second_orders {
            shop.start(SECOND_ORDERS, &[]).await?;
        }
        let query = "{ products(first: 1) { nodes { variants(first: 1) { nodes { id } } } } }";
        let found = shop.ask("products", None, query, json!({})).await?;
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
        let Some(server) = &self.server else {
            return Ok(());
        };
        let admin = Database::connect(server, &DatabaseOptions::default()).await?;
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

    /// Starts a service, with more in its environment: `ABORT_POINT` or `FREEZE_POINT`.
    pub(crate) async fn start(&self, name: &'static str, environment: &[(&str, &str)]) -> Result<()> {
        let mut command = self.command(name, "serve")?;
        command.envs(environment.iter().copied());
        let shift = self.clock_shifts.lock().await.get(name).copied().unwrap_or_default();
        // Tokens are of the world's time.
        if name != "users" {
            let times = i64::from(CLOCK_TIMES);
            let since = self.since_ms - shift / (times - 1);
            command.env("CLOCK_SCALE", format!("{times}@{since}"));
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

    /// Waits until a service has frozen by itself.
    pub(crate) async fn wait_until_frozen(&self, name: &'static str) -> Result<()> {
        let mut process = self.processes.lock().await.remove(name).context("it runs")?;
        let waiting = move || process.wait_until_frozen().map(|()| process);
        let process = tokio::task::spawn_blocking(waiting).await??;
        self.processes.lock().await.insert(name, process);
        Ok(())
    }

    /// Lets a frozen service go on.
    pub(crate) async fn thaw(&self, name: &str) -> Result<()> {
        self.processes.lock().await.get(name).context("it runs")?.thaw()
    }

    /// A service's clock jumps, when it is started the next time.
    pub(crate) async fn shift_clock(&self, name: &'static str, by: Duration, is_back: bool) -> Result<()> {
        let by = i64::try_from(by.as_millis())?;
        *self.clock_shifts.lock().await.entry(name).or_default() += if is_back { -by } else { by };
        Ok(())
    }

    pub(crate) fn link(&self, from: &'static str, to: &'static str) -> &Link {
        &self.links[&(from, to)]
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

    /// Everybody signs in anew.
    pub(crate) async fn sign_in(&self) {
        self.tokens.lock().await.clear();
    }

    async fn token(&self, buyer: u64) -> Result<String> {
        if let Some(token) = self.tokens.lock().await.get(&buyer) {
            return Ok(token.clone());
        }
        let mutation = "mutation($input: UserLoginInput!) { userLogin(input: $input) { tokens { accessToken } } }";
        let input = json!({ "email": users::user(users::DEMO + buyer).email, "password": users::PASSWORD });
        let data = self.ask("users", None, mutation, json!({ "input": input })).await?;
        let token = data["userLogin"]["tokens"]["accessToken"].as_str();
        let token = token.with_context(|| format!("{data:#}"))?.to_owned();
        self.tokens.lock().await.insert(buyer, token.clone());
        Ok(token)
    }

    async fn buyer_of(&self, order_id: &str) -> Result<u64> {
        let buyers = self.buyers.lock().await;
        buyers.get(order_id).copied().context("somebody has placed it")
    }

    /// Places an order, and answers with its id; `None` when the shop says no. The same key until there is an answer.
    pub(crate) async fn place(&self) -> Result<Option<String>> {
        let mutation = "mutation($input: OrderCreateInput!) { orderCreate(input: $input) {
            order { id status } userErrors { code } } }";
        let address = json!({ "name": "Ada", "line1": "Street 1", "city": "Berlin", "countryCode": "DE" });
        let line = json!({ "variantId": self.variant_id, "quantity": 1 });
        let input = json!({ "idempotencyKey": service::id::new("key"), "lines": [line], "shippingAddress": address });
        let buyer = self.next_buyer.fetch_add(1, Ordering::Relaxed) % BUYERS;
        let data = self.insist(buyer, mutation, json!({ "input": input })).await?;
        let order_id = data["orderCreate"]["order"]["id"].as_str().map(str::to_owned);
        if let Some(order_id) = &order_id {
            self.buyers.lock().await.insert(order_id.clone(), buyer);
        }
        Ok(order_id)
    }

    /// Waits until the order is reserved or refused, and answers with its status.
    pub(crate) async fn wait_while(&self, order_id: &str, statuses: &[&str]) -> Result<String> {
        let (begun, buyer) = (Instant::now(), self.buyer_of(order_id).await?);
        loop {
            let query = "query($id: ID!) { order(id: $id) { status } }";
            let data = self.insist(buyer, query, json!({ "id": order_id })).await?;
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
        let buyer = self.buyer_of(order_id).await?;
        self.insist(buyer, mutation, json!({ "input": input })).await
    }

    pub(crate) async fn cancel(&self, order_id: &str) -> Result<Value> {
        let mutation = "mutation($id: ID!) { orderCancel(id: $id) { order { status } userErrors { code } } }";
        let buyer = self.buyer_of(order_id).await?;
        self.insist(buyer, mutation, json!({ "id": order_id })).await
    }

    /// Asks orders until there is an answer without errors: services may be down.
    async fn insist(&self, buyer: u64, operation: &str, variables: Value) -> Result<Value> {
        let begun = Instant::now();
        loop {
            match self.ask_as(buyer, operation, variables.clone()).await {
                Ok(data) => return Ok(data),
                Err(error) if begun.elapsed() > PATIENCE => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn ask_as(&self, buyer: u64, operation: &str, variables: Value) -> Result<Value> {
        let token = self.token(buyer).await?;
        let answer = self.ask("orders", Some(&token), operation, variables).await;
        if answer
            .as_ref()
            .is_err_and(|error| error.to_string().contains("UNAUTHENTICATED"))
        {
            self.tokens.lock().await.remove(&buyer);
        }
        answer
    }

    async fn ask(&self, name: &str, token: Option<&str>, operation: &str, variables: Value) -> Result<Value> {
        let url = format!("http://127.0.0.1:{}/graphql", self.ports[name][0]);
        let body = json!({ "query": operation, "variables": variables });
        let mut request = self.client.post(url).json(&body);
        if let Some(token) = token {
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

    /// Where `from` finds `to`: a link, if there is one.
    fn address(&self, from: &'static str, to: &'static str) -> Result<String> {
        if let Some(link) = self.links.get(&(from, to)) {
            return Ok(link.address());
        }
        Ok(match to {
            "gateway" => format!("127.0.0.1:{}", self.sandbox_port),
            "database" => server_address(&self.databases[from])?.to_owned(),
            service => format!("127.0.0.1:{}", self.ports[service][1]),
        })
    }

    fn command(&self, name: &'static str, subcommand: &str) -> Result<Command> {
        let address = |port: u16| format!("127.0.0.1:{port}");
        let [http, internal, admin, webhook] = self.ports[name];
        let service = name.trim_end_matches("-2");
        let mut database = self.databases[service].clone();
        if self.links.contains_key(&(service, "database")) {
            database = database.replacen(server_address(&database)?, &self.address(service, "database")?, 1);
        }
        let mut command = Command::new(binary(service)?);
        command
            .arg(subcommand)
            .env("DATABASE_URL", database)
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
            .env("GATEWAY_URL", format!("http://{}", self.address(service, "gateway")?))
            .env("GATEWAY_API_KEY", "sk_test_hansa")
            .env(
                "GATEWAY_WEBHOOK_SECRETS",
                "whsec_aGFuc2Etc2FuZGJveC13ZWJob29rLXNlY3JldA==",
            )
            .env("GATEWAY_TIMEOUT_MS", "1000");
        let peers = ["USER", "PRODUCT", "ORDER", "PAYMENT", "REVIEW"];
        for (variable, peer) in peers.iter().zip(SERVICES) {
            let url = format!("http://{}", self.address(service, peer)?);
            command.env(format!("{variable}_SERVICE_URL"), url);
        }
        if let Ok(url) = std::env::var(NATS) {
            command.env("NATS_URL", url).env("NATS_STREAM", &self.stream);
        }
        Ok(command)
    }
}

/// `host:5432` of `postgres://user@host:5432/database`.
fn server_address(url: &str) -> Result<&str> {
    let (_, after) = url.split_once('@').context("a user in the database's URL")?;
    let address = after.split('/').next().filter(|address| address.contains(':'));
    address.context("a port in the database's URL")
}

async fn database(server: Option<&str>, folder: &TempDir, name: &str) -> Result<String> {
    let Some(server) = server else {
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
    let admin = Database::connect(server, &DatabaseOptions::default()).await?;
    admin
        .write()
        .execute_unprepared(&format!("CREATE DATABASE {database}{charset}"))
        .await?;
    admin.close().await;
    Ok(format!("{base}/{database}"))
}
