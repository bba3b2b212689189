//! One folder per feature under `router/fixtures`, one folder in it per case: operation in, plan out.
//!
//! `override_labels.json` names the labels that are on, if any; `variables.json` has the variables that defer fragments.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use expect_test::expect_file;
use federation::deferral::DeferConditions;
use federation::limits::Limits;
use federation::operation;
use federation::supergraph::{ActiveLabels, Supergraph};
use planner::Planner;

/// Every feature that has a supergraph, sorted.
pub(crate) fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let features = sorted(&root);
    features
        .into_iter()
        .filter(|feature| feature.join("supergraph.graphql").exists())
        .collect()
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

#[test]
fn fixtures_have_the_plans_that_are_kept_with_them() {
    let mut cases = 0;
    for feature in folders() {
        let sdl = fs::read_to_string(feature.join("supergraph.graphql")).unwrap();
        let supergraph = Supergraph::parse(&sdl).unwrap_or_else(|error| panic!("{}: {error}", feature.display()));
        let planner = Planner::new(Arc::new(supergraph));
        for case in sorted(&feature)
            .iter()
            .filter(|case| case.join("operation.graphql").exists())
        {
            check(&planner, case);
            cases += 1;
        }
    }
    assert!(cases > 0);
}

fn check(planner: &Planner, case: &Path) {
    let text = fs::read_to_string(case.join("operation.graphql")).unwrap();
    let document = operation::parse(&text, &Limits::default()).unwrap();
    let operation = operation::validate(&document, planner.supergraph().api_schema(), None);
    let operation = operation.unwrap_or_else(|errors| panic!("{}: {errors:?}", case.display()));
    let labels = labels(planner.supergraph(), case);
    for label in labels.iter() {
        let known = planner.labels(&operation).unwrap();
        assert!(
            known.contains(&label),
            "{}: the plan depends on its labels",
            case.display()
        );
    }
    let variables = fs::read_to_string(case.join("variables.json")).map(|text| serde_json::from_str(&text).unwrap());
    let defers = DeferConditions::of(&operation).active(&variables.unwrap_or_default());
    let plan = planner
        .plan_in_parts(&operation, &labels, &defers)
        .map_or_else(|error| format!("{error}\n"), |plan| plan.to_string());
    expect_file![case.join("plan.txt")].assert_eq(&plan);
}

fn labels(supergraph: &Supergraph, case: &Path) -> ActiveLabels {
    let Ok(names) = fs::read_to_string(case.join("override_labels.json")) else {
        return ActiveLabels::NONE;
    };
    let names: Vec<String> = serde_json::from_str(&names).unwrap();
    let labels = names.iter().map(|name| supergraph.override_label(name).unwrap());
    labels.collect()
}
