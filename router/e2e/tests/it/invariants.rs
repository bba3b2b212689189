//! The dependency invariants of `ARCHITECTURE.md`: who may know whom.
//!
//! Over `cargo metadata` (normal dependencies; tests may use what they like) and, inside the subgraphs, over the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};
use e2e::processes::workspace_root;

/// Packages of the workspace, by what they may depend on inside it.
const ALLOWED: [(&str, &[&str]); 15] = [
    ("trace-context", &[]),
    ("balanced-client", &["trace-context"]),
    ("federation", &[]),
    ("composition", &["federation"]),
    ("planner", &["federation"]),
    ("executor", &["federation", "balanced-client"]),
    (
        "server",
        &[
            "federation",
            "composition",
            "planner",
            "executor",
            "balanced-client",
            "trace-context",
        ],
    ),
    ("service", &["balanced-client", "trace-context"]),
    ("users", &["service"]),
    ("products", &["service"]),
    ("orders", &["service"]),
    ("payments", &["service"]),
    ("reviews", &["service"]),
    ("sandbox-gateway", &["service", "balanced-client"]),
    ("crash-tests", &[]),
];

/// The only two that see both the router and the shop.
const SEE_EVERYTHING: [&str; 2] = ["standalone", "e2e"];

/// No network, no async runtime, no clock, no chance: the same input gives the same output.
const PURE: [&str; 3] = ["federation", "composition", "planner"];
const NOT_IN_PURE: [&str; 14] = [
    "async-graphql",
    "axum",
    "chrono",
    "futures",
    "http",
    "http-body",
    "hyper",
    "hyper-util",
    "rand",
    "reqwest",
    "sea-orm",
    "tokio",
    "tower",
    "tracing",
];
const NOT_IN_PURE_SOURCES: [&str; 3] = ["Instant::now", "SystemTime", "std::net"];

/// Every package of the workspace with its normal dependencies, by name.
fn normal_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new()
        .manifest_path(workspace_root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo reads the workspace");
    let packages = metadata.packages.into_iter().map(|package| {
        let normal = package
            .dependencies
            .into_iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal);
        (
            package.name.to_string(),
            normal.map(|dependency| dependency.name).collect(),
        )
    });
    packages.collect()
}

#[test]
fn packages_know_only_whom_they_may() {
    let dependencies = normal_dependencies();
    let mut broken = Vec::new();
    for (package, known) in &dependencies {
        if SEE_EVERYTHING.contains(&package.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == package) else {
            broken.push(format!("`{package}` is new: say here what it may depend on"));
            continue;
        };
        for name in known.iter().filter(|name| dependencies.contains_key(*name)) {
            if !allowed.contains(&name.as_str()) {
                broken.push(format!("`{package}` must not depend on `{name}`"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_pure_packages_know_no_network_and_no_clock() {
    let dependencies = normal_dependencies();
    let mut broken = Vec::new();
    for package in PURE {
        for name in NOT_IN_PURE.iter().filter(|name| dependencies[package].contains(**name)) {
            broken.push(format!("`{package}` must not depend on `{name}`"));
        }
        for (path, number, line) in code_lines(&workspace_root().join("router").join(package).join("src")) {
            if let Some(word) = NOT_IN_PURE_SOURCES.iter().find(|word| line.contains(**word)) {
                broken.push(format!("{}:{number}: `{word}` in a pure package", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// In a subgraph, `graphql` alone knows async-graphql; `store`, `entity` and `migration` alone know sea-orm.
#[test]
fn subgraphs_keep_graphql_and_database_apart() {
    let rules: [(&str, &[&str]); 2] = [
        ("async_graphql", &["graphql"]),
        ("sea_orm", &["store", "entity", "migration"]),
    ];
    let mut broken = Vec::new();
    for subgraph in ["users", "products", "orders", "payments", "reviews"] {
        let sources = workspace_root().join("subgraphs").join(subgraph).join("src");
        for (path, number, line) in code_lines(&sources) {
            let module = module_of(&path, &sources);
            for (word, allowed) in rules {
                if line.contains(word) && !allowed.contains(&module.as_str()) {
                    broken.push(format!("{}:{number}: `{word}` in `{module}`", path.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// `graphql` for `src/graphql.rs` and everything below `src/graphql/`.
fn module_of(path: &Path, sources: &Path) -> String {
    let first = path
        .strip_prefix(sources)
        .ok()
        .and_then(|path| path.components().next());
    let first = first
        .map(|component| component.as_os_str().to_string_lossy().into_owned())
        .unwrap_or_default();
    first.trim_end_matches(".rs").to_owned()
}

/// Every line of Rust below `folder` that is not a comment, with its number from 1.
fn code_lines(folder: &Path) -> Vec<(PathBuf, usize, String)> {
    let mut lines = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the folder of a package's sources") {
        let path = entry.expect("a folder that can be read").path();
        if path.is_dir() {
            lines.extend(code_lines(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
            let code = text
                .lines()
                .enumerate()
                .filter(|(_, line)| !line.trim_start().starts_with("//"));
            lines.extend(code.map(|(index, line)| (path.clone(), index + 1, line.to_owned())));
        }
    }
    lines
}
