//! Plans are run against a world of made-up objects, and must answer as the world itself does.
//!
//! The world knows every field of every object: a value is a function of the object and the field. A simulated
//! subgraph sees the world through its part of the supergraph: it refuses fields that it does not resolve,
//! representations that do not name an object, and requests in which required values are missing or wrong. Operations
//! are random. So nothing has to be expected by hand, and a plan that asks the wrong subgraph or forgets a key is found.

mod operations;
mod plan_runner;
mod subgraph;
mod world;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use federation::limits::Limits;
use federation::operation::{self, Operation};
use federation::supergraph::{ActiveLabels, Supergraph};
use planner::Planner;
use serde_json::Value;

use operations::Generator;
use world::World;

/// How many random operations are tried on each supergraph.
fn operations_count() -> u64 {
    std::env::var("SIMULATED_OPERATIONS")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(60)
}

#[test]
fn audit_supergraphs_answer_random_operations() {
    let Some(dir) = crate::conformance_dir() else { return };
    let mut suites: Vec<_> = fs::read_dir(dir.join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    suites.sort();
    let mut failures = Vec::new();
    for suite in suites {
        failures.extend(simulate(&suite));
    }
    assert!(
        failures.is_empty(),
        "{} failures, the first:\n{}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n")
    );
}

#[test]
fn fixtures_answer_random_operations() {
    let mut failures = Vec::new();
    for fixture in crate::fixtures::folders() {
        failures.extend(simulate(&fixture));
    }
    assert!(
        failures.is_empty(),
        "{} failures, the first:\n{}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n")
    );
}

fn simulate(folder: &Path) -> Vec<String> {
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    if std::env::var("SIMULATE").is_ok_and(|only| only != name) {
        return Vec::new();
    }
    let sdl = fs::read_to_string(folder.join("supergraph.graphql")).unwrap();
    let supergraph = Arc::new(Supergraph::parse(&sdl).unwrap());
    let planner = Planner::new(Arc::clone(&supergraph));
    let world = World::new(&supergraph);
    let mut failures = Vec::new();
    let mut valid = 0;
    for seed in 0..operations_count() {
        let (text, variables) = Generator::new(&supergraph, seed).operation();
        let Some(operation) = parse(&supergraph, &text) else {
            continue;
        };
        valid += 1;
        if let Err(reason) = check(&planner, &world, &operation, &variables) {
            failures.push(format!("{name} {seed}: {reason}\n{text}\nvariables {variables}"));
        }
    }
    println!("{name}: {valid} operations, {} failures", failures.len());
    failures
}

fn parse(supergraph: &Supergraph, text: &str) -> Option<Operation> {
    let document = operation::parse(text, &Limits::default()).ok()?;
    operation::validate(&document, supergraph.api_schema(), None).ok()
}

fn check(planner: &Planner, world: &World<'_>, operation: &Operation, variables: &Value) -> Result<(), String> {
    let query_plan = planner
        .plan(operation, &ActiveLabels::NONE)
        .map_err(|error| error.to_string())?;
    let expected = world.answer(operation, variables);
    let actual = plan_runner::run(world, &query_plan, variables).map_err(|error| format!("{error}\n{query_plan}"))?;
    // As text, because the order of fields counts.
    let (actual, expected) = (actual.to_string(), expected.to_string());
    if actual == expected {
        return Ok(());
    }
    Err(format!("the answer is\n{actual}\nnot\n{expected}\n{query_plan}"))
}
