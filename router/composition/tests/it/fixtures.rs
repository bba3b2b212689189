//! `router/fixtures/<feature>/subgraphs/*.graphql` compose to `supergraph.graphql` and `hints.txt`, or fail with
//! `errors.txt`.
//!
//! `UPDATE_EXPECT=1` writes what is found; a new feature begins as a folder of subgraphs.

use std::path::{Path, PathBuf};

use composition::{CompositionError, Hint, SourceLocation, compose};
use expect_test::expect_file;
use federation::Subgraph;

#[test]
fn fixtures_compose_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    for feature in features(&root) {
        check_fixture(&feature);
    }
}

/// Folders of subgraphs, sorted.
pub(crate) fn features(root: &Path) -> impl Iterator<Item = PathBuf> {
    sorted_entries(root)
        .into_iter()
        .filter(|path| path.join("subgraphs").is_dir())
}

fn check_fixture(feature: &Path) {
    let subgraphs = subgraphs(feature);
    match compose(&subgraphs) {
        Ok(composed) => {
            assert!(
                !feature.join("errors.txt").exists(),
                "{} composes, but has an errors.txt",
                feature.display()
            );
            expect_file![feature.join("supergraph.graphql")].assert_eq(&composed.supergraph_sdl);
            if !composed.hints.is_empty() || feature.join("hints.txt").exists() {
                expect_file![feature.join("hints.txt")].assert_eq(&describe_hints(&composed.hints));
            }
            let mut reversed = subgraphs;
            reversed.reverse();
            let again = compose(&reversed).expect("order does not matter");
            assert_eq!(
                again,
                composed,
                "{} composes differently in another order",
                feature.display()
            );
        }
        Err(errors) => {
            assert!(
                !feature.join("supergraph.graphql").exists(),
                "{}: {}",
                feature.display(),
                describe(&errors)
            );
            expect_file![feature.join("errors.txt")].assert_eq(&describe(&errors));
        }
    }
}

pub(crate) fn subgraphs(feature: &Path) -> Vec<Subgraph> {
    sorted_entries(&feature.join("subgraphs"))
        .iter()
        .map(|path| subgraph(path))
        .collect()
}

fn subgraph(path: &Path) -> Subgraph {
    let name = path.file_stem().expect("a file name").to_string_lossy().into_owned();
    Subgraph {
        routing_url: format!("http://{name}/graphql"),
        sdl: std::fs::read_to_string(path).expect("a readable file"),
        name,
    }
}

fn describe(errors: &[CompositionError]) -> String {
    let described = errors
        .iter()
        .map(|error| format!("{}: {}\n{}", error.code, error.message, places(&error.locations)));
    described.collect()
}

fn describe_hints(hints: &[Hint]) -> String {
    let described = hints
        .iter()
        .map(|hint| format!("{}: {}\n{}", hint.code, hint.message, places(&hint.locations)));
    described.collect()
}

fn places(locations: &[SourceLocation]) -> String {
    let described = locations
        .iter()
        .map(|location| format!("    at {}:{}:{}\n", location.subgraph, location.line, location.column));
    described.collect()
}

fn sorted_entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}
