//! Every operation of the audit suites, with no more requests than the best known router needs.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use apollo_compiler::ast;
use federation::limits::Limits;
use federation::operation::{self, Operation};
use federation::query_plan::{EntityFetch, FetchTarget, PlanNode, QueryPlan};
use federation::supergraph::{ActiveLabels, Supergraph};
use planner::Planner;
use serde_json::Value;

fn planner(sdl: &str) -> Planner {
    Planner::new(Arc::new(Supergraph::parse(sdl).expect("the supergraph is one")))
}

/// `None` for operations that are not valid.
fn parse(planner: &Planner, text: &str) -> Option<Operation> {
    let document = operation::parse(text, &Limits::default()).ok()?;
    operation::validate(&document, planner.supergraph().api_schema(), None).ok()
}

/// Defaults of Boolean variables: the suites give no others.
fn variables(operation: &Operation) -> Vec<(String, bool)> {
    let variables = operation.definition().variables.iter();
    let given = variables.filter_map(|variable| {
        let default = variable.default_value.as_ref()?.to_bool()?;
        Some((variable.name.to_string(), default))
    });
    given.collect()
}

/// How many requests of a plan are sent with these variables.
fn sent(node: &PlanNode, variables: &[(String, bool)]) -> usize {
    let is = |name: &str| variables.iter().any(|(variable, value)| variable == name && *value);
    match node {
        PlanNode::Sequence(nodes) | PlanNode::Parallel(nodes) => nodes.iter().map(|node| sent(node, variables)).sum(),
        PlanNode::Fetch(fetch) => match &fetch.target {
            FetchTarget::Root { .. } => 1,
            FetchTarget::Entities(entities) => {
                let is_sent =
                    |entity: &EntityFetch| entity.is_sent(|condition| is(&condition.variable) == condition.value);
                usize::from(entities.iter().any(is_sent))
            }
        },
        PlanNode::Condition {
            variable,
            if_true,
            if_false,
        } => {
            let taken = if is(variable) { if_true } else { if_false };
            taken.as_ref().map_or(0, |node| sent(node, variables))
        }
        PlanNode::Defer { primary, deferred } => {
            let later = deferred.iter().filter_map(|part| part.node.as_ref());
            primary.iter().chain(later).map(|node| sent(node, variables)).sum()
        }
        PlanNode::Subscription { rest, .. } => 1 + rest.as_ref().map_or(0, |node| sent(node, variables)),
    }
}

/// Fragments that nothing spreads are not valid, but the operations have some.
fn without_unused_fragments(text: &str) -> String {
    let mut document = ast::Document::parse(text, "operation.graphql").unwrap();
    document.definitions.retain(|definition| match definition {
        ast::Definition::FragmentDefinition(fragment) => text.contains(&format!("...{}\n", fragment.name)),
        _ => true,
    });
    document.to_string()
}

fn plan(planner: &Planner, operation: &Operation) -> QueryPlan {
    planner
        .plan(operation, &ActiveLabels::NONE)
        .expect("the operation has a plan")
}

#[test]
fn audit_operations_need_no_more_requests_than_known() {
    let Some(dir) = crate::conformance_dir() else { return };
    let mut worse = Vec::new();
    let mut count = 0;
    let mut suites: Vec<PathBuf> = fs::read_dir(dir.join("audit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    suites.sort();
    for suite in suites {
        let planner = planner(&fs::read_to_string(suite.join("supergraph.graphql")).unwrap());
        let tests: Vec<Value> = serde_json::from_str(&fs::read_to_string(suite.join("tests.json")).unwrap()).unwrap();
        for (index, test) in tests.iter().enumerate() {
            count += 1;
            let Some(operation) = parse(&planner, test["query"].as_str().unwrap()) else {
                assert_eq!(test["fewest_fetches"], 0, "{} {index}: not valid", suite.display());
                continue;
            };
            let name = format!("{} {index}", suite.file_name().unwrap().to_string_lossy());
            if std::env::var("SHOW_PLANS").is_ok_and(|shown| name.contains(&shown)) {
                println!("{name}\n{}", test["query"].as_str().unwrap());
            }
            match planner.plan(&operation, &ActiveLabels::NONE) {
                Ok(plan) => {
                    if std::env::var("SHOW_PLANS").is_ok_and(|shown| name.contains(&shown)) {
                        println!("{plan}");
                    }
                    let known = test["fewest_fetches"].as_u64().unwrap() as usize;
                    let needed = plan.root.as_ref().map_or(0, |root| sent(root, &variables(&operation)));
                    if needed > known {
                        worse.push(format!("{name}: {needed} requests, {known} are known to do"));
                    }
                }
                Err(error) => worse.push(format!("{name}: {error}")),
            }
        }
    }
    assert!(count > 100, "{count}");
    assert!(worse.is_empty(), "{}", worse.join("\n"));
}

#[test]
fn operations_that_make_planners_explode_do_not() {
    let Some(dir) = crate::conformance_dir() else { return };
    for case in ["heavy-query", "many-plans"] {
        let folder = dir.join("planner").join(case);
        let planner = planner(&fs::read_to_string(folder.join("supergraph.graphql")).unwrap());
        let known: Value = serde_json::from_str(&fs::read_to_string(folder.join("best_known.json")).unwrap()).unwrap();
        for known in known.as_array().unwrap() {
            let text = fs::read_to_string(folder.join(known["operation"].as_str().unwrap())).unwrap();
            let operation = parse(&planner, &without_unused_fragments(&text)).expect("the operation is valid");
            let begin = std::time::Instant::now();
            let query_plan = plan(&planner, &operation);
            println!(
                "{case}: {} requests in {} stages, {:.1} ms, {} characters",
                query_plan.fetches(),
                query_plan.stages(),
                begin.elapsed().as_secs_f64() * 1000.0,
                query_plan.to_string().len(),
            );
            let fewest = known["best_known"]["fetches"].as_u64().unwrap() as usize;
            assert!(
                query_plan.fetches() <= fewest,
                "{case}: {} > {fewest}",
                query_plan.fetches()
            );
            assert_eq!(query_plan, plan(&planner, &operation), "{case}: plans are stable");
        }
    }
}
