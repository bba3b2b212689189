//! `router/fixtures/<feature>/subgraphs/*.graphql` compose to `supergraph.graphql`, or fail with `errors.txt`.
//!
//! `UPDATE_EXPECT=1` writes what is found; a new feature begins as a folder of subgraphs.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use composition::{CompositionError, compose};
use expect_test::expect_file;
use federation::Subgraph;

#[test]
fn fixtures_compose_as_expected() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let features = sorted_entries(&root)
        .into_iter()
        .filter(|path| path.join("subgraphs").is_dir());
    for feature in features {
        check_fixture(&feature);
    }
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
    let mut text = String::new();
    for error in errors {
        writeln!(text, "{}: {}", error.code, error.message).expect("a string grows");
        for location in &error.locations {
            writeln!(
                text,
                "    at {}:{}:{}",
                location.subgraph, location.line, location.column
            )
            .expect("a string grows");
        }
    }
    text
}

fn sorted_entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut entries: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    entries
}
