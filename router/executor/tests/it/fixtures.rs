//! `router/fixtures/<feature>/<case>`: an operation, what each subgraph answers in turn, and what the client gets.
//!
//! `subgraph_responses.json` is `{"NAME": [ANSWER, ...]}`; an answer is a GraphQL response, or `{"status": 503, "body": "..."}` for
//! one that is none. `UPDATE_EXPECT=1` writes `response.json`, or `response_parts.json` where fragments are deferred; a new case
//! is a new folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use executor::{PendingFragment, ResponsePart, coerce_variables};
use expect_test::expect_file;
use federation::deferral::{ActiveDefers, DeferConditions};
use federation::limits::Limits;
use federation::operation::{parse, validate};
use federation::supergraph::{ActiveLabels, Supergraph};
use planner::Planner;
use serde_json::{Map, Value, json};

use crate::harness::{Canned, run_in_parts, run_with};

#[test]
fn fixtures_are_answered_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let cases = folders(&root).into_iter().flat_map(|feature| folders(&feature));
    let cases: Vec<PathBuf> = cases
        .filter(|case| case.join("subgraph_responses.json").exists())
        .collect();
    assert!(!cases.is_empty(), "no cases in {}", root.display());
    cases.iter().for_each(|case| check(case));
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = folder
        .read_dir()
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort_unstable();
    folders
}

fn check(case: &Path) {
    let read =
        |path: PathBuf| std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let supergraph = Supergraph::parse(&read(case.join("../supergraph.graphql"))).expect("the fixture is a supergraph");
    let supergraph = Arc::new(supergraph);
    let document = parse(&read(case.join("operation.graphql")), &Limits::default()).expect("the operation parses");
    let operation = validate(&document, supergraph.api_schema(), None).expect("the operation is valid");
    let variables = std::fs::read_to_string(case.join("variables.json")).ok();
    let variables = variables.map(|variables| serde_json::from_str(&variables).expect("variables are an object"));
    let variables = coerce_variables(&operation, variables).expect("variables fit");
    let defers = DeferConditions::of(&operation).active(&variables);
    let is_in_parts = defers != ActiveDefers::NONE;
    let plan = Planner::new(Arc::clone(&supergraph))
        .plan_in_parts(&operation, &ActiveLabels::NONE, &defers)
        .expect("the operation can be planned");

    let answers: Map<String, Value> = serde_json::from_str(&read(case.join("subgraph_responses.json"))).unwrap();
    let canned = answers.iter().flat_map(|(subgraph, answers)| {
        let answers = answers.as_array().expect("answers stand in a list");
        answers.iter().map(|answer| (subgraph.as_str(), canned(answer)))
    });
    let canned: Vec<_> = canned.collect();
    let (expected, response): (_, Value) = if is_in_parts {
        let (_, parts) = run_in_parts(&operation, &plan, &canned, variables);
        ("response_parts.json", parts.iter().map(part).collect())
    } else {
        let run = run_with(&operation, &plan, &canned, variables);
        assert_eq!(
            run.requests.len(),
            canned.len(),
            "{}: every answer is asked for: {:#?}",
            case.display(),
            run.requests
        );
        let response = serde_json::from_slice(&run.response.to_bytes()).expect("the response is JSON");
        ("response.json", response)
    };
    expect_file![case.join(expected)].assert_eq(&format!("{response:#}\n"));
}

/// A part of an answer in words of the Incremental Delivery RFC.
fn part(part: &ResponsePart) -> Value {
    let json = |data: &[u8]| serde_json::from_slice::<Value>(data).expect("data is JSON");
    let pending = |pending: &PendingFragment| json!({ "id": pending.id, "label": pending.label, "path": pending.path });
    let (mut part, announcement) = match part {
        ResponsePart::First(answer, announcement) => (json(&answer.to_bytes()), announcement),
        ResponsePart::Later(later, announcement) => {
            let delivered = later.fragments.iter().map(|fragment| {
                let objects = fragment.data.as_ref().map(|objects| {
                    let objects = objects.iter();
                    objects.map(|object| json!({ "subPath": object.sub_path, "data": json(&object.data) }))
                });
                let objects: Option<Vec<Value>> = objects.map(Iterator::collect);
                json!({ "id": fragment.pending.id, "errors": fragment.errors, "incremental": objects })
            });
            (json!({ "completed": delivered.collect::<Vec<_>>() }), announcement)
        }
    };
    part["pending"] = announcement.pending.iter().map(pending).collect();
    part["hasNext"] = announcement.has_next.into();
    part
}

fn canned(answer: &Value) -> Canned {
    match (answer["status"].as_u64(), answer["body"].as_str()) {
        (Some(status), Some(body)) => Canned::Broken(u16::try_from(status).unwrap(), body.to_owned()),
        _ => Canned::Text(answer.to_string()),
    }
}
