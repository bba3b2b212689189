//! How long planning takes: `cargo bench -p planner`.
//!
//! Prints the time per cold plan (parsing and validation excluded, normalisation included) for operations that people
//! write, for operations that make planners explode, and for families that grow, with the exponent of their growth.
//! The first two come from `CONFORMANCE_DIR`, and are left out without it. Compiled as the router is that is shipped, and with
//! its allocator.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails may panic, and prints"
)]

mod families;
mod large;
mod long;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use federation::limits::Limits;
use federation::operation::{self, Operation};
use federation::supergraph::{ActiveLabels, Supergraph};
use mimalloc::MiMalloc;
use planner::Planner;
use serde_json::Value;

use families::{FAMILIES, Family};

/// That of the `router` binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    // `cargo bench -p planner -- explosive`: one part only. Cargo itself adds `--bench`.
    let part = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| part.as_ref().is_none_or(|part| part == name);
    if let Some(dir) = std::env::var_os("CONFORMANCE_DIR").map(PathBuf::from) {
        if is_wanted("audit") {
            audit(&dir);
        }
        if is_wanted("explosive") {
            explosive(&dir);
        }
    }
    if is_wanted("growth") {
        FAMILIES.iter().for_each(growth);
    }
    if is_wanted("long") {
        long();
    }
    if is_wanted("large") {
        large(4);
        large(30);
    }
}

fn planner(sdl: &str) -> Planner {
    Planner::new(Arc::new(Supergraph::parse(sdl).unwrap()))
}

/// `None` for operations that are not valid.
fn parse(planner: &Planner, text: &str) -> Option<Operation> {
    let limits = Limits {
        document_bytes_max: 1 << 20,
        tokens_max: 1 << 20,
        depth_max: 1_000,
        ..Limits::default()
    };
    let document = operation::parse(text, &limits).ok()?.without_unused_fragments();
    operation::validate(&document, planner.supergraph().api_schema(), None).ok()
}

/// The shortest time of several plans: what others do on the machine only makes plans slower.
fn shortest(planner: &Planner, operation: &Operation) -> Duration {
    let begin = Instant::now();
    let mut shortest = Duration::MAX;
    let mut plans = 0;
    while begin.elapsed() < Duration::from_millis(60) || plans < 5 {
        plans += 1;
        let begin = Instant::now();
        let plan = planner.plan(operation, &ActiveLabels::NONE).unwrap();
        shortest = shortest.min(begin.elapsed());
        drop(plan);
    }
    shortest
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn audit(dir: &Path) {
    let mut times = Vec::new();
    for suite in fs::read_dir(dir.join("audit")).unwrap() {
        let suite = suite.unwrap().path();
        let planner = planner(&fs::read_to_string(suite.join("supergraph.graphql")).unwrap());
        let tests: Vec<Value> = serde_json::from_str(&fs::read_to_string(suite.join("tests.json")).unwrap()).unwrap();
        for test in &tests {
            if let Some(operation) = parse(&planner, test["query"].as_str().unwrap()) {
                times.push(micros(shortest(&planner, &operation)));
            }
        }
    }
    times.sort_by(f64::total_cmp);
    println!(
        "audit: {} operations, median {:.1} us, 90% {:.1} us, longest {:.1} us",
        times.len(),
        times[times.len() / 2],
        times[times.len() * 9 / 10],
        times[times.len() - 1]
    );
}

fn explosive(dir: &Path) {
    for case in ["heavy-query", "many-plans"] {
        let folder = dir.join("planner").join(case);
        let planner = planner(&fs::read_to_string(folder.join("supergraph.graphql")).unwrap());
        let known: Vec<Value> =
            serde_json::from_str(&fs::read_to_string(folder.join("best_known.json")).unwrap()).unwrap();
        for known in &known {
            let text = fs::read_to_string(folder.join(known["operation"].as_str().unwrap())).unwrap();
            let operation = parse(&planner, &text).unwrap();
            report(case, &planner, &operation);
        }
    }
}

fn report(name: &str, planner: &Planner, operation: &Operation) -> Duration {
    let (plan, work) = planner.plan_counting(operation, &ActiveLabels::NONE).unwrap();
    let time = shortest(planner, operation);
    println!(
        "{name}: {:.1} us, {} requests in {} stages, {work} units of work",
        micros(time),
        plan.fetches(),
        plan.stages()
    );
    time
}

/// The slope of a line through the logarithms of sizes and times.
fn growth(family: &Family) {
    let mut points = Vec::new();
    for size in family.sizes {
        let (sdl, text) = (family.make)(*size);
        let planner = planner(&sdl);
        let operation = parse(&planner, &text).unwrap();
        let time = report(&format!("{} {size}", family.name), &planner, &operation);
        points.push(((*size as f64).ln(), micros(time).ln()));
    }
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_size, mean_time) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points
        .iter()
        .map(|(size, time)| (size - mean_size) * (time - mean_time))
        .sum();
    let variance: f64 = points.iter().map(|(size, _)| (size - mean_size).powi(2)).sum();
    println!("{}: exponent {:.2}\n", family.name, covariance / variance);
}

/// An operation of half a megabyte, to be planned in a tenth of a second.
fn long() {
    let (sdl, text) = long::make(453_000);
    let planner = planner(&sdl);
    let operation = parse(&planner, &text).unwrap();
    let name = format!("long: {} KB over {} KB", text.len() / 1_000, sdl.len() / 1_000);
    report(&name, &planner, &operation);
}

/// A supergraph of so many megabytes: how long it takes to load, and to plan one operation over it.
fn large(megabytes: usize) {
    let (sdl, text) = large::make(megabytes << 20);
    let begin = Instant::now();
    let planner = planner(&sdl);
    println!(
        "{} MB load in {:.2} s, {}",
        sdl.len() >> 20,
        begin.elapsed().as_secs_f64(),
        memory()
    );
    let operation = parse(&planner, &text).unwrap();
    report("large", &planner, &operation);
}

/// The most memory that this process had so far.
fn memory() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM"));
    peak.unwrap_or("unknown memory").to_owned()
}
