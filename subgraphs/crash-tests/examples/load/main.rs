//! How many orders the shop takes: shoppers browse, search, fill a cart, order and pay, for a minute.
//!
//!     cargo run --release -p crash-tests --example load                 # hansa, SQLite
//!     cargo run --release -p crash-tests --example load -- --shape six --database-server 'postgres://postgres@127.0.0.1/postgres?sslmode=disable'
//!
//! Starts the shop itself, on loopback, and ends it. An answer that no shopper would expect ends the run with code 1;
//! allowed are only stock that has run out, and declines that were asked for.

mod report;
mod shopper;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use e2e::deployment::{Deployment, SERVICES, Setup, Shape};
use futures::StreamExt as _;
use futures::future::try_join_all;
use mimalloc::MiMalloc;
use sea_orm::ConnectionTrait as _;
use serde_json::json;
use service::database::{Database, DatabaseOptions};
use service::seed::users;
use url::Url;

use report::Report;
use shopper::Shopper;

/// Units of each variant, so that a run is not over when the cheapest are sold.
const STOCK: i32 = 100_000;

/// Requests at once before the run begins; a login hashes for some 20 ms.
const PREPARING_MAX: usize = 4;

/// The same as in the `router` binary: shoppers take of the two cores what they need.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Parser)]
struct Args {
    /// `one`: hansa, every database SQLite. `six`: five services and the router, each a process.
    #[arg(long, value_enum, default_value_t = ShapeName::One)]
    shape: ShapeName,

    /// A database server for `six`, on which databases may be made: `postgres://…` or `mysql://…`. SQLite without. A driver
    /// that is not told otherwise takes TLS where the server has it (Debian's has), which costs a fifth of all.
    #[arg(long)]
    database_server: Option<String>,

    /// Shoppers at once, at most 100: as many have accounts.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    shoppers: u32,

    /// Seconds that the shoppers shop before it counts how long they wait: until then connections are made and statements
    /// planned, which is done once in the life of a shop. What fails counts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=600))]
    warm_up: u64,

    /// Length of the run after that, in seconds.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,

    /// Journeys that begin in a second, of all shoppers together. More than the shop can take: each shopper then begins
    /// the next as soon as the last has ended.
    #[arg(long, default_value_t = 110.0)]
    rate: f64,
}

#[derive(Clone, Copy, ValueEnum)]
enum ShapeName {
    One,
    Six,
}

#[tokio::main]
#[allow(clippy::print_stdout, clippy::print_stderr, reason = "a command prints its result")]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let databases = databases(args.database_server.as_deref()).await?;
    let shape = match args.shape {
        ShapeName::One => Shape::OneProcess,
        ShapeName::Six => Shape::SixProcesses,
    };
    let setup = Setup {
        databases: databases.clone(),
        ..Setup::default()
    };
    eprintln!("Building, starting and filling the shop …");
    let shop = Arc::new(Deployment::start_with(shape, setup)?);
    fill_shelves(&shop).await?;
    let shoppers = sign_in(&shop, args.shoppers).await?;
    eprintln!("{} shoppers for {} + {} s …", args.shoppers, args.warm_up, args.seconds);
    let report = measure(shoppers, &args).await?;
    print!("{report}");
    drop(shop);
    if let Some(server) = &args.database_server {
        drop_databases(server, &databases).await?;
    }
    Ok(if report.has_failures() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn measure(shoppers: Vec<Shopper>, args: &Args) -> Result<Report> {
    let pause = Duration::from_secs_f64(f64::from(args.shoppers) / args.rate);
    let mut shoppers = shop_for(Duration::from_secs(args.warm_up), shoppers, pause).await?;
    shoppers.iter_mut().for_each(Shopper::count_from_now);
    let begun = Instant::now();
    let shoppers = shop_for(Duration::from_secs(args.seconds), shoppers, pause).await?;
    let length = begun.elapsed();
    let mut report = Report::default();
    for shopper in shoppers {
        report.add(shopper.into_report());
    }
    report.finish(length);
    Ok(report)
}

/// Each shopper begins a journey in every `pause`; the last of them are finished.
async fn shop_for(length: Duration, shoppers: Vec<Shopper>, pause: Duration) -> Result<Vec<Shopper>> {
    let begun = Instant::now();
    let count = shoppers.len() as f64;
    let tasks = (0..).zip(shoppers).map(|(number, shopper)| {
        // They come one after the other, not all at once.
        let first = begun + pause.mul_f64(f64::from(number) / count);
        tokio::spawn(shopper.shop_until(begun + length, first, pause))
    });
    Ok(try_join_all(tasks).await?)
}

async fn sign_in(shop: &Arc<Deployment>, count: u32) -> Result<Vec<Shopper>> {
    let logins = (0..u64::from(count)).map(|number| async move {
        let email = users::user(number).email;
        let token = shop.login(&email, users::PASSWORD).await?;
        anyhow::Ok(Shopper::new(Arc::clone(shop), number, token))
    });
    let logins: Vec<_> = futures::stream::iter(logins).buffered(PREPARING_MAX).collect().await;
    logins.into_iter().collect()
}

async fn fill_shelves(shop: &Deployment) -> Result<()> {
    let admin = shop.login(&users::user(users::ADMIN).email, users::PASSWORD).await?;
    let adjust = "mutation($input: StockAdjustInput!) { stockAdjust(input: $input) { userErrors { message } } }";
    let adjustments = service::seed::catalogue::variants().iter().map(|variant| {
        let input = json!({ "idempotencyKey": format!("load {}", variant.id), "variantId": variant.id, "delta": STOCK,
            "reason": "load test" });
        shop.data(adjust, json!({ "input": input }), Some(&admin))
    });
    let adjusted: Vec<Result<_>> = futures::stream::iter(adjustments)
        .buffer_unordered(PREPARING_MAX)
        .collect()
        .await;
    adjusted.into_iter().collect::<Result<Vec<_>>>()?;
    Ok(())
}

/// A fresh database for each service; none without a server.
async fn databases(server: Option<&str>) -> Result<BTreeMap<&'static str, String>> {
    let Some(server) = server else {
        return Ok(BTreeMap::new());
    };
    let url = Url::parse(server).context("the URL of the database server")?;
    let charset = if server.starts_with("mysql") {
        " CHARACTER SET utf8mb4"
    } else {
        ""
    };
    let connection = Database::connect(server, &DatabaseOptions::default()).await?;
    let mut databases = BTreeMap::new();
    for name in SERVICES {
        let database = service::id::new("hansa_load");
        connection
            .write()
            .execute_unprepared(&format!("CREATE DATABASE {database}{charset}"))
            .await?;
        let mut url = url.clone();
        url.set_path(&database);
        databases.insert(name, url.into());
    }
    connection.close().await;
    Ok(databases)
}

async fn drop_databases(server: &str, databases: &BTreeMap<&'static str, String>) -> Result<()> {
    let connection = Database::connect(server, &DatabaseOptions::default()).await?;
    for url in databases.values() {
        let url = Url::parse(url).context("the URL of a database")?;
        let database = url.path().trim_start_matches('/');
        connection
            .write()
            .execute_unprepared(&format!("DROP DATABASE {database}"))
            .await?;
    }
    connection.close().await;
    Ok(())
}
