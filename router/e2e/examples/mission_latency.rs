//! Measures the mission's query against `hansa` over loopback: latency, and the memory of the process.
//!
//! `cargo run --release -p e2e --example mission_latency`. Bounded: 200 requests to warm up, 2,000 measured, one at a time.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::deployment::{Deployment, Shape};
use serde_json::json;
use standalone::demo;

const MISSION: &str = include_str!("../../../schema/operations/mission.graphql");
const WARM_UP: usize = 200;
const MEASURED: usize = 2_000;

#[tokio::main]
#[allow(clippy::print_stdout, reason = "printing is what a benchmark is for")]
async fn main() -> Result<()> {
    let shop = Deployment::start(Shape::OneProcess)?;
    let idle = shop.resident_mib("hansa")?;
    let token = shop.login(&demo::email(), demo::PASSWORD).await?;
    let variables = json!({ "id": demo::order_id()? });
    let mut durations = Vec::with_capacity(MEASURED);
    for round in 0..WARM_UP + MEASURED {
        let begin = Instant::now();
        let answer = shop.graphql(MISSION, variables.clone(), Some(&token)).await?;
        let duration = begin.elapsed();
        ensure!(answer.get("errors").is_none(), "{answer:#}");
        if round >= WARM_UP {
            durations.push(duration);
        }
    }
    durations.sort_unstable();
    let at = |permille: usize| milliseconds(durations[durations.len() * permille / 1_000]);
    println!("mission's query, {MEASURED} requests, one at a time, client included:");
    println!(
        "  median {:.2} ms, p90 {:.2} ms, p99 {:.2} ms",
        at(500),
        at(900),
        at(990)
    );
    println!(
        "resident memory of hansa: {idle} MiB when started, {} MiB after",
        shop.resident_mib("hansa")?
    );
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
